"""From the database to rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from bench.domain.lut import LutRow
from bench.domain.station import Source
from bench.errors import UnknownName, UsageError
from bench.store import Selection, Store


def rows(store: Store, selection: Selection) -> Iterator[LutRow]:
    """Return the look-up table of ``selection``: the latest accepted run of every point, by source, station, workload and core clock; then
    the imported rows of points that were not measured here.

    Checks the selection at once, then streams. Raises UnknownName for a station, board, primitive or data type that the database does not
    hold, and UsageError where the rows would come from several sources without ``selection.sources`` asking for them.
    """
    _check_names(store, selection)
    if not selection.sources:
        found = sources(store, selection)
        if len(found) > 1:
            names = " and ".join(found)
            raise UsageError(
                f"{store.name} holds measurements of several sources for this selection: {names}",
                hint=f"choose one with --source {found[0]}, or mix them with "
                + " ".join(f"--source {source}" for source in found),
            )
    return chain(store.repository.table(selection), store.imported.rows(selection))


def sources(store: Store, selection: Selection) -> tuple[Source, ...]:
    """Return the sources of what the look-up table of ``selection`` would hold."""
    found = {*store.repository.sources(selection), *store.imported.sources(selection)}
    return tuple(source for source in Source if source in found)


def _check_names(store: Store, selection: Selection) -> None:
    known = store.repository.known()
    for what, column, wanted, measured in (
        ("station", "station", selection.stations, known.stations),
        ("board", "board", selection.boards, known.boards),
        ("primitive", "primitive", selection.primitives, known.primitives),
        ("data type", "dtype", selection.dtypes, known.dtypes),
        ("flavor", "flavor", selection.flavors, known.flavors),
        ("optimisation level", "opt_level", selection.opt_levels, known.opt_levels),
    ):
        there = {*measured, *(store.imported.names(column) if wanted else ())}
        for name in wanted:
            if name not in there:
                raise UnknownName.among(f"{what} in {store.name}:", name, sorted(there))
