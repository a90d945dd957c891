"""The API against its own description: whatever is sent, it answers as described, and never fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bench.api.access import Access
from bench.api.app import create_app
from bench.boards.stations import load_stations
from bench.daemon.service import Service
from bench.store import open_store
from tests.daemon.conftest import STATIONS
from tests.store.store_samples import a_failure, a_run

TOKEN = "correct-horse-battery-staple"
HOST = {"Host": "localhost:8440"}
EXAMPLES = 8
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)

quickly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Yield a service that knows a job, an accepted run and a rejected one."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "stations.yaml").write_text(STATIONS)
    with open_store(str(folder / "fuzz.db")) as store:
        service = Service(store, load_stations(folder / "stations.yaml"))
        service.submit({"stations": ["virtual-a"], "primitives": ["relu"], "freq": "16MHz"})
        store.repository.record(a_run())
        store.repository.record(a_failure())
        yield service


def each_operation(access: Access, service: Service, check: Callable[[schemathesis.Case], None]) -> int:
    """Call ``check`` with some requests of every operation, and return how many operations there are."""
    described = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", create_app(service, access), headers={**HOST, "Authorization": f"Bearer {TOKEN}"}
    )
    count = 0
    for operation in described.get_all_operations():
        quickly(given(case=operation.ok().as_strategy())(check))()
        count += 1
    return count


def test_every_answer_is_one_that_is_described(fuzzed: Service) -> None:
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=HOST, checks=list(CHECKS))

    assert each_operation(Access(), fuzzed, check) >= 18


def test_nothing_is_read_or_written_without_the_token(fuzzed: Service) -> None:
    def state() -> object:
        return [(job.id, job.state) for job in fuzzed.jobs()], [place.state for place in fuzzed.stations()]

    before = state()

    def check(case: schemathesis.Case) -> None:
        case.headers.pop("Authorization", None)
        answer = case.call(headers={**HOST, "Authorization": "Bearer of bad news"})
        assert 400 <= answer.status_code < 500

    assert each_operation(Access(token=TOKEN), fuzzed, check) >= 18
    assert state() == before
