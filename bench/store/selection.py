"""Which measurements are meant."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from bench.domain.station import Source
from bench.domain.workload import NETWORK
from bench.store.models import StationRow, WorkloadRow


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over measurements: each field holds the values that are wanted, an empty one wants all."""

    stations: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    primitives: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    def __str__(self) -> str:
        parts = {
            "station": self.stations,
            "board": self.boards,
            "primitive": self.primitives,
            "dtype": self.dtypes,
            "source": tuple(map(str, self.sources)),
        }
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in parts.items() if values) or "everything"

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions; the statement has to join ``station`` and ``workload``."""
        wanted = (
            (StationRow.name, self.stations),
            (StationRow.board, self.boards),
            (WorkloadRow.primitive, self.primitives),
            (WorkloadRow.dtype, self.dtypes),
            (StationRow.source, tuple(map(str, self.sources))),
        )
        return [column.in_(values) for column, values in wanted if values]

    def table_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of a look-up table, which holds whole networks only where they are asked for: they are no primitives."""
        networks = [] if NETWORK in self.primitives else [WorkloadRow.primitive != NETWORK]
        return [*self.conditions(), *networks]
