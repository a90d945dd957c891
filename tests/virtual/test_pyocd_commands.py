"""pyOCD's own command line and gdb server on a virtual board, as separate processes."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.virtual.world import MODELS
from tests.virtual.firmware import compile_firmware, image

UID = "virtual-nucleo_f446ze"
SOURCE = """
int __attribute__((noinline)) twice(int a) { return a * 2; }
int __attribute__((noinline)) outer(int a) { return twice(a + 1) + 1; }
volatile int result;
int main(void)
{
  result = outer(20);
  result++;
  for (;;) {}
}
"""

Pyocd = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose virtual boards live in ``tmp_path``."""
    return {**os.environ, "BENCH_VIRTUAL_STATE": str(tmp_path / "state"), "NO_COLOR": "1"}


@pytest.fixture
def pyocd(environment: dict[str, str], tmp_path: Path) -> Pyocd:
    """Return a function that runs ``pyocd`` with arguments."""

    def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pyocd", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


def test_list_shows_the_board(pyocd: Pyocd) -> None:
    done = pyocd("list", "--no-header")
    assert done.returncode == 0
    assert "virtual NUCLEO-F446ZE" in done.stdout
    assert UID in done.stdout
    assert "stm32f446xe" in done.stdout


def test_without_the_emulator_pyocd_still_works(pyocd: Pyocd, environment: dict[str, str]) -> None:
    environment["BENCH_VIRTUAL"] = "0"
    done = pyocd("list")
    assert done.returncode == 0, done.stderr
    assert UID not in done.stdout


def test_flash_in_one_process_and_read_in_another(pyocd: Pyocd, tmp_path: Path) -> None:
    elf = compile_firmware(tmp_path, SOURCE)
    code = image(elf)
    done = pyocd("flash", "-u", UID, str(elf))
    assert done.returncode == 0, done.stderr
    dump = tmp_path / "dump.bin"
    done = pyocd("cmd", "-u", UID, "-c", f"savemem 0x08000000 {len(code)} {dump}", "-c", "reset")
    assert done.returncode == 0, done.stderr
    assert dump.read_bytes() == code
    assert (tmp_path / "state" / f"{UID}.flash").read_bytes()[: len(code)] == code


def test_a_board_in_use_says_so(pyocd: Pyocd, tmp_path: Path) -> None:
    path = tmp_path / "state" / f"{UID}.flash"
    path.parent.mkdir()
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = pyocd("cmd", "-u", UID, "-c", "status")
    assert done.returncode != 0
    assert "in use by another process" in done.stdout + done.stderr


def test_gdb_breaks_steps_and_reads(environment: dict[str, str], tmp_path: Path) -> None:
    elf = compile_firmware(tmp_path, SOURCE)
    path = tmp_path / "state" / f"{UID}.flash"
    path.parent.mkdir()
    path.write_bytes(image(elf).ljust(MODELS["nucleo_f446ze"].flash_bytes, b"\xff"))
    server = subprocess.Popen(
        [sys.executable, "-m", "pyocd", "gdbserver", "-u", UID, "-p", "0", "--telnet-port", "0"],
        env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        port = gdb_port(server)
        done = subprocess.run(
            ["gdb-multiarch", "--batch", "--nx", "-ex", "set pagination off", "-ex", f"target extended-remote localhost:{port}",
             "-ex", "monitor reset halt", "-ex", "break twice", "-ex", "continue", "-ex", "backtrace", "-ex", "print a",
             "-ex", "stepi", "-ex", "info registers pc r0", "-ex", "delete", "-ex", "finish", "-ex", "tbreak outer", "-ex", "monitor reset halt", "-ex", "continue", "-ex", "up", "-ex", "detach", str(elf)],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(timeout=30)
        assert server.stderr is not None
        server.stderr.close()
    output = done.stdout
    assert re.search(r"Breakpoint 1, twice \(a=(a@entry=)?21\)", output), output + done.stderr
    assert re.search(r"#0\s+twice \(a=.*21\).*#1.*outer \(a=.*20\).*#2.*main", output, re.DOTALL), output
    assert "$1 = 21" in output
    assert re.search(r"pc\s+0x800", output)
    assert "Value returned is $2 = 42" in output
    assert re.search(r"Temporary breakpoint 2, outer \(a=.*20\).*#1.*main", output, re.DOTALL), output


def gdb_port(server: subprocess.Popen[str]) -> int:
    """Return the port a starting gdb server chose; its log says so."""
    assert server.stderr is not None
    seen = []
    for line in server.stderr:
        seen.append(line)
        if match := re.search(r"GDB server listening on port (\d+)", line):
            return int(match[1])
    raise AssertionError("the gdb server did not start: " + "".join(seen))
