"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.domain.station import Station

Db = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="BENCH_DB",
        help="Database of measurements: an SQLite file or URL, or postgresql://…",
        show_default=True,
    ),
]
StationsFile = Annotated[
    Path,
    typer.Option("--stations", envvar="BENCH_STATIONS", help="File that describes your stations.", show_default=True),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON array on standard output, and nothing else.")]

DEFAULT_DB = "sqlite:///measurements.db"
DEFAULT_STATIONS = Path("stations.yaml")


def known_stations(path: Path) -> dict[str, Station]:
    """Return the stations of ``path`` and the virtual ones. The default file may be missing; one that was asked for may not."""
    from bench.boards.stations import all_stations

    return all_stations(None if path == DEFAULT_STATIONS and not path.exists() else path)
