"""Errors of the C library's functions, newlib's as the Arm compiler brings it."""

EXPF_ULP = 1.0
"""Greatest error of newlib's ``expf``, in units in the last place: its analysis (after fdlibm's ``e_exp.c``) says less than one."""
