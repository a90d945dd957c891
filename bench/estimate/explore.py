"""Which combinations of board, clock, data type and reduction meet limits, which are best, and why the others fail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import ParameterError
from bench.estimate.estimator import Estimate
from bench.units import format_si, parse


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a network may take, SI units; None is no limit."""

    latency_s: float | None = None
    energy_j: float | None = None
    flash_bytes: float | None = None
    ram_bytes: float | None = None

    def __post_init__(self) -> None:
        for value in (self.latency_s, self.energy_j, self.flash_bytes, self.ram_bytes):
            if value is not None and not value > 0:
                raise ParameterError(f"a limit is positive, got {value:g}", hint="write it like 100ms, 10mJ, 512kB")

    def tightened(self, other: Limits) -> Limits:
        """Return the stricter of both, limit by limit."""

        def least(one: float | None, two: float | None) -> float | None:
            return min((value for value in (one, two) if value is not None), default=None)

        return Limits(
            least(self.latency_s, other.latency_s),
            least(self.energy_j, other.energy_j),
            least(self.flash_bytes, other.flash_bytes),
            least(self.ram_bytes, other.ram_bytes),
        )


@dataclass(frozen=True, slots=True)
class Battery:
    """A cell of ``charge_c`` (A s) at ``voltage_v``, and a network that runs once every ``period_s``.

    Between the runs the board draws ``sleep_a``, or where None what it draws asleep at the same clock (WFI, as measured).
    """

    charge_c: float
    voltage_v: float
    period_s: float
    sleep_a: float | None = None

    @classmethod
    def parse(cls, cell: str, period: str, sleep: str | None = None) -> Battery:
        """Return the battery of texts like "220mAh@3V", "10s" and "2uA". Raises ParameterError."""
        made = re.fullmatch(r"\s*([0-9.]+)\s*(m?)Ah\s*@\s*(\S+)\s*", cell)
        if made is None or made[1].count(".") > 1 or made[1] == ".":
            raise ParameterError(f"{cell!r} is not a battery", hint="write it like 220mAh@3V")
        charge_c = float(made[1]) * (3.6 if made[2] else 3600)
        battery = cls(charge_c, parse(made[3], "V"), parse(period, "s"), None if sleep is None else parse(sleep, "A"))
        if min(battery.charge_c, battery.voltage_v, battery.period_s) <= 0 or (battery.sleep_a or 0) < 0:
            raise ParameterError(
                f"{cell} every {period}: capacity, voltage and period are positive",
                hint="--battery 220mAh@3V --period 10s",
            )
        return battery

    def life_s(self, estimate: Estimate, idle_a: float | None) -> float | None:
        """Return how long the cell lasts, None where a current is not known.

        Charge over mean current: the supply current of these microcontrollers, which have a linear regulator inside, hardly depends on the
        voltage, so the cell's counts for nothing but its energy. Self-discharge and converters are not included.
        """
        asleep = self.sleep_a if self.sleep_a is not None else idle_a
        if estimate.current_a is None or asleep is None or estimate.latency_s > self.period_s:
            return None
        busy = estimate.latency_s / self.period_s
        return self.charge_c / (estimate.current_a * busy + asleep * (1 - busy))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An estimate, and why it fails: one text with the number for each limit, none where it is feasible."""

    estimate: Estimate
    failures: tuple[str, ...]
    on_front: bool = False
    least_energy: bool = False
    battery_life_s: float | None = None

    @property
    def feasible(self) -> bool:
        """Whether it meets every limit."""
        return not self.failures

    @property
    def combination(self) -> tuple[str, str, str]:
        """Board, data type and reduction."""
        return self.estimate.board, self.estimate.dtype, self.estimate.reduce


def failures(estimate: Estimate, limits: Limits, battery: Battery | None = None) -> tuple[str, ...]:
    """Return the limits that ``estimate`` breaks, with both numbers; an energy that is not known breaks a limit on energy."""
    found = []
    for what, value, limit, unit in (
        ("flash", estimate.flash_bytes, limits.flash_bytes, "B"),
        ("RAM", estimate.ram_bytes, limits.ram_bytes, "B"),
        ("latency", estimate.latency_s, limits.latency_s, "s"),
        ("energy", estimate.energy_j, limits.energy_j, "J"),
    ):
        if limit is None:
            continue
        if value is None:
            found.append(f"{what} unknown")
        elif value > limit:
            found.append(f"{what} {format_si(value, unit)} > {format_si(limit, unit)}")
    if battery is not None and estimate.latency_s > battery.period_s:
        found.append(f"latency {format_si(estimate.latency_s, 's')} > period {format_si(battery.period_s, 's')}")
    return tuple(found)


def explore(
    estimates: Sequence[Estimate],
    limits: Mapping[str, Limits],
    *,
    battery: Battery | None = None,
    idle_a: Mapping[tuple[str, str], float] | None = None,
) -> list[Candidate]:
    """Return every estimate as a candidate, feasible ones first by energy, then latency.

    ``limits`` by board; ``idle_a`` by board and clock id, for the battery. The front holds feasible candidates that no other one beats or
    equals in latency, energy, flash and RAM while being better in one. ``least_energy`` marks the clock of least energy of each feasible
    board, data type and reduction.
    """
    made = []
    idle = idle_a or {}
    judged = [(estimate, failures(estimate, limits[estimate.board], battery)) for estimate in estimates]
    good = [estimate for estimate, broken in judged if not broken]
    front = _front(good)
    best: dict[tuple[str, str, str], Estimate] = {}
    for estimate in good:
        key = (estimate.board, estimate.dtype, estimate.reduce)
        if estimate.energy_j is not None and (key not in best or estimate.energy_j < (best[key].energy_j or 0)):
            best[key] = estimate
    chosen = {id(estimate) for estimate in best.values()}
    for estimate, broken in judged:
        life = None if battery is None else battery.life_s(estimate, idle.get((estimate.board, estimate.clock_id)))
        made.append(Candidate(estimate, broken, id(estimate) in front, id(estimate) in chosen, life))
    return sorted(made, key=lambda each: (not each.feasible, _energy(each.estimate), each.estimate.latency_s))


def _energy(estimate: Estimate) -> float:
    return float("inf") if estimate.energy_j is None else estimate.energy_j


def _front(estimates: Sequence[Estimate]) -> set[int]:
    """Return the ids of the estimates that none other dominates."""
    costs = [(e.latency_s, _energy(e), e.flash_bytes, e.ram_bytes) for e in estimates]
    return {
        id(estimate)
        for estimate, own in zip(estimates, costs, strict=True)
        if not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in costs)
    }
