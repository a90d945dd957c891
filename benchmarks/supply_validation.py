"""How far the virtual supply current is from LeNet-5 on silicon: predicted against published currents, per clock and configuration.

    python benchmarks/supply_validation.py [--mixes]

Nothing is fitted here. The mix of instructions of an inference is composed of the project's own naive kernels with the published layer
shapes, each run on the virtual core and weighted by its cycles; ``--mixes`` runs them anew (needs the compiler) and writes
data/supply_lenet5_mixes.csv. The result is in docs/supply-current.md.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import add
from pathlib import Path

from bench.domain.primitives import workload
from bench.domain.workload import Workload
from bench.virtual.cpu import Activity
from bench.virtual.supply import Mix, model_of
from benchmarks.supply_fit import HERE, PARTS, published_state, read_csv, wait_states

CURRENTS, MIXES = HERE / "data" / "supply_lenet5.csv", HERE / "data" / "supply_lenet5_mixes.csv"
MCUS = ("stm32l496", "stm32f446")
#: Channels of the two convolutions, from the published counts of applications (784 c1 + 100 c1 c2 windows).
CHANNELS = {"fp32_p50": (3, 8), "fp32_p60": (3, 7), "fp32_p70": (2, 5), "fp32_p80": (2, 4), "fp32_p90": (1, 2)}
CONFIGURATIONS = ("fp32_sigmoid", "fp32", "int8", *CHANNELS)


@dataclass(frozen=True, slots=True)
class Point:
    """One published current [mA] with the model's relative error, and the cycles that silicon took over those of the composition."""

    mcu: str
    config: str
    clock_mhz: float
    measured_ma: float
    predicted_ma: float
    cycles_ratio: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_ma / self.measured_ma - 1


def layers(config: str) -> list[Workload]:
    """The kernels of one inference, in order."""
    first, second = CHANNELS.get(config, (6, 16))
    dtype = "int8" if config == "int8" else "fp32"
    activation = "sigmoid_exact" if config == "fp32_sigmoid" else "relu"

    def make(name: str, **params: int | str) -> Workload:
        return workload(name, params, dtype)

    return [
        make("conv2d", k=5, in_h=28, in_w=28, in_c=1, out_c=first, padding="same"), make(activation, n=784 * first),
        make("avgpool2d", k=2, in_h=28, in_w=28, in_c=first),
        make("conv2d", k=5, in_h=14, in_w=14, in_c=first, out_c=second), make(activation, n=100 * second),
        make("avgpool2d", k=2, in_h=10, in_w=10, in_c=second),
        make("fully_connected", n_in=25 * second, n_out=120), make(activation, n=120),
        make("fully_connected", n_in=120, n_out=84), make(activation, n=84),
        make("fully_connected", n_in=84, n_out=10), make("softmax", n=10),
    ]  # fmt: skip


def make_mixes() -> None:
    """Run the kernels on the virtual core and write the sums over an inference."""
    from bench.virtual.soc.mcus import MCUS as CHIPS  # noqa: PLC0415 - the emulator is needed here alone
    from benchmarks.supply.mixes import FlashSetting, kernel_mix  # noqa: PLC0415

    with MIXES.open("w", encoding="utf-8", newline="") as file, tempfile.TemporaryDirectory() as cache:
        file.write(
            "# What one LeNet-5 inference does, composed of the project's kernels. Made by supply_validation.py --mixes.\n"
        )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mcu", "config", "wait_states", "cycles", *(field.name for field in fields(Mix))])
        for mcu in MCUS:
            part, known = PARTS[mcu], {}
            states = range(wait_states(mcu, max(part.scales.values())) + 1)
            settings = [FlashSetting(number, part.caches, part.prefetch) for number in states]
            for config in CONFIGURATIONS:
                sums: list[Activity | None] = [None] * len(settings)
                for work in layers(config):
                    if work not in known:
                        known[work] = kernel_mix(work, CHIPS[mcu].timing(), settings, Path(cache))
                    sums = [
                        done if total is None else _sum(total, done)
                        for total, done in zip(sums, known[work], strict=True)
                    ]
                for number, total in zip(states, sums, strict=True):
                    assert total is not None
                    mix = Mix.of(total)
                    counts = (round(getattr(mix, field.name) * total.cycles) for field in fields(Mix))
                    writer.writerow([mcu, config, number, total.cycles, *counts])


def _sum(one: Activity, other: Activity) -> Activity:
    fills = one.instruction_fills + other.instruction_fills, one.data_fills + other.data_fills
    return Activity(one.cycles + other.cycles, tuple(map(add, one.counts, other.counts)), *fills)


def points() -> list[Point]:
    """Every published LeNet-5 current of the two microcontrollers beside the prediction."""
    mixes = {(row["mcu"], row["config"], int(row["wait_states"])): row for row in read_csv(MIXES)}
    found = []
    for row in read_csv(CURRENTS):
        mcu, config, clock_mhz = row["mcu"], row["config"], float(row["clock_mhz"])
        counts = mixes[mcu, config, wait_states(mcu, clock_mhz)]
        mix = Mix(*(float(counts[field.name]) / float(counts["cycles"]) for field in fields(Mix)))
        predicted_ma = model_of(mcu).current_a(published_state(mcu, clock_mhz), mix) * 1e3
        ratio = float(row["latency_ms"]) * clock_mhz * 1e3 / float(counts["cycles"])
        found.append(Point(mcu, config, clock_mhz, float(row["current_ma"]), predicted_ma, ratio))
    return found


def mean_error(found: Iterable[Point]) -> float:
    """Mean absolute relative error."""
    errors = [abs(point.error) for point in found]
    return sum(errors) / len(errors)


def report(found: list[Point]) -> Iterable[str]:
    """The validation as Markdown."""
    for mcu in MCUS:
        mine = [point for point in found if point.mcu == mcu]
        clocks = sorted({point.clock_mhz for point in mine})
        worst = max(mine, key=lambda point: abs(point.error))
        yield f"\n### {mcu.upper()}\n\nMean absolute error {100 * mean_error(mine):.1f} %, worst {100 * worst.error:+.1f} % ({worst.config}, {worst.clock_mhz:g} MHz). Errors, %:\n"
        yield (
            "| configuration | "
            + " | ".join(f"{clock:g}" for clock in clocks)
            + " | mean abs | cycles, silicon / composed |\n| --- |"
            + " ---: |" * (len(clocks) + 2)
        )
        for config in CONFIGURATIONS:
            row = [point for point in mine if point.config == config]
            ratio = next(point.cycles_ratio for point in row if point.clock_mhz == 16)
            yield (
                f"| {config} | "
                + " | ".join(f"{100 * point.error:+.0f}" for point in row)
                + f" | {100 * mean_error(row):.1f} | {ratio:.2f} |"
            )


def main() -> None:
    """Compose, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mixes", action="store_true", help="run the kernels anew")
    if parser.parse_args().mixes:
        make_mixes()
    print("\n".join(report(points())))


if __name__ == "__main__":
    main()
