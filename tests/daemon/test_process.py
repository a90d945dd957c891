"""Telling a process that lives from one that ended."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.daemon import process


def test_this_process_lives_and_one_that_ended_does_not() -> None:
    assert process.space()
    assert process.started(os.getpid()) == process.started(os.getpid()) != ""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process.started(child.pid) not in ("", process.started(os.getpid()))
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken notice of it
    assert process.started(child.pid) == ""
    child.wait()
    assert process.started(child.pid) == ""
