"""The NUCLEO-F746ZG through the command line: caches, a counter behind a lock, and a probe that does not reach every clock."""

from __future__ import annotations

from pathlib import Path

from bench.boards import data_dir
from tests.end_to_end.conftest import Workplace

STATION = "virtual-nucleo_f746zg"
CACHED = ("run", "--primitive", "conv2d", "--k", "3", "--size", "120x120", "--freq", "16MHz", "--window", "5ms", "--json", "--station", STATION)  # fmt: skip
"""120 x 120 values do not fit the DTCM: the tensors lie behind the data cache."""


def test_slow_and_fast_clocks_are_measured(workplace: Workplace) -> None:
    outcome = workplace.bench(
        "run", "--primitive", "conv2d", "--k", "3", "--size", "8x8", "--freq", "200kHz,100MHz", "--window", "5ms", "--json", "--station", STATION
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    slow, fast = outcome.rows()
    assert (slow["core"], slow["mcu"], slow["flash_wait_states"], fast["flash_wait_states"]) == (
        "Cortex-M7F",
        "STM32F746ZG",
        0,
        3,
    )
    assert slow["clock_id"].endswith("-1i1d")
    assert slow["cycles"] == fast["cycles"] > 0, "a small kernel runs from the caches and the DTCM"


def test_tensors_behind_the_data_cache_are_read_back_right(workplace: Workplace) -> None:
    outcome = workplace.bench(*CACHED)
    assert outcome.code == 0, outcome.err
    assert len(outcome.rows()) == 1


def test_a_harness_that_forgets_to_clean_the_data_cache_is_found_out(workplace: Workplace, tmp_path: Path) -> None:
    main = (data_dir("firmware_templates") / "main.c.j2").read_text()
    assert "        publish();\n" in main
    (tmp_path / "main.c.j2").write_text(main.replace("        publish();\n", ""))
    outcome = workplace.bench(*CACHED, BENCH_TEMPLATES=str(tmp_path))
    assert outcome.code == 1
    assert "outputs are wrong" in outcome.err


def test_without_caches_a_wait_state_costs_what_is_published(workplace: Workplace) -> None:
    """The published exponential loses 11 to 12 % a wait state (216 MHz against 16 MHz: 4855 cycles instead of 2638)."""
    outcome = workplace.bench(
        "run", "--primitive", "exp", "--param", "n=64", "--accelerators", "none", "--freq", "16MHz,216MHz", "--window", "5ms", "--json", "--station", STATION
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    slow, fast = outcome.rows()
    assert (slow["flash_wait_states"], fast["flash_wait_states"]) == (0, 7)
    per_wait_state = (fast["cycles"] / slow["cycles"] - 1) / 7
    assert 0.10 <= per_wait_state <= 0.16
