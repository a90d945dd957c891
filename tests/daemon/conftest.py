"""A service on a new database of either kind, and a job on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.boards.stations import load_stations
from bench.daemon.service import Service
from bench.domain.station import Station
from bench.store import open_store

STATIONS = """\
stations:
  - {name: virtual-a, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-a}
  - {name: virtual-b, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-b}
  - {name: virtual-c, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-c}
  - {name: virtual-l, board: nucleo_l496zg, virtual: true}
"""
"""Without current probes: cycles are enough here, and quickly counted."""


@pytest.fixture
def stations(tmp_path: Path) -> dict[str, Station]:
    """Return three equal virtual stations, and one of another kind."""
    path = tmp_path / "stations.yaml"
    path.write_text(STATIONS)
    return load_stations(path)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a new database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/measurements.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def service(url: str, stations: dict[str, Station]) -> Iterator[Service]:
    """Yield the service of a new database of either kind: for what depends on transactions and locks."""
    with open_store(url) as store:
        yield Service(store, stations)


@pytest.fixture
def light_service(tmp_path: Path, stations: dict[str, Station]) -> Iterator[Service]:
    """Yield the service of a new SQLite database: for all the rest."""
    with open_store(str(tmp_path / "light.db")) as store:
        yield Service(store, stations)
