"""Runs ``bench`` in a process forked from one that has imported it: a command of an end-to-end test starts in no time.

What a command does, it does in a process of its own, with its own arguments, folder, environment, standard streams and exit code. Tests of
the start itself and of signals start Python.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

IMPORTED = (
    "bench.cli.main",
    "bench.cli.progress",
    "bench.cli.sweep_progress",
    "bench.estimate.estimator",
    "bench.lut",
    "bench.measure.station",
    "bench.report",
    "bench.sweep.sweep",
    "bench.virtual.board",
    "bench.virtual.instruments.protocol_virtual",
    "bench.virtual.world",
    "pyocd.core.helpers",
)
_STARTING_S = 120


def serve() -> None:
    """For each line of standard input, which is a request: fork, write the child's number and then its exit code to standard output.

    Returns in the children, which are then to run the command.
    """
    for name in IMPORTED:
        import_module(name)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    for line in iter(requests.readline, ""):
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            requests.close()
            answers.close()
            os.setpgid(0, 0)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
            for stream, path in ((1, request["out"]), (2, request["err"])):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            sys.argv = ["bench", *request["arguments"]]
            return
        answers.write(f"{child}\n")
        answers.flush()
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()
    sys.exit(0)


class ForkServer:
    """The process that has imported everything, as a context."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.fork_server"],
            cwd=Path(__file__).parents[2],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._requests.close()
        self._process.wait()
        self._answers.close()

    def call(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Path, timeout_s: float
    ) -> tuple[int, str, str]:
        """Run ``bench`` with ``arguments`` in ``folder``; its streams pass through files in ``streams``. Returns exit code, output and errors.

        Raises TimeoutError, having ended the command.
        """
        out, err = streams / "out", streams / "err"
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "environment": dict(environment),
            "out": str(out),
            "err": str(err),
        }
        self._requests.write(json.dumps(request).encode() + b"\n")
        child = self._number(_STARTING_S)
        try:
            code = self._number(timeout_s)
        except TimeoutError:
            os.killpg(child, signal.SIGKILL)
            self._number(_STARTING_S)
            raise
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def _number(self, timeout_s: float) -> int:
        if not select.select([self._answers], [], [], timeout_s)[0]:
            raise TimeoutError(f"no answer within {timeout_s:g} s")
        line = self._answers.readline()
        assert line, "the process that forks commands has ended"
        return int(line)


if __name__ == "__main__":
    serve()
    from bench.cli.main import main

    main()
