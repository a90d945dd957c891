"""``bench doctor``: is everything there that a measurement needs? One line each, with the command that mends what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import out, print_json
from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, Json, StationsFile

if TYPE_CHECKING:
    from bench.cli.station_checks import Finding


def doctor(
    station: Annotated[
        str | None,
        typer.Option(
            help="Also walk through a first measurement on this station: probes, supply, identity of the board, flash, trigger wire, current. A small image is flashed."
        ),
    ] = None,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Look at toolchain, boards, stations, permissions and database; say what is wrong and how to mend it.

    Example: bench doctor --station desk
    """
    from bench.cli.checks import findings  # late: it needs every room of the bench

    found: list[Finding] = []
    if as_json:
        found.extend(findings(station, db, stations))
        print_json([{"check": f.what, "ok": f.ok, "text": f.text, "mend": f.mend} for f in found])
    else:
        console = out()
        for finding in findings(station, db, stations):
            found.append(finding)
            mark = "[green]ok  [/]" if finding.ok else "[bold red]bad [/]"
            console.print(f"{mark} [bold]{finding.what}[/]: ", end="")
            console.print(finding.text, markup=False, soft_wrap=True)
            if finding.mend:
                console.print(f"     mend: {finding.mend}", markup=False, soft_wrap=True)
    return 0 if all(finding.ok for finding in found) else 1
