"""Opens a station for measuring: the current probe first, because it feeds the board, then the board itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.domain.board import Board
from bench.domain.station import Station
from bench.measure.energy import EnergyMeter
from bench.measure.settings import Settings
from bench.probes.registry import create_probe
from bench.target.board_under_test import BoardUnderTest
from bench.target.session import open_board


@contextmanager
def open_station(
    station: Station, board: Board, settings: Settings
) -> Iterator[tuple[BoardUnderTest, EnergyMeter | None]]:
    """Yield the connected, identified board of ``station`` and its energy meter, None where the station has no current probe.

    Raises what the probe and the target raise; closes both in any case. The supply stays on, as the user may have it wired for more.
    """
    if station.current_probe is None:
        with open_board(station, board) as under_test:
            yield under_test, None
        return
    probe = create_probe(station.current_probe.driver, station.current_probe.url)
    try:
        probe.open()
        probe.power_on(station.vdd_v)
        with open_board(station, board) as under_test:
            yield under_test, EnergyMeter(probe, station.current_probe.driver, board, settings)
    finally:
        probe.close()
