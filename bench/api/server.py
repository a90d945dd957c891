"""Serves the application beside the daemon, in threads of its own: measuring does not wait for a request, nor a request for measuring."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import platform
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.api.access import LOOPBACK_NAMES, Access
from bench.errors import ParameterError

if TYPE_CHECKING:
    from bench.daemon.service import Service

DEFAULT_PORT = 8440
LEAST_TOKEN = 16
STOP_S = 5.0

_log = logging.getLogger("bench.daemon")


class PortTaken(ParameterError):
    """Another program listens there."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A bound socket, and who may use what answers there."""

    socket: socket.socket
    access: Access

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def listen(host: str, port: int, token: str | None, names: Sequence[str] = ()) -> Listening:
    """Bind ``host`` (a name or an address) and ``port`` (0: any free one). ``names`` are further Host headers to answer to.

    Raises ParameterError for an address that is not ours, a port that is taken, a weak token, and for any address but this host's own
    without a token.
    """
    if not 0 <= port <= 65535:
        raise ParameterError(f"--port {port} is out of range", hint="0 (any free one) to 65535")
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ParameterError(
            f"the token is too weak, or not of printable ASCII characters; it needs at least {LEAST_TOKEN}",
            hint="make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise ParameterError(f"--host {host}: {error}", hint="name an address of this host") from None
    loopback = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
    if not loopback and token is None:
        raise ParameterError(
            f"anybody who reaches {address[0]} could use the boards: listening there needs a token",
            hint="set BENCH_TOKEN, or leave out --host and reach this host by: ssh -L 8440:localhost:8440",
        )
    try:
        bound = socket.create_server(address[:2], family=family, backlog=64)
    except OSError as error:
        kind = PortTaken if error.errno == errno.EADDRINUSE else ParameterError
        raise kind(
            f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}",
            hint="choose another --port, 0 for any free one",
        ) from None
    ours = {host.lower(), *(name.lower().rstrip(".") for name in names), *LOOPBACK_NAMES}
    if not loopback:
        node = platform.node().lower()
        ours |= {node, node.partition(".")[0], f"{node.partition('.')[0]}.local"} - {"", ".local"}
    return Listening(bound, Access(frozenset(ours), any_address=not loopback, token=token))


@contextmanager
def serving(service: Service, listening: Listening) -> Iterator[None]:
    """Serve ``service`` in a thread until the block ends."""
    import uvicorn  # noqa: PLC0415 (these take half a second, which a daemon without a page does not spend)

    from bench.api.app import create_app  # noqa: PLC0415

    config = uvicorn.Config(
        create_app(service, listening.access),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        limit_concurrency=100,
        h11_max_incomplete_event_size=32 * 1024,
        timeout_graceful_shutdown=1,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening.socket]}, name="http", daemon=True)
    thread.start()
    _log.info("the page is at %s%s", listening.url, " (with the token)" if listening.access.token else "")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        listening.socket.close()
