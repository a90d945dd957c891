"""Serves ``bench`` commands from a process that has imported everything: a page of docs has twenty, and imports take longer than most of them.

Each command still is a process of its own, forked, with its own arguments, folder, environment and standard streams; it ends in ``bench.cli.main.main``.
The ``bench`` of the tests that use it is ``CLIENT``, which hands over what it was called with.

    python tests/docs/fork_server.py SOCKET
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({socket!r})
    request = json.dumps({{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
    socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(request)
    answer = connection.recv(1)
sys.exit(answer[0] if answer else 70)  # no answer: it was killed
"""

READY = "ready"
_ROOT = Path(__file__).parents[2]
_PRELOADED = (
    "bench.cli.main",
    "bench.estimate.api",
    "bench.lut",
    "bench.report",
    "bench.store",
    "bench.sweep.execute",
    "bench.sweep.validate",
    "bench.virtual.board",
    "bench.virtual.probe",
    "bench.virtual.instruments",
)


@contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Start a server with ``environment`` and its client in ``folder``; yield the client, to be called like ``bench``."""
    path, client = folder / "socket", folder / "bench"
    client.write_text(CLIENT.format(python=sys.executable, socket=str(path)), encoding="utf-8")
    client.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, str(path)], cwd=_ROOT, stdout=subprocess.PIPE, text=True, env=dict(environment)
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == READY
        yield client
    finally:
        server.kill()
        server.wait()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    size, body = int.from_bytes(head, "big"), b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    request: dict[str, Any] = json.loads(body)
    return request, streams


def _serve(connection: socket.socket) -> None:
    """Run one command in this process, and end it."""
    code = 70
    try:
        request, streams = _receive(connection)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["bench", *request["arguments"]]
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        from bench.cli.main import main  # noqa: PLC0415 (imported long ago)

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        for printed in (sys.stdout, sys.stderr):
            if not printed.closed:
                printed.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


def serve(path: str) -> None:
    """Serve commands on the socket ``path`` until killed."""
    for name in _PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _serve(connection)
            connection.close()


if __name__ == "__main__":
    serve(sys.argv[1])
