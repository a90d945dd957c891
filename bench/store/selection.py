"""Which measurements are meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import QueryableAttribute

from bench.domain.station import Source
from bench.domain.workload import NETWORK
from bench.store.models import ClockRow, StationRow, WorkloadRow
from bench.units import format_si

SAME_CLOCK = 1e-6
"""A frequency is met to a part in a million: what a user types has fewer digits than a prescaler makes."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over measurements: each field holds the values that are wanted, an empty one wants all."""

    stations: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    primitives: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    flavors: tuple[str, ...] = ()
    opt_levels: tuple[str, ...] = ()
    clock_ids: tuple[str, ...] = ()
    sysclks_hz: tuple[float, ...] = ()

    def __str__(self) -> str:
        parts = {
            "station": self.stations,
            "board": self.boards,
            "primitive": self.primitives,
            "dtype": self.dtypes,
            "source": tuple(map(str, self.sources)),
            "flavor": self.flavors,
            "optimisation": self.opt_levels,
            "clock": (*self.clock_ids, *(format_si(hz, "Hz") for hz in self.sysclks_hz)),
        }
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in parts.items() if values) or "everything"

    def narrowed(self, sources: Iterable[str]) -> Selection:
        """Return the selection of these sources alone."""
        return replace(self, sources=tuple(map(Source, sources)))

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions; the statement has to join ``station``, ``workload`` and ``clock``."""
        wanted: tuple[tuple[QueryableAttribute[str], tuple[str, ...]], ...] = (
            (StationRow.name, self.stations),
            (StationRow.board, self.boards),
            (WorkloadRow.primitive, self.primitives),
            (WorkloadRow.dtype, self.dtypes),
            (StationRow.source, tuple(map(str, self.sources))),
            (WorkloadRow.flavor, self.flavors),
            (WorkloadRow.opt_level, self.opt_levels),
        )
        found: list[ColumnElement[bool]] = [column.in_(values) for column, values in wanted if values]
        clocks: list[ColumnElement[bool]] = [ClockRow.clock_id.in_(self.clock_ids)] if self.clock_ids else []
        clocks += [ClockRow.hclk_hz.between(hz * (1 - SAME_CLOCK), hz * (1 + SAME_CLOCK)) for hz in self.sysclks_hz]
        return [*found, or_(*clocks)] if clocks else found

    def table_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of a look-up table, which holds whole networks only where they are asked for: they are no primitives."""
        networks = [] if NETWORK in self.primitives else [WorkloadRow.primitive != NETWORK]
        return [*self.conditions(), *networks]
