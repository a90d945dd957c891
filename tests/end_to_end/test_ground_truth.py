"""What the bench measured, against what the virtual board knows that it spent: the chain from the pin to the joule is right."""

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
from bench.measure.image import prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.probes.registry import probe_by_name, probe_names
from bench.virtual import world
from bench.virtual.instruments.protocol_virtual import INSTRUMENTS
from tests.end_to_end.conftest import Deaf

BOARD = load_board("nucleo_f446ze")
UNIQUE_ID = f"{VIRTUAL_PREFIX}{BOARD.name}"
SETTINGS = Settings(window_s=0.02, idle_s=0.01)
INSTRUMENT_OF = {name: name for name in INSTRUMENTS} | {"ppk2_ampere": "ppk2"}


@pytest.mark.parametrize("instrument_seed", [1, 2])
@pytest.mark.parametrize("driver", [name for name in probe_names() if name in INSTRUMENT_OF])
def test_current_window_voltage_and_energy_are_true_within_what_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, instrument_seed: int
) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    clocks = [solve(BOARD, mhz * 1e6) for mhz in (16, 64, 180)]
    image = prepare(
        workload("conv2d", {"k": 3, "in_h": 12, "in_w": 12}),
        BOARD,
        clocks,
        find_toolchain(),
        BuildCache(tmp_path / "cache"),
    )
    probe = CurrentProbeConfig(driver, f"virtual://{UNIQUE_ID}/{INSTRUMENT_OF[driver]}?seed={instrument_seed}")
    station = Station("virtual-truth", BOARD.name, Source.VIRTUAL, UNIQUE_ID, probe)
    with open_station(station, BOARD, SETTINGS) as (under_test, meter):
        truth = world.peek(UNIQUE_ID)
        assert truth is not None
        seen = 0
        for run in Procedure(station, image, under_test, meter, SETTINGS, Deaf()).runs():
            assert run.verdict is Verdict.ACCEPTED, run.reason
            assert run.energy_run is not None
            assert run.result is not None
            assert run.result.energy_j is not None
            assert run.result.energy_u95_j is not None
            rise, fall = truth.timeline.edges(truth.trigger_pin, 0.0, truth.time_s)[-2:]
            assert (rise.rising, fall.rising) == (True, False)
            window_s = fall.time_s - rise.time_s
            exact_a = truth.timeline.charge_c(rise.time_s, fall.time_s) / window_s
            exact_j = truth.vdd_v * exact_a * run.result.cycles / run.point.clock.hclk_hz

            spec = probe_by_name(driver).spec
            measured = run.energy_run
            assert measured.active.mean_a == pytest.approx(exact_a, rel=spec.gain_error + 1e-3)
            assert measured.window_s == pytest.approx(window_s, abs=measured.window_resolution_s)
            assert measured.window_cycles == pytest.approx(window_s * run.point.clock.hclk_hz, abs=100)
            assert measured.vdd_v == pytest.approx(truth.vdd_v, rel=spec.vdd_error * (1 + 2 * spec.vdd_error))
            assert measured.idle.mean_a < 0.5 * measured.active.mean_a
            assert abs(run.result.energy_j - exact_j) < 1.5 * run.result.energy_u95_j
            seen += 1
    assert seen == len(clocks)


def test_the_current_is_sampled_without_the_debugger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    clock = solve(BOARD, 16e6)
    image = prepare(
        workload("conv2d", {"k": 3, "in_h": 12, "in_w": 12}),
        BOARD,
        [clock],
        find_toolchain(),
        BuildCache(tmp_path / "cache"),
    )
    probe = CurrentProbeConfig("lpm01a", f"virtual://{UNIQUE_ID}/lpm01a")
    station = Station("virtual-truth", BOARD.name, Source.VIRTUAL, UNIQUE_ID, probe)
    with open_station(station, BOARD, SETTINGS) as (under_test, meter):
        truth = world.peek(UNIQUE_ID)
        assert truth is not None
        (run,) = Procedure(station, image, under_test, meter, SETTINGS, Deaf()).runs()
        assert run.energy_run is not None
        assert truth.debug_attached
        # The debugger adds more than a milliampere; the measured 7 mA must not contain it.
        attached_a = truth.timeline.current_samples(truth.time_s - 1e-6, 1e-6, 1)[0]
        assert attached_a > run.energy_run.idle.mean_a + 1e-3
