"""Points, curves, runs, traces and tables over HTTP."""

from __future__ import annotations

import csv
import io
import json
from array import array
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from bench.api.envelope import envelope
from bench.daemon.service import Service
from bench.domain.lut import COLUMNS
from bench.domain.measurement import Run, Trace
from bench.domain.station import Source, Station
from bench.errors import ParameterError
from bench.lut.parquet_format import read as read_parquet
from tests.api.conftest import TINY, begin, run_of
from tests.store.store_samples import CLOCK, ENERGY, SLOW, a_failure, a_point, a_run

RATE_HZ = 1000.0


def traced(values: list[float]) -> Run:
    return replace(a_run(), energy_run=replace(ENERGY, trace=Trace(RATE_HZ, array("f", values))))


def test_points_as_they_arrive(client: TestClient, service: Service) -> None:
    empty = client.get("/api/v1/points").json()
    assert empty == {"points": [], "cursor": 0}
    for minutes in range(3):
        service.store.repository.record(a_run(minutes=minutes))
    service.store.repository.record(a_failure(minutes=3))
    found = client.get("/api/v1/points", params={"limit": 2}).json()
    assert [point["run"] for point in found["points"]] == [3, 4]
    assert [point["verdict"] for point in found["points"]] == ["accepted", "rejected"]
    accepted, rejected = found["points"]
    assert (accepted["latency_s"], accepted["source"], accepted["trace"]) == (1.25e-3, "virtual", True)
    assert (rejected["latency_s"], rejected["reason"]) == (None, "sector 3 does not erase")
    first = client.get("/api/v1/points", params={"since": 0, "limit": 3}).json()
    assert ([point["run"] for point in first["points"]], first["cursor"]) == ([1, 2, 3], 3)
    assert client.get("/api/v1/points", params={"since": 4}).json() == {"points": [], "cursor": 4}


def test_curves_hold_the_latest_accepted_run_of_each_clock(client: TestClient, service: Service) -> None:
    record = service.store.repository.record
    slow = a_point(clock=SLOW)
    again = a_run(minutes=9)
    assert again.result is not None
    again = replace(again, result=replace(again.result, latency_s=7.0))
    for run in (a_run(slow), a_run(), again, a_failure(minutes=10), a_run(a_point(k=3), minutes=11)):
        record(run)
    curves = client.get("/api/v1/series").json()
    assert [curve["workload"].partition(",")[0] for curve in curves] == ["conv2d(k=3", "conv2d(k=5"]
    points = curves[1]["points"]
    assert [(point["sysclk_hz"], point["latency_s"], point["run"]) for point in points] == [
        (16e6, 1.25e-3, 1),
        (180e6, 7.0, 3),
    ]
    assert len(client.get("/api/v1/series", params={"limit": 1}).json()) == 1
    assert client.get("/api/v1/series", params={"primitive": "relu"}).json() == []
    one = client.get("/api/v1/series", params={"freq": "16MHz", "board": "nucleo_f446ze"}).json()
    assert [len(curve["points"]) for curve in one] == [1]
    assert client.get("/api/v1/series", params={"freq": "a lot"}).status_code == 422


def test_curves_of_one_job(client: TestClient, service: Service, stations: dict[str, Station]) -> None:
    service.store.repository.record(a_run())
    client.post("/api/v1/jobs", json=TINY)
    work = begin(service, stations)
    assert client.get("/api/v1/series", params={"job": 1}).json() == []
    service.store.leased(work.lease).record(run_of(work, 0))
    assert [curve["primitive"] for curve in client.get("/api/v1/series", params={"job": 1}).json()] == ["relu"]


def test_caches_on_and_off_are_two_curves(client: TestClient, service: Service) -> None:
    bare = replace(CLOCK, accelerators=frozenset())
    for point in (a_point(), a_point(clock=bare)):
        service.store.repository.record(a_run(point))
    assert {curve["accelerators"] == "" for curve in client.get("/api/v1/series").json()} == {True, False}


def test_a_run_with_its_budget(client: TestClient, service: Service) -> None:
    service.store.repository.record(a_run())
    run = client.get("/api/v1/runs/1").json()
    assert run["result"]["budget"][0]["name"] == "probe gain"
    assert run["cycles"]["kernel_cycles"] == [225100, 225101, 225100]
    assert run["energy"]["active"]["mean_a"] == 0.031
    service.store.repository.record(a_failure())
    failed = client.get("/api/v1/runs/2").json()
    assert (failed["verdict"], failed["result"], failed["energy"]) == ("rejected", None, None)
    assert client.get("/api/v1/runs/2/trace").status_code == 404


def test_a_trace_shows_its_spike_however_far_away(client: TestClient, service: Service) -> None:
    values = [0.01] * 100_000
    values[77_777] = 0.25
    service.store.repository.record(traced(values))
    path = "/api/v1/runs/1/trace"
    whole = client.get(path, params={"steps": 300}).json()
    assert (whole["total_samples"], whole["samples"], len(whole["max_a"])) == (100_000, 100_000, 300)
    step = max(range(300), key=lambda index: whole["max_a"][index])
    assert whole["max_a"][step] == pytest.approx(0.25)
    begins = whole["start_s"] + step * whole["step_s"]
    assert begins <= 77.777 < begins + whole["step_s"]
    near = client.get(path, params={"from_s": 77.77, "to_s": 77.785, "steps": 300}).json()
    assert near["step_s"] == 1 / RATE_HZ
    assert near["min_a"] == near["max_a"] == near["mean_a"]
    assert near["max_a"][round((77.777 - near["start_s"]) * RATE_HZ)] == pytest.approx(0.25)
    for wrong in (
        {"from_s": 200},
        {"from_s": 5, "to_s": 4},
        {"steps": 0},
        {"steps": 5000},
        {"from_s": "nan"},
        {"to_s": "inf"},
    ):
        assert client.get(path, params=wrong).status_code == 422, wrong


@given(
    values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=400),
    begin_s=st.floats(0, 0.5),
    length_s=st.none() | st.floats(0, 0.5),
    steps=st.integers(1, 50),
)
def test_an_envelope_covers_its_range_and_nothing_else(
    values: list[float], begin_s: float, length_s: float | None, steps: int
) -> None:
    end_s = None if length_s is None else begin_s + length_s
    inside = [value for index, value in enumerate(values) if begin_s - 1e-9 <= index / RATE_HZ <= (end_s or 9.0) + 1e-9]
    trace = Trace(RATE_HZ, array("f", values))
    try:
        found = envelope(trace, begin_s, end_s, steps)
    except ParameterError:
        assert len(inside) <= 1  # a bound may fall upon the only sample
        return
    assert 1 <= len(found.min_a) == len(found.max_a) <= steps
    assert abs(found.samples - len(inside)) <= 2  # a sample may lie upon either bound
    assert all(
        low <= mean + 1e-6 and mean <= high + 1e-6
        for low, mean, high in zip(found.min_a, found.mean_a, found.max_a, strict=True)
    )
    first = round(found.start_s * RATE_HZ)
    assert (min(found.min_a), max(found.max_a)) == (
        min(values[first : first + found.samples]),
        max(values[first : first + found.samples]),
    )


def test_tables_are_downloaded_in_every_format(client: TestClient, service: Service) -> None:
    for k in (3, 5):
        service.store.repository.record(a_run(a_point(k=k)))
    answer = client.get("/api/v1/lut.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2
    assert answer.headers["content-disposition"] == 'attachment; filename="lut.csv"'
    provenance = json.loads(answer.headers["bench-provenance"])
    assert (provenance["rows"], provenance["sources"]) == (2, ["virtual"])
    assert len(client.get("/api/v1/lut.json", params={"freq": "180MHz"}).json()) == 2
    assert len(list(read_parquet(io.BytesIO(client.get("/api/v1/lut.parquet").content), "it"))) == 2
    assert "conv2d-input:32x32x1" in client.get("/api/v1/lut.ofa").text
    assert client.get("/api/v1/lut.nn-meter").status_code == 200
    service.store.repository.record(a_run(a_point(clock=SLOW)))
    assert client.get("/api/v1/lut.ofa").status_code == 422  # two clocks in a table that knows none
    assert client.get("/api/v1/lut.exe").status_code == 422


def test_sources_are_mixed_only_if_each_is_asked_for(client: TestClient, service: Service) -> None:
    service.store.repository.record(a_run())
    service.store.repository.record(a_run(a_point(station="desk", source=Source.HARDWARE)))
    refused = client.get("/api/v1/lut.csv")
    assert refused.status_code == 409
    assert "hardware and virtual" in refused.json()["message"]
    assert "source=hardware" in refused.json()["hint"]
    assert len(client.get("/api/v1/lut.json", params={"source": "hardware"}).json()) == 1
    assert len(client.get("/api/v1/lut.json", params={"source": ["hardware", "virtual"]}).json()) == 2
    assert client.get("/api/v1/lut.json", params={"source": "guessed"}).status_code == 422


def test_an_empty_or_unknown_selection_is_said_so(client: TestClient, service: Service) -> None:
    assert client.get("/api/v1/lut.csv").status_code == 404
    service.store.repository.record(a_run())
    unknown = client.get("/api/v1/lut.csv", params={"board": "nucleo_f446zz"})
    assert unknown.status_code == 422
    assert "nucleo_f446ze" in unknown.json()["message"]
    assert client.get("/api/v1/lut.csv", params={"board": "../../etc/passwd"}).status_code == 422
    assert client.get("/api/v1/lut.csv", params={"freq": "24MHz"}).status_code == 404
