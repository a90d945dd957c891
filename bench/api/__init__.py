"""The daemon's HTTP API and its web page, over the same service as the command line.

app = create_app(service, Access(hosts=LOOPBACK_NAMES))
"""
