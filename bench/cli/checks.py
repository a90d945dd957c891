"""The checks of ``bench doctor``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.boards import board_names, load_board
from bench.boards.stations import VIRTUAL_PREFIX, find_station
from bench.build import BuildCache, find_toolchain
from bench.cli.options import known_stations
from bench.cli.station_checks import Finding, checklist
from bench.clocktree import clock_table
from bench.domain.primitives import workload
from bench.domain.station import Source, Station
from bench.errors import BenchError
from bench.measure.image import prepare
from bench.probes.registry import probe_by_name
from bench.store import open_store
from bench.store.engine import parse_url, sqlite_path
from bench.target.session import connected_probes


def findings(station: str | None, db: str, stations: Path) -> Iterator[Finding]:
    """Yield the outcome of each check, in the order in which a measurement would stumble over them."""
    from importlib.metadata import version

    yield Finding("bench", True, f"{version('mcu-bench')}, Python {sys.version.split()[0]}, pyOCD {version('pyocd')}")
    yield _check("toolchain", lambda: find_toolchain().version)
    yield _check("boards", _boards)
    yield _check("firmware", _firmware)
    yield _check(
        "stations file",
        lambda: f"{stations}: {_hardware(stations)}" if stations.exists() else f"no {stations}: virtual boards only",
    )
    hardware = _configured(stations)
    yield _virtual(needed=not hardware)
    for configured in hardware:
        yield from _station(configured)
    yield _check("database", lambda: _database(db))
    if station is not None:
        try:
            yield from checklist(find_station(known_stations(stations), station))
        except BenchError as error:
            yield Finding(f"station {station}", False, str(error), error.hint)


def _check(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except BenchError as error:
        return Finding(what, False, str(error), error.hint)


def _boards() -> str:
    described = [load_board(name) for name in board_names()]
    return ", ".join(f"{board.name} ({len(clock_table(board))} clocks)" for board in described)


def _firmware() -> str:
    board = load_board(board_names()[0])
    image = prepare(
        workload("conv2d"), board, [clock for _, clock in clock_table(board)], find_toolchain(), BuildCache.default()
    )
    return f"an image for {board.name} builds: {image.built.sizes.flash_bytes} bytes of flash"


def _hardware(stations: Path) -> str:
    names = [station.name for station in known_stations(stations).values() if station.source is Source.HARDWARE]
    return ", ".join(names) or "no hardware station"


def _configured(stations: Path) -> list[Station]:
    try:
        return [station for station in known_stations(stations).values() if station.source is Source.HARDWARE]
    except BenchError:
        return []  # the check of the stations file has said it


def _virtual(*, needed: bool) -> Finding:
    virtual = [unique_id for unique_id, _ in connected_probes() if unique_id.startswith(VIRTUAL_PREFIX)]
    if virtual:
        return Finding("virtual boards", True, ", ".join(virtual))
    return Finding(
        "virtual boards",
        not needed,
        "none: the emulator is not installed, or hidden by BENCH_VIRTUAL=0",
        "pip install 'mcu-bench[virtual]'" if needed else "",
    )


def _station(station: Station) -> Iterator[Finding]:
    connected = station.debug_probe in dict(connected_probes())
    yield Finding(
        f"station {station.name}",
        connected,
        f"debug probe {station.debug_probe} is {'connected' if connected else 'not connected'}",
        ""
        if connected
        else "plug it in; on Linux install the udev rules of pyOCD (docs/hardware/udev.md), then: pyocd list",
    )
    if station.current_probe is None:
        yield Finding(f"station {station.name}", True, "has no current probe: cycles only")
        return
    yield _check(
        f"station {station.name}",
        lambda: (
            f"current probe {probe_by_name(station.current_probe.driver).spec.model}" if station.current_probe else ""
        ),
    )
    port = Path(station.current_probe.url)
    if not station.current_probe.url.startswith("/dev/"):
        return  # no serial port: a URL, a VISA resource, a Joulescope, a file
    if not port.exists():
        yield Finding(
            f"station {station.name}",
            False,
            f"serial port {port} does not exist",
            "plug the probe in; then: ls /dev/serial/by-id",
        )
    elif not os.access(port, os.R_OK | os.W_OK):
        yield Finding(
            f"station {station.name}",
            False,
            f"serial port {port} may not be opened",
            "sudo usermod -a -G dialout $USER, then log in again",
        )
    else:
        yield Finding(f"station {station.name}", True, f"serial port {port}")


def _database(db: str) -> str:
    path = sqlite_path(parse_url(db))
    if path is not None and not path.exists():
        return f"no {path} yet: the first measurement makes it"
    with open_store(db) as store:
        counts = store.repository.counts()
        return f"{store.name}: {counts.points} points, {counts.accepted} accepted and {counts.rejected} rejected runs"
