"""The same ELF on the virtual board and in an independent emulator (QEMU's netduinoplus2, a Cortex-M4): the same output, bit for bit.

In QEMU the clock stays as reset left it, because that machine has no clock tree; everything else is the code that runs on a board.
"""

import hashlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.clocktree import clock_table
from bench.domain.measurement import Verdict
from bench.domain.primitives import workload
from bench.firmware.mailbox import State, TargetErrorCode
from bench.measure.image import Image, prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.verify import Verifier
from bench.target.session import open_board
from tests.end_to_end.conftest import Deaf

BOARD = load_board("nucleo_f446ze")
SEED = 7


def run_in_qemu(image: Image, output: Path) -> dict[str, int]:
    """Run one cycles command in QEMU through gdb; write the output buffer to ``output``, return some mailbox words."""
    for program in ("qemu-system-arm", "gdb-multiarch"):
        assert shutil.which(program), f"{program} is missing: apt-get install qemu-system-arm gdb-multiarch"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("state", "error", "output_digest", "stack_bytes")
    commands = [
        f"target remote 127.0.0.1:{port}",
        "hbreak park",
        "continue",
        "set var mailbox.clock_index=0xffffffff",
        "set var mailbox.command=1",
        f"set var mailbox.input_seed={SEED}",
        "set var mailbox.repeats=2",
        "set var mailbox.warmup=1",
        "set var mailbox.sequence=1",
        "continue",
        *(f'printf "{word}=%u\\n", mailbox.{word}' for word in words),
        f"dump binary value {output} workload_output",
        "kill",
    ]
    machine = ["qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-monitor", "none", "-serial", "none", "-S"]
    qemu = subprocess.Popen([*machine, "-kernel", str(image.built.elf_path), "-gdb", f"tcp:127.0.0.1:{port}"])
    try:
        arguments = [argument for command in commands for argument in ("-ex", command)]
        gdb = subprocess.run(
            [
                "gdb-multiarch",
                "--batch",
                "-nx",
                "-iex",
                "set tcp connect-timeout 30",
                *arguments,
                str(image.built.elf_path),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        qemu.kill()
        qemu.wait()
    found = dict(line.split("=") for line in gdb.stdout.splitlines() if line.split("=")[0] in words)
    assert set(found) == set(words), gdb.stdout + gdb.stderr
    return {word: int(value) for word, value in found.items()}


def fnv1a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def output_on_virtual_board(image: Image) -> str:
    """Measure the image at its first clock, without current; return the digest of the output."""
    station = find_station(all_stations(None), "virtual-nucleo_f446ze")
    with open_board(station, BOARD) as under_test:
        first = next(Procedure(station, image, under_test, None, Settings(seed=SEED), Deaf()).runs())
    assert first.verdict is Verdict.ACCEPTED, first.reason
    assert first.cycle_run is not None
    return first.cycle_run.output_sha256


@pytest.mark.parametrize(
    "params",
    [
        {"k": 5, "in_h": 12, "in_w": 10},
        {"k": 3, "in_h": 9, "in_w": 9, "in_c": 3, "out_c": 2, "stride": 2, "padding": "same"},
    ],
)
def test_the_same_image_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_cache: BuildCache, params: dict[str, int | str]
) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    work = workload("conv2d", params)
    clocks = [clock for _, clock in clock_table(BOARD)]
    image = prepare(work, BOARD, clocks, find_toolchain(), build_cache)
    dump = tmp_path / "output.bin"
    words = run_in_qemu(image, dump)
    output = dump.read_bytes()
    assert (words["state"], words["error"]) == (State.DONE, TargetErrorCode.NONE)
    assert words["output_digest"] == fnv1a(output)
    assert 0 < words["stack_bytes"] < 1024
    Verifier(work, image.firmware.layout, SEED).check(output)
    assert output_on_virtual_board(image) == hashlib.sha256(output).hexdigest()
