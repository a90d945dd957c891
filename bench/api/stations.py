"""Stations: what each is doing; pause, resume, release."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from bench.api.problems import responses
from bench.api.values import StationName, TheService
from bench.api.views import StationView, station_view, unserved_view
from bench.boards import load_board
from bench.boards.stations import find_station
from bench.daemon.service import Service
from bench.errors import UnknownName
from bench.sweep.plan import choose_clocks

router = APIRouter(prefix="/stations", tags=["stations"])


class ClockView(BaseModel):
    """A clock configuration of a board's own list."""

    sysclk_hz: float
    clock_id: str
    flash_wait_states: int


@router.get("", responses=responses())
def list_stations(service: TheService) -> list[StationView]:
    """Return the stations that daemons serve or served, then those that work can be submitted for besides."""
    return stations_of(service)


@router.get("/{name}/clocks", responses=responses(404))
def list_clocks(name: StationName, service: TheService) -> list[ClockView]:
    """Return the clocks of a station's board that a sweep goes through unless told otherwise."""
    board = load_board(find_station(service.known_stations(), name).board)
    return [
        ClockView(sysclk_hz=clock.hclk_hz, clock_id=clock.id, flash_wait_states=clock.flash_wait_states)
        for clock in choose_clocks(board, "all")
    ]


@router.post("/{name}/pause", responses=responses(404))
def pause_station(name: StationName, service: TheService) -> StationView:
    """Give a station no more work after the point at hand."""
    service.pause_station(name)
    return _station(service, name)


@router.post("/{name}/resume", responses=responses(404))
def resume_station(name: StationName, service: TheService) -> StationView:
    """Give a paused station work again; releases it, too, if it is quarantined."""
    service.resume_station(name)
    return _station(service, name)


@router.post("/{name}/release", responses=responses(404))
def release_station(name: StationName, service: TheService) -> StationView:
    """Release a station from quarantine, once what was wrong is mended; the same as resuming it."""
    service.resume_station(name)
    return _station(service, name)


def stations_of(service: Service) -> list[StationView]:
    """Return all stations."""
    served = service.stations()
    names = {place.name for place in served}
    others = [station for name, station in service.known_stations().items() if name not in names]
    return [station_view(place) for place in served] + [unserved_view(station) for station in others]


def _station(service: Service, name: str) -> StationView:
    for place in service.stations():
        if place.name == name:
            return station_view(place)
    raise UnknownName.among("station of a daemon", name, [])
