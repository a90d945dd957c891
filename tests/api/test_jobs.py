"""Jobs and stations over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from bench.daemon.service import Service
from bench.domain.station import Station
from tests.api.conftest import TINY, begin, run_of

JOBS = "/api/v1/jobs"


def submit(client: TestClient, **more: Any) -> int:
    answer = client.post(JOBS, json={**TINY, **more})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["job"])


def test_a_sweep_is_submitted_with_the_keys_of_a_plan_file(client: TestClient, service: Service) -> None:
    answer = client.post(JOBS, json={**TINY, "name": "tonight", "priority": 3, "spares": ["virtual-b"]})
    assert answer.status_code == 201
    assert answer.json() == {"job": 1, "images": 2, "points": 4, "left_out": [], "unserved": ["virtual-a"]}
    job = service.job(1)
    assert (job.name, job.priority, job.stations) == ("tonight", 3, ("virtual-a", "virtual-b"))
    assert job.submitted_by.startswith("web")
    grid = {
        "primitives": [{"name": "conv2d", "grid": {"k": [3, 5]}}],
        "freq": ["16 MHz"],
        "window": "10 ms",
        "repeats": 3,
    }
    assert client.post(JOBS, json={**TINY, **grid}).json()["points"] == 2
    shown = client.get(f"{JOBS}/2").json()
    assert shown["request"]["window"] == "0.01 s"
    assert (shown["status"], shown["points"], shown["missing"]) == ("waiting", 2, 2)
    assert shown["held"] == ["no daemon serves virtual-a; start one with: bench daemon --serve virtual-a"]
    assert [job["job"] for job in client.get(JOBS).json()] == [2, 1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"stations": ["virtual-x"]}, "virtual-x"),
        ({"primitives": ["conv3d"]}, "conv3d"),
        ({"primitives": [{"name": "conv2d", "grid": {"k": [2]}}]}, "k = 2"),
        ({"surprise": 1}, "surprise"),
        ({"freq": "1GHz"}, "1 GHz"),
        ({"freq": "../../etc/passwd"}, "not a quantity"),
        ({"freq": "x" * 2001}, "freq"),
        ({"repeats": 1}, "repeats"),
        ({"repeats": True}, "repeats"),
        ({"window": "100 ms; rm"}, "window"),
        ({"window": "99999 s"}, "window"),
        ({"priority": 101}, "priority"),
        ({"name": "x" * 81}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"start_at": "late"}, "start_at"),
        ({"start_at": "2026-02-30 10:00"}, "start time"),
        ({"spares": ["virtual-l"]}, "no spare"),
        ({"dtypes": []}, "dtypes"),
        ({"flavors": ["cmsis-nn"]}, "cmsis-nn"),
        (
            {"primitives": [{"name": "conv2d", "grid": {"in_h": list(range(1, 200)), "in_w": list(range(1, 200))}}]},
            "too many",
        ),
        ({"primitives": [{"name": "relu", "grid": {"n": list(range(300))}}]}, "256"),
        ({"stations": ["../../../etc/passwd"]}, "stations"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said_and_nothing_is_kept(
    client: TestClient, service: Service, body: dict[str, Any], words: str
) -> None:
    answer = client.post(JOBS, json={**TINY, **body})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert words in problem["message"] + problem["detail"]
    assert service.jobs() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 60_000,
        b'{"seed": ' + b"1" * 5000 + b"}",
        b'{"seed": NaN}',
        b'{"name": "\\ud800"}',
        b"[]",
        b"\xff",
    ],
)
def test_what_is_no_sensible_json_is_refused(client: TestClient, service: Service, body: bytes) -> None:
    answer = client.post(JOBS, content=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["message"]
    assert service.jobs() == []


def test_no_folder_but_the_daemons_own_is_a_kernel_library(client: TestClient) -> None:
    for key in ("library", "libraries", "cmsis_nn", "template", "plan"):
        assert client.post(JOBS, json={**TINY, key: "/etc"}).status_code == 422


def test_pause_resume_cancel(client: TestClient) -> None:
    submit(client)
    for action, status in (("pause", "paused"), ("pause", "paused"), ("resume", "waiting"), ("cancel", "cancelled")):
        answer = client.post(f"{JOBS}/1/{action}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    refused = client.post(f"{JOBS}/1/pause")
    assert (refused.status_code, refused.json()["message"]) == (409, "job 1 is cancelled, there is nothing to pause")
    assert client.post(f"{JOBS}/1/cancel").status_code == 200  # twice is once
    assert client.post(f"{JOBS}/1/resume").json()["status"] == "waiting"


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for path in (
        "jobs/7",
        "jobs/7/units",
        "jobs/7/log",
        "runs/7",
        "runs/7/trace",
        "series?job=7",
        "stations/x/clocks",
        "nothing",
    ):
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["status"]) == (404, 404), path
    for path in ("jobs/7/cancel", "jobs/7/pause", "jobs/7/resume", "stations/virtual-a/pause", "stations/x/release"):
        assert client.post(f"/api/v1/{path}").status_code == 404, path
    for path in ("jobs/0", "jobs/99999999999999999999", "jobs/x", "stations/%00/clocks", "stations/..%2f..%2fx/clocks"):
        assert client.get(f"/api/v1/{path}").status_code in (404, 422), path
    assert client.delete(f"{JOBS}/1").status_code == 405


def test_progress_and_the_causes_of_what_is_missing(
    client: TestClient, service: Service, stations: dict[str, Station]
) -> None:
    submit(client)
    work = begin(service, stations)
    repository = service.store.leased(work.lease)
    repository.record(run_of(work, 0))
    repository.record(run_of(work, 1, accepted=False))
    status = client.get("/api/v1/status").json()
    place = next(place for place in status["stations"] if place["name"] == "virtual-a")
    assert (place["state"], place["job"], place["source"]) == ("busy", 1, "virtual")
    assert place["doing"].endswith("2 of 2")
    assert {place["state"] for place in status["stations"]} == {"busy", "unserved"}
    job = status["jobs"][0]
    assert (job["status"], job["done"], job["rejected"], job["missing"]) == ("running", 1, 1, 2)
    assert status["cursor"] == 2
    failures = client.get(f"{JOBS}/1").json()["failures"]
    assert [(one["failure_class"], one["cause"], one["run"]) for one in failures] == [
        ("flash", "sector 3 does not erase", 2)
    ]
    service.store.units.fail(work.lease, "build", "no <compiler>")
    failed = client.get(f"{JOBS}/1").json()["failures"][0]
    assert (failed["failure_class"], failed["cause"], failed["points"], failed["run"]) == (
        "build",
        "no <compiler>",
        1,
        None,
    )
    units = client.get(f"{JOBS}/1/units", params={"state": ["failed", "waiting"]}).json()
    assert [unit["state"] for unit in units] == ["failed", "waiting"]
    assert len(client.get(f"{JOBS}/1/units", params={"limit": 1, "skip": 1}).json()) == 1
    log = client.get(f"{JOBS}/1/log").json()
    assert [entry["kind"] for entry in log] == ["accepted", "rejected", "trouble"]
    assert client.get(f"{JOBS}/1/log", params={"after": log[1]["event"]}).json() == log[2:]


def test_stations_are_paused_resumed_and_released(
    client: TestClient, service: Service, stations: dict[str, Station]
) -> None:
    submit(client)
    begin(service, stations)
    path = "/api/v1/stations/virtual-a"
    assert client.post(f"{path}/pause").json()["state"] == "paused"
    assert client.post(f"{path}/resume").json()["state"] == "busy"
    service.quarantine("virtual-a", "no probe")
    assert client.get("/api/v1/stations").json()[0]["cause"] == "no probe"
    assert client.post(f"{path}/release").json()["state"] == "busy"
    clocks = client.get(f"{path}/clocks").json()
    assert len(clocks) == 14
    assert clocks[0]["sysclk_hz"] == 16e6


def test_health_and_catalogue(client: TestClient) -> None:
    assert client.get("/api/v1/health").json()["status"] == "ok"
    found = {entry["name"]: entry for entry in client.get("/api/v1/primitives").json()["primitives"]}
    assert "k" in {parameter["name"] for parameter in found["conv2d"]["parameters"]}
    assert client.get("/api/v1/names").json()["stations"] == []


def test_a_database_that_fails_is_said_so(client: TestClient, service: Service) -> None:
    with service.store.jobs.writing() as session:
        session.connection().exec_driver_sql("DROP TABLE job_unit")
        session.connection().exec_driver_sql("DROP TABLE job")
    answer = client.get(JOBS)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "Traceback" not in answer.text
