"""Rows of a look-up table, chosen and indexed for estimating: one source, points by board, data type, flavor, primitive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.domain.lut import LutRow
from bench.errors import BenchError, UnknownName, UsageError

Params = dict[str, int | str]


class PointRow(NamedTuple):
    """What an estimate needs of a row of the look-up table; names and units are its columns'. ``code_bytes`` is flash without constants."""

    source: str
    board: str
    dtype: str
    flavor: str
    opt_level: str
    primitive: str
    params: str
    clock_id: str
    sysclk_hz: float
    vdd_v: float | None
    applications: int
    latency_s: float
    latency_u95_s: float
    energy_j: float | None
    energy_u95_j: float | None
    idle_current_a: float | None
    code_bytes: int
    measured_at: str

    @classmethod
    def of(cls, row: LutRow) -> PointRow:
        """Return the part of ``row``."""
        copied = {name: getattr(row, name) for name in NAMES if name not in ("code_bytes", "measured_at")}
        return cls(**copied, code_bytes=row.flash_bytes - row.rodata_bytes, measured_at=row.measured_at.isoformat())


NAMES = PointRow._fields


@dataclass(frozen=True, slots=True)
class Scope:
    """What numbers of one estimate have in common."""

    board: str
    dtype: str
    flavor: str = "naive"
    opt_level: str = "O3"

    def __str__(self) -> str:
        return f"{self.dtype} {self.flavor} -{self.opt_level} on {self.board}"


def parse_params(text: str) -> Params:
    """Return the parameters of a row's ``params`` column, integers where they are."""
    values: Params = {}
    for part in filter(None, text.split(";")):
        name, _, value = part.partition("=")
        values[name] = int(value) if value.lstrip("-").isdigit() else value
    return values


@dataclass(frozen=True, slots=True)
class Point:
    """One workload at every clock at which it was measured: rows by clock id."""

    params: Params
    rows: Mapping[str, PointRow]

    @property
    def code_bytes(self) -> int:
        """The kernel's code, without weights and tables."""
        return max(row.code_bytes for row in self.rows.values())

    @property
    def applications(self) -> int:
        """Applications of one call."""
        return next(iter(self.rows.values())).applications


@dataclass(slots=True)
class Table:
    """Points of one source. Build it with ``of``, which refuses to mix sources."""

    source: str
    points: dict[tuple[Scope, str], list[Point]] = field(default_factory=dict)
    clocks: dict[str, dict[str, float]] = field(default_factory=dict)
    vdd_v: dict[str, float] = field(default_factory=dict)
    idle_current_a: dict[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[LutRow | PointRow], sources: tuple[str, ...] = ()) -> Table:
        """Return the table of ``rows``, of ``sources`` only where some are named.

        Where a point was measured on several stations the last measurement counts. Raises UsageError for rows of several sources that were not
        named, BenchError where nothing is left.
        """
        chosen = [
            PointRow.of(row) if isinstance(row, LutRow) else row for row in rows if not sources or row.source in sources
        ]
        found = sorted({row.source for row in chosen})
        if len(found) > 1 and set(found) != set(sources):
            raise UsageError(
                f"the look-up table holds numbers of several sources: {' and '.join(found)}",
                hint=f"choose one with --source {found[0]}",
            )
        if not chosen:
            wanted = f" of source {' or '.join(sources)}" if sources else ""
            raise BenchError(f"the look-up table holds no rows{wanted}", hint="measure first: bench sweep")
        made = cls("+".join(found))
        indexed: dict[tuple[str, ...], dict[str, dict[str, PointRow]]] = {}
        for row in chosen:
            key = (row.board, row.dtype, row.flavor, row.opt_level, row.primitive)
            by_clock = indexed.setdefault(key, {}).setdefault(row.params, {})
            before = by_clock.get(row.clock_id)
            if before is None or before.measured_at <= row.measured_at:
                by_clock[row.clock_id] = row
            made.clocks.setdefault(row.board, {})[row.clock_id] = row.sysclk_hz
            if row.idle_current_a is not None:
                made.idle_current_a[row.board, row.clock_id] = row.idle_current_a
            if row.vdd_v is not None:
                made.vdd_v[row.board] = row.vdd_v
        for (*scope, primitive), by_params in indexed.items():
            made.points[Scope(*scope), primitive] = [
                Point(parse_params(text), by_clock) for text, by_clock in by_params.items()
            ]
        return made

    @property
    def boards(self) -> list[str]:
        """Boards with points."""
        return sorted(self.clocks)

    def of_primitive(self, scope: Scope, primitive: str) -> list[Point]:
        """Return the points of ``primitive``, none where it was not measured. Raises UnknownName for a board without any."""
        if scope.board not in self.clocks:
            raise UnknownName.among(f"board in the look-up table ({self.source}):", scope.board, self.boards)
        return self.points.get((scope, primitive), [])

    def usual_clocks(self, scope: Scope) -> dict[str, float]:
        """Return the clocks (Hz by id) at which at least half as many workloads were measured as at the commonest, slowest first.

        A few points at some other clock, or with other accelerators, do not make it one to estimate at.
        """
        measured: Counter[str] = Counter()
        for (place, _), points in self.points.items():
            if (place.board, place.dtype, place.opt_level) == (scope.board, scope.dtype, scope.opt_level):
                measured.update(clock for point in points for clock in point.rows)
        most = max(measured.values(), default=0)
        hz = self.clocks.get(scope.board, {})
        usual = [clock for clock, count in measured.items() if 2 * count >= most]
        return {clock: hz[clock] for clock in sorted(usual, key=lambda clock: (hz[clock], clock))}
