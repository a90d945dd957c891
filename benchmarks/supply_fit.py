"""Fits the supply current of the virtual microcontrollers to published currents of single operations.

    python benchmarks/supply_fit.py [--mixes] [--check]

Writes bench/virtual/supply_data/*.toml and prints the residuals. ``--mixes`` first runs the loops anew on the virtual core, which needs the
compiler, and writes data/supply_mixes.csv. ``--check`` writes nothing and fails where the files are not what the fit makes.
docs/supply-current.md explains model, assumptions and residuals. No LeNet-5 figure is read here.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.virtual.supply import Activity, ChargeModel, Charges, Mix, OperatingState

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "bench" / "virtual" / "supply_data"
OPERATIONS, MIXES = HERE / "data" / "supply_operations.csv", HERE / "data" / "supply_mixes.csv"
#: Clocks at which the published F446 loops draw 6-14 % more at unchanged cycles: another place in the flash line.
DISPLACED_MHZ = (48, 100, 116, 124, 132, 180)


@dataclass(frozen=True, slots=True)
class Part:
    """How the published board ran an MCU: MHz per wait state, and the highest clock [MHz] of each voltage scale, slow ones first."""

    step_mhz: float
    scales: Mapping[int, float]
    pll_above_mhz: float
    caches: bool
    prefetch: bool
    fixed: Mapping[str, Any]


_ESTIMATES = {"debug_a": 1.5e-3, "low_power_debug_a": 1.0e-3}
_F4_VOLTS = {"3": 1.14, "2": 1.26, "1": 1.32}
#: HAL defaults: on the F446 caches and prefetch, on the L496 caches alone; on the F746 (cycles grow with every wait state) nothing.
PARTS = {
    "stm32l496": Part(16, {1: 80}, 48, True, False, {
        "sleep_static_a": 0.11e-3, "sleep_cycle_c": 36e-12, "reset_a": 0.5e-3, "slow_wait_states": 1, "line_bytes": 8,
        "reference_v": 1.2, "core_v": {"1": 1.2, "2": 1.0}}),
    "stm32f446": Part(30, {3: 120, 2: 144, 1: 180}, 16, True, True, {
        "sleep_static_a": 1.5e-3, "sleep_cycle_c": 38e-12, "reset_a": 1e-3, "slow_wait_states": 0, "line_bytes": 16,
        "reference_v": 1.14, "core_v": _F4_VOLTS}),
    "stm32f746": Part(30, {3: 144, 2: 180, 1: 216}, 16, False, False, {
        "sleep_static_a": 1.3e-3, "sleep_cycle_c": 123e-12, "reset_a": 1e-3, "slow_wait_states": 0, "line_bytes": 8,
        "reference_v": 1.14, "core_v": _F4_VOLTS}),
}  # fmt: skip
_L4R9_RATIO = 112 / 118
"""Headline current per MHz of the STM32L4R9 (DS12023) over that of the STM32L496 (DS11585 rev 11 table 26, 80 MHz)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One published current with the mix of instructions that is taken to have drawn it."""

    mcu: str
    dtype: str
    operation: str
    clock_mhz: float
    cycles: float
    current_ma: float
    mix: Mix

    @property
    def state(self) -> OperatingState:
        """The state that the published board was in."""
        return published_state(self.mcu, self.clock_mhz)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a data file; lines that begin with # are remarks."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def wait_states(mcu: str, clock_mhz: float) -> int:
    """Flash wait states at ``clock_mhz``, 2.7-3.6 V, range 1."""
    return max(0, -int(-clock_mhz // PARTS[mcu].step_mhz) - 1)


def published_state(mcu: str, clock_mhz: float) -> OperatingState:
    """The state that the published board was in at ``clock_mhz``, running, without a debugger (whose share, if any, is in ``static_a``)."""
    part = PARTS[mcu]
    scale = next(scale for scale, limit_mhz in part.scales.items() if clock_mhz <= limit_mhz)
    source = "pll" if clock_mhz > part.pll_above_mhz else "internal"
    return OperatingState(
        Activity.RUN, clock_mhz * 1e6, source, scale, False, wait_states(mcu, clock_mhz), part.prefetch, part.caches, False, False
    )  # fmt: skip


def published_rows(mcu: str) -> list[Row]:
    """What was published of ``mcu``."""
    mixes = {(row["mcu"], row["dtype"], row["operation"], int(row["wait_states"])): row for row in read_csv(MIXES)}
    rows = []
    for row in read_csv(OPERATIONS):
        if row["mcu"] == mcu:
            clock_mhz = float(row["clock_mhz"])
            counts = mixes[mcu, row["dtype"], row["operation"], wait_states(mcu, clock_mhz)]
            mix = Mix(*(float(counts[field.name]) / float(counts["cycles"]) for field in fields(Mix)))
            cycles = float(row["latency_ms"]) * clock_mhz * 1e3
            rows.append(Row(mcu, row["dtype"], row["operation"], clock_mhz, cycles, float(row["current_ma"]), mix))
    return rows


def nonnegative(columns: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with no negative coefficient: the best of all subsets of the few columns."""
    best, least = np.zeros(columns.shape[1]), np.inf
    for size in range(1, columns.shape[1] + 1):
        for subset in map(list, itertools.combinations(range(columns.shape[1]), size)):
            found = np.linalg.lstsq(columns[:, subset], target, rcond=None)[0]
            rest = float(((columns[:, subset] @ found - target) ** 2).sum())
            if (found >= 0).all() and rest < least - 1e-12:
                best, least = np.zeros(columns.shape[1]), rest
                best[subset] = found
    return best


def _columns(rows: Sequence[Row], instruction_share: float | None) -> dict[str, NDArray[np.float64]]:
    """What multiplies each coefficient, in A for coefficients in A and C. ``instruction_share``: charge of an instruction over that of a cycle, given."""
    part = PARTS[rows[0].mcu]
    volts = part.fixed["core_v"]
    scaled_hz = np.array(
        [row.clock_mhz * 1e6 * volts[str(row.state.voltage_scale)] / part.fixed["reference_v"] for row in rows]
    )
    slow = np.array([row.state.wait_states <= part.fixed["slow_wait_states"] for row in rows])
    mix = {field.name: np.array([getattr(row.mix, field.name) for row in rows]) for field in fields(Mix)}
    loop = np.array([row.operation != "exponential" for row in rows])
    columns = {"static_a": np.ones(len(rows))}
    if part.pll_above_mhz < 48:  # else the PLL drives but two points, and is not told from them
        columns["pll_a"] = np.array([row.state.source == "pll" for row in rows], dtype=float)
    if instruction_share is None:
        columns |= {"cycle_c": scaled_hz, "instruction_c": scaled_hz * mix["instructions"]}
    else:
        columns["cycle_c"] = scaled_hz * (1 + instruction_share * mix["instructions"])
    if part.caches:
        columns |= {
            "fill_c": scaled_hz * mix["instruction_fills"] * ~slow,
            "slow_fill_c": scaled_hz * mix["instruction_fills"] * slow,
        }
    if (
        part.prefetch
    ):  # one line more is read in every iteration of a displaced loop: a nuisance there, and the price of a read
        displaced = np.array(
            [
                row.clock_mhz in DISPLACED_MHZ and not (row.dtype == "fp32" and row.operation == "division")
                for row in rows
            ]
        )
        columns |= {
            "float_c": scaled_hz * mix["float_operations"],
            "read_c": scaled_hz / np.array([row.cycles for row in rows]) * displaced * loop,
        }
    return columns


def fit(mcu: str, instruction_share: float | None = None, rows: Sequence[Row] | None = None) -> Charges:
    """Fit the relative residuals of ``mcu``'s published currents (or of ``rows``)."""
    rows = published_rows(mcu) if rows is None else rows
    columns = _columns(rows, instruction_share)
    measured_a = np.array([row.current_ma * 1e-3 for row in rows])
    scales = {name: 1e-3 if name.endswith("_a") else 1e-10 for name in columns}
    matrix = np.column_stack([column * scales[name] / measured_a for name, column in columns.items()])
    found = {
        name: float(value) * scales[name]
        for name, value in zip(columns, nonnegative(matrix, np.ones(len(rows))), strict=True)
    }
    if instruction_share is not None:
        found["instruction_c"] = found["cycle_c"] * instruction_share
    zero = dict.fromkeys(("pll_a", "float_c", "fill_c", "slow_fill_c"), 0.0)
    found.setdefault("read_c", found.get("fill_c", 0.0))
    rounded = {name: float(f"{value:.4g}") for name, value in {**zero, **found}.items()}
    values: dict[str, Any] = {**rounded, **_ESTIMATES, **PARTS[mcu].fixed}
    return Charges(**values)


def fit_all() -> dict[str, Charges]:
    """The coefficients of every microcontroller."""
    l496 = fit("stm32l496")
    share = l496.instruction_c / l496.cycle_c
    scaled = ("cycle_c", "instruction_c", "fill_c", "slow_fill_c", "read_c")
    changed: dict[str, Any] = {name: float(f"{getattr(l496, name) * _L4R9_RATIO:.4g}") for name in scaled}
    l4r9 = replace(l496, **changed, core_v={"1": 1.2, "1boost": 1.28, "2": 1.0})
    return {"stm32l496": l496, "stm32f446": fit("stm32f446", share), "stm32f746": fit("stm32f746"), "stm32l4r9": l4r9}


def toml(mcu: str, charges: Charges) -> str:
    """The coefficients as a file."""
    lines = [
        f"# Supply current of the {mcu.upper()}: made by benchmarks/supply_fit.py, not by hand. docs/supply-current.md explains it.",
        "",
    ]
    for field in fields(Charges):
        value = getattr(charges, field.name)
        if field.name == "core_v":
            lines += ["", "[core_v]", *(f"{key} = {volts}" for key, volts in value.items())]
        else:
            lines.append(f"{field.name} = {value!r}")
    return "\n".join(lines) + "\n"


def residuals(mcu: str, charges: Charges) -> list[tuple[Row, float]]:
    """Every published current with the relative error of the model, which knows nothing of displaced loops."""
    model = ChargeModel(charges)
    return [(row, model.current_a(row.state, row.mix) / (row.current_ma * 1e-3) - 1) for row in published_rows(mcu)]


def left_out(mcu: str, instruction_share: float | None) -> float:
    """Mean absolute relative error of each operation when the fit has not seen it."""
    rows, errors = published_rows(mcu), []
    for kind in sorted({(row.dtype, row.operation) for row in rows}):
        seen = [row for row in rows if (row.dtype, row.operation) != kind]
        model = ChargeModel(fit(mcu, instruction_share, seen))
        errors += [
            abs(model.current_a(row.state, row.mix) / (row.current_ma * 1e-3) - 1)
            for row in rows
            if (row.dtype, row.operation) == kind
        ]
    return float(np.mean(errors))


def make_mixes() -> None:
    """Run the loops on the virtual core and write data/supply_mixes.csv."""
    from bench.virtual.soc.mcus import MCUS  # noqa: PLC0415
    from benchmarks.supply.mixes import OPERATIONS as LOOPS  # noqa: PLC0415 - needs compiler and emulator
    from benchmarks.supply.mixes import FlashSetting, operation_mix  # noqa: PLC0415

    with MIXES.open("w", encoding="utf-8", newline="") as file:
        file.write(
            "# What the published loops are taken to do, per 256 operations: benchmarks/supply/operations.c on the virtual core. Made by supply_fit.py --mixes.\n"
        )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mcu", "dtype", "operation", "wait_states", "cycles", *(field.name for field in fields(Mix))])
        for mcu, part in PARTS.items():
            core = "cortex-m7" if mcu == "stm32f746" else "cortex-m4"
            states = range(wait_states(mcu, max(part.scales.values())) + 1)
            for dtype, operation in LOOPS:
                settings = [FlashSetting(number, part.caches, part.prefetch) for number in states]
                for number, work in zip(
                    states, operation_mix(dtype, operation, core, MCUS[mcu].timing(), settings), strict=True
                ):
                    mix = Mix.of(work)
                    counts = (round(getattr(mix, field.name) * work.cycles) for field in fields(Mix))
                    writer.writerow([mcu, dtype, operation, number, work.cycles, *counts])


def report(found: Mapping[str, Charges]) -> Iterable[str]:
    """Coefficients and residuals as Markdown."""
    for mcu in PARTS:
        errors = residuals(mcu, found[mcu])
        share = found["stm32l496"].instruction_c / found["stm32l496"].cycle_c if mcu == "stm32f446" else None
        mean = np.mean([abs(error) for _, error in errors])
        yield f"\n### {mcu.upper()}\n\nMean absolute error {100 * mean:.1f} %; of operations left out of the fit {100 * left_out(mcu, share):.1f} %. Residuals, %:\n"
        clocks = sorted({row.clock_mhz for row, _ in errors})
        yield "| operation | " + " | ".join(f"{clock:g}" for clock in clocks) + " |\n| --- |" + " ---: |" * len(clocks)
        for kind in dict.fromkeys((row.dtype, row.operation) for row, _ in errors):
            cells = [f"{100 * error:+.0f}" for row, error in errors if (row.dtype, row.operation) == kind]
            yield f"| {kind[0]} {kind[1]} | " + " | ".join(cells) + " |"


def main() -> None:
    """Fit, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mixes", action="store_true", help="run the loops anew")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a file is not what the fit makes"
    )
    options = parser.parse_args()
    if options.mixes:
        make_mixes()
    found = fit_all()
    for mcu, charges in found.items():
        path, text = OUTPUT / f"{mcu}.toml", toml(mcu, charges)
        if options.check and path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what the fit makes; run {sys.argv[0]}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    print("\n".join(report(found)))


if __name__ == "__main__":
    main()
