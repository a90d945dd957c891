"""``bench daemon``: serve stations to submitted sweeps, until stopped."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, StationsFile, known_stations
from bench.domain.primitives.base import CMSIS_NN
from bench.domain.station import Source, Station
from bench.errors import ParameterError
from bench.units import parse

if TYPE_CHECKING:
    from bench.api.server import Listening
    from bench.daemon.stop import Stop


def daemon(
    serve: Annotated[
        list[str] | None,
        typer.Option(
            help="Station to serve; may be repeated. [default: those of your stations file, else the default virtual one]",
            metavar="STATION",
        ),
    ] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(help="Where to POST a JSON summary when a job is over; may be repeated.", metavar="URL"),
    ] = None,
    notify: Annotated[
        Path | None,
        typer.Option(
            envvar="BENCH_NOTIFY", help="YAML file with webhooks and a mail server to tell of jobs that are over."
        ),
    ] = None,
    gone_after: Annotated[
        str, typer.Option(help="So long may another daemon be silent before its work is given back.")
    ] = "15s",
    takeover_after: Annotated[
        str, typer.Option(help="So long may a station be without a daemon before an equal one takes its points.")
    ] = "120s",
    cmsis_nn: Annotated[
        Path | None,
        typer.Option(
            envvar="BENCH_CMSIS_NN", help="Folder of Arm's CMSIS-NN, for the flavor cmsis-nn.", metavar="PATH"
        ),
    ] = None,
    web: Annotated[bool, typer.Option("--web/--no-web", help="Serve the HTTP API and the page.")] = True,
    host: Annotated[
        str, typer.Option(help="Address of the page; any but this host's own needs a token.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port of the page, 0 for any free one. [default: 8440]", show_default=False)
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="BENCH_TOKEN",
            help="What clients have to know, at least 16 characters; better in the variable, where ps does not show it.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Further name under which the page is reached; may be repeated.", metavar="NAME"),
    ] = None,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Serve stations to submitted sweeps, until SIGTERM or Ctrl-C.

    Jobs come from `bench submit`, on any host that uses the same database. The first signal lets the points at hand finish, a second
    one does not; either way all that was measured is kept, and the next daemon goes on with exactly what is missing.

    The page at http://localhost:8440/ shows stations, jobs and points as they arrive, and takes new jobs; docs/api.md has its HTTP API.

    Example: bench daemon --serve virtual-nucleo_f446ze --webhook https://example.org/hook
    """
    known = known_stations(stations)
    chosen = _chosen(known, serve or [])
    gone_after_s, takeover_after_s = _seconds(gone_after, "gone-after"), _seconds(takeover_after, "takeover-after")

    listening = _listen(host, port, token or None, allow_host or ()) if web else None

    # Imported late: DBOS, pyOCD and SQLAlchemy take their time.
    from bench.build import BuildCache
    from bench.daemon.daemon import Daemon, Timing
    from bench.daemon.notify import load_notifier
    from bench.daemon.stop import Stop
    from bench.store import open_store

    notifier = load_notifier(notify, tuple(webhook or ()))
    logging.getLogger("bench.daemon").setLevel(logging.INFO)
    stop = Stop()
    _on_signals(stop)
    libraries = {CMSIS_NN: cmsis_nn}
    with ExitStack() as stack:
        store = stack.enter_context(open_store(db))
        if listening is not None:
            from bench.api.server import serving
            from bench.daemon.service import open_service

            # On connections of its own: many requests at a time must not keep the daemon waiting for one.
            service = stack.enter_context(open_service(db, known, libraries, gone_after_s=gone_after_s))
            stack.enter_context(serving(service, listening))
        timing = Timing(gone_after_s, takeover_after_s)
        Daemon(store, chosen, libraries, BuildCache.default(), notifier, stop, timing).run()
    return 0


def _listen(host: str, port: int | None, token: str | None, names: Sequence[str]) -> Listening | None:
    """Return where the page is served. Raises ParameterError; where nobody chose the port and it is taken, there is no page (None)."""
    from bench.api.server import DEFAULT_PORT, PortTaken, listen

    try:
        return listen(host, DEFAULT_PORT if port is None else port, token, names)
    except PortTaken as error:
        if port is not None:
            raise
        logging.getLogger("bench.daemon").warning("%s: no page here; %s", error.message, error.hint)
        return None


def _chosen(known: dict[str, Station], names: Sequence[str]) -> list[Station]:
    """Return the stations to serve. Raises UnknownName, ParameterError where two are on one debug probe."""
    from bench.boards.stations import default_station, find_station

    chosen = [find_station(known, name) for name in dict.fromkeys(names)]
    if not names:
        chosen = [station for station in known.values() if station.source is Source.HARDWARE]
        chosen = chosen or [default_station(known)]
    probes: dict[str, str] = {}
    for station in chosen:
        other = probes.setdefault(station.debug_probe, station.name)
        if other != station.name:
            raise ParameterError(
                f"stations {other} and {station.name} are on the same debug probe {station.debug_probe}",
                hint="serve one of them, or give each a probe of its own",
            )
    return chosen


def _seconds(text: str, option: str) -> float:
    value = parse(text, "s")
    if not 0.5 <= value <= 86400:
        raise ParameterError(f"--{option} {text} is out of range", hint="0.5s to 86400s")
    return value


def _on_signals(stop: Stop) -> None:
    def asked(_signal: int, _frame: FrameType | None) -> None:
        stop.ask()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
