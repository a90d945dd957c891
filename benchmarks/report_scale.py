"""How long ``bench report`` takes for a large database, how much memory, and how large the page is.

    python benchmarks/report_scale.py [POINTS]

Rows are made up, a workload for every fourteen clocks, and not read from a database: reading them costs extra, in proportion to the
points. What making them up takes is measured first, and taken off.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from bench.boards import load_board
from bench.domain.lut import LutRow
from bench.report.page import Origin, Report
from bench.report.series import collect
from bench.store import Overview
from bench.sweep.plan import choose_clocks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int) -> Iterator[LutRow]:
    """Yield ``count`` rows of one primitive over all clocks of the NUCLEO-F446ZE."""
    clocks = [(clock.id, clock.hclk_hz) for clock in choose_clocks(load_board("nucleo_f446ze"), "all", "default")]
    base = LutRow(
        1, "virtual", "virtual-nucleo_f446ze", "nucleo_f446ze", "STM32F446ZE", "Cortex-M4F", 3.3, "", 0.0, None, 0, "conv2d", "", 3, 3, 1,
        32, 32, 1, 1, "fp32", "naive", "gcc", "O3", 900, 2e5, 30.0, 222.0, 1e-3, 1e-7, 1e-6, 0.01, 0.002, 0.033, 3.3e-5, 8e-7, 4e-8, 500, 100,
        7000, 64, 10, "ab" * 32, NOW,
    )  # fmt: skip
    for index in range(count):
        number, which = divmod(index, len(clocks))
        clock_id, hz = clocks[which]
        params = f"k=3;in_h={number + 3};in_w=32;in_c=1;out_c=1;stride=1;padding=valid"
        yield replace(base, params=params, clock_id=clock_id, sysclk_hz=hz, latency_s=2e5 / hz)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    begun = time.perf_counter()
    for _ in rows(count):
        pass
    started = time.perf_counter()
    found = collect(rows(count))
    gathered = time.perf_counter()
    nothing = Overview(count, 0, count, 0, (), (), (), ())
    page = Report(Origin("scale", "made up", "everything", "", NOW), found, nothing).html()
    done = time.perf_counter()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"{count:,} points: gathered in {gathered - started - (started - begun):.1f} s, page made in {done - gathered:.1f} s, "
        f"{len(page) / 1000:,.0f} kB, {megabytes:,.0f} MB of memory at most"
    )


if __name__ == "__main__":
    main()
