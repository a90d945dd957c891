"""Virtual instruments, wired to virtual boards.

pyserial finds ``protocol_virtual`` here when this package's name is on its handler list.
"""
