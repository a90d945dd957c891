"""From the database to rows."""

from __future__ import annotations

from collections.abc import Iterator

from bench.domain.lut import LutRow, row
from bench.errors import UnknownName, UsageError
from bench.store import Selection, Store


def rows(store: Store, selection: Selection) -> Iterator[LutRow]:
    """Return the look-up table of ``selection``: the latest accepted run of every point, by source, station, workload and core clock.

    Checks the selection at once, then streams. Raises UnknownName for a station, board, primitive or data type that the database does not
    hold, and UsageError where the rows would come from several sources without ``selection.sources`` asking for them.
    """
    _check_names(store, selection)
    if not selection.sources:
        found = store.repository.sources(selection)
        if len(found) > 1:
            names = " and ".join(found)
            raise UsageError(
                f"{store.name} holds measurements of several sources for this selection: {names}",
                hint=f"choose one with --source {found[0]}, or mix them with "
                + " ".join(f"--source {source}" for source in found),
            )
    return map(row, store.repository.latest_accepted(selection))


def _check_names(store: Store, selection: Selection) -> None:
    known = store.repository.known()
    for what, wanted, there in (
        ("station", selection.stations, known.stations),
        ("board", selection.boards, known.boards),
        ("primitive", selection.primitives, known.primitives),
        ("data type", selection.dtypes, known.dtypes),
    ):
        for name in wanted:
            if name not in there:
                raise UnknownName.among(f"{what} in {store.name}:", name, list(there))
