"""The L4 boards end to end: rows on the command line, every way from clock to clock, and wrong clock switches that are reported."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.clocktree import check, clock_table, solve
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration, Oscillator
from bench.domain.measurement import Verdict
from bench.domain.primitives import workload
from bench.measure.image import Image, prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.target.board_under_test import BoardUnderTest
from bench.target.session import open_board
from bench.virtual import world
from tests.end_to_end.conftest import Deaf, Workplace

SETTINGS = Settings(repeats=2, warmup=1)
FURTHER = {
    "nucleo_l496zg": (
        "hsebyp8-ahb1-apb1.1-range2-ws1-id",
        "hsebyp8-m2n40r2-ahb1-apb1.1-range1-ws4-pid",
        "msi4-m1n40r2-ahb1-apb1.1-range1-ws4-none",
        "hsi16-m4n32r8-ahb2-apb2.4-range2-ws1-i",
        "msi16-ahb1-apb1.1-range1-ws0-id",
    ),
    "disco_l4r9i": (
        "hse16-ahb1-apb1.1-range2-ws1-id",
        "hse16-m4n60r2-ahb1-apb1.1-range1boost-ws5-pid",
        "msi4-m1n60r2-ahb1-apb1.1-range1boost-ws5-id",
        "hsi16-m4n60r2-ahb4-apb1.1-range1boost-ws1-id",
        "hsi16-m4n32r8-ahb2-apb2.4-range2-ws1-i",
    ),
}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))


def image_of(board: Board, clocks: list[ClockConfiguration], cache: BuildCache) -> Image:
    work = workload("conv2d", {"k": 3, "in_h": 4, "in_w": 4})
    return prepare(work, board, clocks, find_toolchain(), cache)


def procedure(board: Board, under_test: BoardUnderTest, image: Image) -> Procedure:
    station = find_station(all_stations(None), f"virtual-{board.name}")
    return Procedure(station, image, under_test, None, SETTINGS, Deaf())


@pytest.mark.parametrize(("name", "clocks"), [("nucleo_l496zg", (0.1, 16, 80)), ("disco_l4r9i", (0.4, 24, 120))])
def test_rows_on_the_command_line(workplace: Workplace, name: str, clocks: tuple[float, ...]) -> None:
    freq = ",".join(f"{mhz}MHz" for mhz in clocks)
    arguments = (
        "--k",
        "3",
        "--size",
        "8x8",
        "--window",
        "5ms",
        "--freq",
        freq,
        "--station",
        f"virtual-{name}",
        "--json",
    )
    done = workplace.bench("run", "--primitive", "conv2d", *arguments)
    assert done.code == 0, done.err
    rows = done.rows()
    assert [row["sysclk_hz"] for row in rows] == [mhz * 1e6 for mhz in clocks]
    for row in rows:
        assert row["source"] == "virtual"
        assert row["sysclk_measured_hz"] == pytest.approx(row["sysclk_hz"], rel=0.02)
        assert row["latency_s"] == pytest.approx(row["cycles"] / row["sysclk_hz"], rel=0.02)
        assert 0 < row["idle_current_a"] < row["current_a"] < 20e-3
        assert row["energy_j"] > 0


def all_clocks(board: Board) -> list[ClockConfiguration]:
    further = [ClockConfiguration.parse(text) for text in FURTHER[board.name]]
    for clock in further:
        assert check(clock, board.limits) == []
    return [clock for _, clock in clock_table(board)] + further


@pytest.mark.parametrize("name", list(FURTHER))
def test_every_clock_from_any_other_without_a_complaint(name: str, build_cache: BuildCache) -> None:
    board = load_board(name)
    clocks = all_clocks(board)
    order = [*clocks, *random.Random(7).sample(clocks, len(clocks))]
    image = image_of(board, order, build_cache)
    with open_board(find_station(all_stations(None), f"virtual-{name}"), board) as under_test:
        virtual = world.peek(f"virtual-{name}")
        assert virtual is not None
        count = 0
        for run in procedure(board, under_test, image).runs():
            assert run.verdict is Verdict.ACCEPTED, f"{run.point.clock}: {run.reason}\n{run.detail}"
            assert virtual.soc.clocks.hclk_hz == run.point.clock.hclk_hz
            count += 1
        assert count == len(order)
        assert virtual.diagnoses == []


@pytest.mark.parametrize(
    ("name", "mhz", "change", "complaint"),
    [
        ("nucleo_l496zg", 80, {"flash_wait_states": 3}, "the most for 3 flash wait states in range 1 (RM0351 3.3.3)"),
        ("nucleo_l496zg", 48, {"regulator": "range2"}, "the most in voltage range 2"),
        ("disco_l4r9i", 120, {"regulator": "range1"}, "switched directly to or from HCLK 120 MHz"),
        ("disco_l4r9i", 16, {"flash_wait_states": 0}, "in range 2 (RM0432 3.3.3)"),
    ],
)
def test_a_wrong_clock_switch_is_reported_with_its_place_and_its_cause(
    name: str, mhz: float, change: dict[str, object], complaint: str, build_cache: BuildCache
) -> None:
    board = load_board(name)
    wrong = replace(solve(board, mhz * 1e6), **change)  # type: ignore[arg-type]
    assert check(wrong, board.limits)
    good = solve(board, 4e6)
    with open_board(find_station(all_stations(None), f"virtual-{name}"), board) as under_test:
        runs = list(procedure(board, under_test, image_of(board, [wrong, good], build_cache)).runs())
    assert [run.verdict for run in runs] == [Verdict.REJECTED, Verdict.ACCEPTED]
    bad = runs[0]
    assert bad.failure_class == "run"
    assert "took a fault" in (bad.reason or "")
    assert "clock.c:" in (bad.reason or "")
    assert complaint in (bad.detail or "")


def test_an_oscillator_that_does_not_come_is_reported(build_cache: BuildCache) -> None:
    """The kit of the virtual board has a crystal; a clock taken in bypass never comes, and the firmware says so."""
    board = load_board("disco_l4r9i")
    crystal = board.limits.oscillator(Oscillator.HSE)
    bypass = replace(crystal, oscillator=Oscillator.HSE_BYPASS)
    other = replace(board, limits=replace(board.limits, oscillators=(*board.limits.oscillators, bypass)))
    missing = ClockConfiguration.parse("hsebyp16-ahb1-apb1.1-range2-ws1-id")
    with open_board(find_station(all_stations(None), "virtual-disco_l4r9i"), other) as under_test:
        (run,) = procedure(other, under_test, image_of(other, [missing], build_cache)).runs()
    assert run.verdict is Verdict.REJECTED
    assert "external clock (HSE) did not start" in (run.reason or "")
    assert "HSERDY never comes" in (run.detail or "")
