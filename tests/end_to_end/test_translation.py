"""A whole measurement, with hot code translated to host code and without: the same verdict, cycles, activity and energy to the last digit."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import VIRTUAL_PREFIX
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.measurement import Verdict
from bench.domain.primitives import workload
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.domain.workload import Workload
from bench.measure.image import prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.virtual import world
from tests.end_to_end.conftest import Deaf
from tests.virtual.cpu.fuzz import eager

SETTINGS = Settings(repeats=3, warmup=1, window_s=0.01, idle_s=0.005, settle_s=0.002, order_seed=1)
CONVOLUTION = {"k": 3, "in_h": 9, "in_w": 9, "in_c": 4, "out_c": 6}
DENSE = {"n_in": 40, "n_out": 12}


def measured(board_name: str, clock_hz: float, work: Workload, cache: BuildCache) -> tuple[dict[str, object], int]:
    """Return what a measurement and the board's own account say, and how many regions of code were translated."""
    board = load_board(board_name)
    unique_id = f"{VIRTUAL_PREFIX}{board_name}"
    probe = CurrentProbeConfig("ppk2", f"virtual://{unique_id}/ppk2")
    station = Station(f"virtual-{board_name}", board_name, Source.VIRTUAL, unique_id, probe)
    image = prepare(work, board, [solve(board, clock_hz)], find_toolchain(), cache)
    with open_station(station, board, SETTINGS) as (under_test, meter):
        truth = world.peek(unique_id)
        assert truth is not None
        (run,) = Procedure(station, image, under_test, meter, SETTINGS, Deaf()).runs()
        assert run.verdict is Verdict.ACCEPTED, run.reason
        assert run.cycle_run is not None
        assert run.result is not None
        said: dict[str, object] = {
            "kernel_cycles": run.cycle_run.kernel_cycles,
            "empty_cycles": run.cycle_run.empty_cycles,
            "energy_j": run.result.energy_j,
            "cycles": truth.cpu.cycles,
            "activity": truth.cpu.activity,
        }
        return said, truth.cpu.regions


@pytest.mark.parametrize(
    ("board", "clock_hz"), [("nucleo_f446ze", 180e6), ("nucleo_l496zg", 80e6), ("nucleo_f746zg", 216e6)]
)
@pytest.mark.parametrize(
    ("primitive", "parameters", "dtype", "flavor"),
    [
        ("conv2d", CONVOLUTION, "fp32", "naive"),
        ("conv2d", CONVOLUTION, "int8", "dsp"),
        ("fully_connected", DENSE, "int8", "naive"),
        ("softmax", {"n": 64}, "fp32", "naive"),
    ],
)
def test_translated_code_changes_no_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build_cache: BuildCache,
    board: str,
    clock_hz: float,
    primitive: str,
    parameters: dict[str, int],
    dtype: str,
    flavor: str,
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    eager(monkeypatch, look_cycles=50_000, times=300)
    work = workload(primitive, parameters, dtype, flavor=flavor)
    found = {}
    for switch in ("0", "1"):
        monkeypatch.setenv("BENCH_VIRTUAL_TRANSLATE", switch)
        monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / switch))
        found[switch] = measured(board, clock_hz, work, build_cache)
    assert found["0"][1] == 0
    assert found["1"][1] > 0
    assert found["1"][0] == found["0"][0]
