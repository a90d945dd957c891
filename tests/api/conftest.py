"""The API over a service on a new database, asked without a network."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bench.api.app import create_app
from bench.boards.stations import load_stations
from bench.daemon.service import Service
from bench.domain.measurement import Run, Trace, Verdict
from bench.domain.station import Station
from bench.store import open_store
from tests.daemon.conftest import STATIONS
from tests.store.store_samples import a_run

HOME = "http://localhost:8440"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def stations(tmp_path: Path) -> dict[str, Station]:
    """Return three equal virtual stations, and one of another kind."""
    path = tmp_path / "stations.yaml"
    path.write_text(STATIONS)
    return load_stations(path)


@pytest.fixture
def service(tmp_path: Path, stations: dict[str, Station]) -> Iterator[Service]:
    """Yield the service of a new database."""
    with open_store(str(tmp_path / "api.db")) as store:
        yield Service(store, stations)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """Yield a client of the API as a page of this host has it."""
    yield TestClient(create_app(service), base_url=HOME, headers=JSON, raise_server_exceptions=False)
