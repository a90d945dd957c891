"""Why the debug port is let go of: a procedure that stays attached measures the debugger, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyocd.coresight.dap import DebugPort

from bench.boards import load_board
from bench.boards.stations import VIRTUAL_PREFIX
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.measurement import Result
from bench.domain.primitives import workload
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.measure.image import prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.virtual import world
from benchmarks.coverage import exact_power_w
from tests.end_to_end.conftest import Deaf

UNIQUE_ID = f"{VIRTUAL_PREFIX}nucleo_l496zg"
SETTINGS = Settings(window_s=0.01, idle_s=0.005, repeats=3)


def test_staying_attached_is_visibly_wrong_and_the_procedure_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_cache: BuildCache
) -> None:
    """The same image, clock and instrument twice: as it is done, and with the debug port left powered over the window."""
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    board = load_board("nucleo_l496zg")
    image = prepare(
        workload("conv2d", {"k": 3, "in_h": 8, "in_w": 8}),
        board,
        [solve(board, 16e6)],
        find_toolchain(),
        build_cache,
    )
    probe = CurrentProbeConfig("lpm01a", f"virtual://{UNIQUE_ID}/lpm01a?seed=1")
    station = Station("virtual-detach", board.name, Source.VIRTUAL, UNIQUE_ID, probe)

    def measure() -> tuple[Result, float]:
        (run,) = Procedure(station, image, under_test, meter, SETTINGS, Deaf()).runs()
        assert run.result is not None, run.reason
        assert truth is not None
        return run.result, exact_power_w(truth)

    with open_station(station, board, SETTINGS) as (under_test, meter):
        truth = world.peek(UNIQUE_ID)
        detached, exact_w = measure()
        # The debugger lets the core run alone, but keeps its port up: what a script does that only resumes.
        monkeypatch.setattr(DebugPort, "power_down_debug", lambda _: True)
        attached, attached_exact_w = measure()

    assert detached.energy_j is not None
    assert detached.energy_u95_j is not None
    assert attached.energy_j is not None
    exact_j = exact_w * detached.latency_s
    assert abs(detached.energy_j - exact_j) <= detached.energy_u95_j
    # Milliamperes of debugger on top of two of program: no instrument's error.
    assert attached.energy_j - exact_j > 10 * detached.energy_u95_j
    assert attached_exact_w > 1.2 * exact_w
    # Nothing but the current tells: the cycles are the same.
    assert attached.cycles == detached.cycles
