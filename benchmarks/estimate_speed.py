"""How fast estimates are: the command from start to end, and candidate networks a minute.

The look-up table follows a made-up law (costs do not change the speed) over the shapes of plans/cost-model.yaml: three boards, fourteen clocks,
both data types. Run it as: PYTHONPATH=. python benchmarks/estimate_speed.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench.boards import load_board
from bench.clocktree import clock_table
from bench.domain.workload import DType
from bench.estimate import api
from bench.lut import write
from tests.estimate.laws import table_rows
from tests.estimate.test_plan import shapes

BOARDS = ("nucleo_l496zg", "nucleo_f446ze", "nucleo_f746zg")
REDUCTIONS = ("none", "int8", "prune=50", "prune=60", "prune=70", "prune=80", "prune=90", "int8,prune=70")
CANDIDATES = 100_000


def command(lut: Path, cache: Path, network: str) -> float:
    """Return the seconds that one command takes, start-up included."""
    reductions = [text for name in REDUCTIONS for text in ("--reduce", name)]
    arguments = [sys.executable, "-m", "bench.cli.main", "estimate", network, "--lut", str(lut), "--json", *reductions]
    start = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"BENCH_CACHE": str(cache)})
    return time.perf_counter() - start


def candidate_layers(count: int) -> pd.DataFrame:
    """Return ``count`` random networks of five to nine layers: convolutions, activations, a pool, a fully connected layer."""
    generator = np.random.default_rng(1)
    frames = []
    channels = generator.integers(2, 60, (count, 4))
    for depth in range(3):
        common = {"candidate": np.arange(count), "in_h": 16, "in_w": 16, "stride": 1}
        frames.append(
            pd.DataFrame(
                common
                | {
                    "primitive": "conv2d",
                    "k": 3,
                    "padding": "same",
                    "in_c": channels[:, depth],
                    "out_c": channels[:, depth + 1],
                }
            )
        )
        frames.append(
            pd.DataFrame({"candidate": np.arange(count), "primitive": "relu", "n": 256 * channels[:, depth + 1]})
        )
    frames.append(
        pd.DataFrame(
            {
                "candidate": np.arange(count),
                "primitive": "avgpool2d",
                "k": 8,
                "in_h": 16,
                "in_w": 16,
                "stride": 8,
                "in_c": channels[:, 3],
            }
        )
    )
    frames.append(
        pd.DataFrame(
            {
                "candidate": np.arange(count),
                "primitive": "fully_connected",
                "n_in": 4 * channels[:, 3],
                "n_out": 10,
            }
        )
    )
    frames.append(pd.DataFrame({"candidate": np.arange(count), "primitive": "softmax", "n": 10}))
    return pd.concat(frames, ignore_index=True)


def main() -> None:
    """Print the figures."""
    rows = []
    for board in BOARDS:
        clocks = [clock for _, clock in clock_table(load_board(board))]
        rows += table_rows(shapes(), boards=(board,), dtypes=tuple(DType), clocks=clocks)
    with tempfile.TemporaryDirectory() as folder:
        lut, cache = Path(folder) / "lut.csv", Path(folder) / "cache"
        write(lut, rows)
        print(f"look-up table: {len(rows)} rows, {lut.stat().st_size / 1e6:.1f} MB")
        for network in ("lenet5", "resnet8"):
            label = "first time with this table" if network == "lenet5" else "table seen before"
            print(f"{network}, 3 boards x 14 clocks x 8 reductions, {label}: {command(lut, cache, network):.2f} s")
            again = min(command(lut, cache, network) for _ in range(5))
            print(f"{network}, best of five: {again:.2f} s")
    table = api.table(row for row in rows if row.board == BOARDS[1] and row.dtype == "fp32")
    layers = candidate_layers(CANDIDATES)
    start = time.perf_counter()
    found = api.candidates(table, layers, board=BOARDS[1], clock_id=next(iter(table.clocks[BOARDS[1]])))
    taken = time.perf_counter() - start
    print(
        f"{len(found)} candidates of {len(layers) // CANDIDATES} layers: {taken:.2f} s, {len(found) / taken * 60:,.0f} a minute"
    )


if __name__ == "__main__":
    main()
