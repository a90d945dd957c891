"""The API over a service on a new database, asked without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bench.api.access import Access
from bench.api.app import create_app
from bench.boards import load_board
from bench.boards.stations import load_stations
from bench.daemon.service import Service
from bench.domain.clock import ClockConfiguration
from bench.domain.job import Work
from bench.domain.measurement import Point, Run
from bench.domain.primitives import workload
from bench.domain.station import Source, Station
from bench.store import open_store
from tests.daemon.conftest import STATIONS
from tests.store.store_samples import a_failure, a_run

HOME = "http://localhost:8440"
JSON = {"Content-Type": "application/json"}
TINY = {"stations": ["virtual-a"], "primitives": ["relu", "add"], "dtypes": ["fp32"], "freq": "16MHz,24MHz"}


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
def connect(service: Service) -> Callable[..., TestClient]:
    """Return a maker of clients that a page of this host could be; ``access`` is whom the server lets in."""

    def make(access: Access | None = None, home: str = HOME) -> TestClient:
        return TestClient(create_app(service, access), base_url=home, headers=JSON, raise_server_exceptions=False)

    return make


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    """Return a client with the usual access."""
    return connect()


def begin(service: Service, stations: dict[str, Station]) -> Work:
    """Pretend that a daemon serves virtual-a, and start the first unit there is."""
    daemon = service.store.rack.enter(
        host="lab", space="elsewhere", pid=1, pid_started="1", stations=[stations["virtual-a"]]
    )
    lease = service.store.units.assign(service.store.units.lanes()[0].id, "virtual-a")
    assert lease is not None
    work = service.store.units.start(lease, daemon)
    assert work is not None
    return work


def run_of(work: Work, clock: int, *, accepted: bool = True) -> Run:
    """Return a run of one point of ``work``."""
    board, plan = load_board("nucleo_f446ze"), work.plan
    measured = workload(plan.primitive, dict(plan.params), plan.dtype, plan.flavor, plan.opt_level)
    configuration = ClockConfiguration.parse(plan.clock_ids[clock])
    point = Point(work.lease.station, Source.VIRTUAL, board.name, board.mcu, board.core, measured, configuration)
    return replace(a_run() if accepted else a_failure(), point=point)
