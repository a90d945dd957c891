"""What a database of a million points costs: exporting a part of it, and what the status page asks.

Fills a new database with accepted runs of different points, by plain inserts (the bench itself records a point in a transaction of its own,
which takes minutes for a million), then times what users wait for: the look-up table of one primitive on one board as CSV, and what the
web page asks for every second: stations, sweeps with their counts, the newest points, curves over the clock. The points belong to ten sweeps of the daemon, one of which is running. PostgreSQL is started for the purpose where its server is installed.

    python benchmarks/database_scale.py [POINTS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import create_engine, insert, text

from bench.api.app import create_app
from bench.boards.stations import all_stations
from bench.daemon.service import Service
from bench.domain.primitives import workload
from bench.domain.workload import Workload
from bench.lut import rows, write
from bench.store import Selection, Store, open_store
from bench.store.job_models import EventRow, JobRow, LaneRow, UnitRow
from bench.store.mapping import workload_columns
from bench.store.models import (
    ClockRow,
    CycleRow,
    ImageRow,
    PointRow,
    ResultRow,
    RunRow,
    StationRow,
    WorkloadRow,
)

POINTS = 1_000_000
CLOCKS = 14
STATIONS = 8
JOBS = 10
CHUNK = 10_000
ROUNDS = 5


def some_workload(number: int) -> Workload:
    """Return the workload ``number``, another one for every number."""
    dtype, rest = ("fp32", "int8")[number % 2], number // 2
    kind, size = rest % 4, 10 + rest // 4 % 400
    channels = 1 + rest // 1600
    if kind == 0:
        return workload("conv2d", {"k": 5, "in_h": size, "in_w": size, "in_c": channels}, dtype)
    if kind == 1:
        return workload("fully_connected", {"n_in": size, "n_out": channels}, dtype)
    return workload(("relu", "sigmoid")[kind - 2], {"n": rest}, dtype)


def fill(url: str, points: int) -> None:
    """Write ``points`` accepted runs of as many points."""
    engine = create_engine(url)
    workloads = -(-points // (CLOCKS * STATIONS))
    with engine.begin() as connection:

        def write_rows(table: Any, values: list[dict[str, Any]]) -> None:
            for start in range(0, len(values), CHUNK):
                connection.execute(insert(table), values[start : start + CHUNK])

        write_rows(
            StationRow,
            [
                {
                    "id": i,
                    "name": f"rack-{i}",
                    "source": "virtual",
                    "board": f"board_{i % 4}",
                    "mcu": "STM32F446ZE",
                    "core": "Cortex-M4F",
                }
                for i in range(1, STATIONS + 1)
            ],
        )
        write_rows(
            ClockRow,
            [
                {
                    "id": i,
                    "clock_id": f"hsebyp8-m4n{60 + 8 * i}r2-ahb1-apb4.2-scale1-ws3-pid",
                    "hclk_hz": (60.0 + 8 * i) * 1e6,
                }
                for i in range(1, CLOCKS + 1)
            ],
        )
        write_rows(WorkloadRow, [{"id": i, **workload_columns(some_workload(i))} for i in range(1, workloads + 1)])
        sizes = (c.name for c in ImageRow.__table__.columns if c.name.endswith("_bytes"))
        image = dict.fromkeys(sizes, 1000)
        write_rows(
            ImageRow,
            [
                {"id": i, "sha256": f"{i:064x}", "compiler": "gcc", "opt_level": "O3", **image}
                for i in range(1, workloads + 1)
            ],
        )
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for first in range(1, points + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, points + 1))
            keys = {
                number: (
                    (number - 1) // (CLOCKS * STATIONS) + 1,
                    (number - 1) % CLOCKS + 1,
                    (number - 1) // CLOCKS % STATIONS + 1,
                )
                for number in numbers
            }
            write_rows(
                PointRow, [{"id": n, "workload_id": w, "clock_id": c, "station_id": s} for n, (w, c, s) in keys.items()]
            )
            write_rows(
                RunRow,
                [
                    {
                        "id": n,
                        "point_id": n,
                        "image_id": keys[n][0],
                        "measured_at": start + timedelta(seconds=n),
                        "verdict": "accepted",
                        "failure_class": "",
                        "reason": "",
                        "detail": "",
                        "bench_version": "0",
                        "environment": {},
                    }
                    for n in numbers
                ],
            )
            write_rows(
                CycleRow,
                [
                    {
                        "run_id": n,
                        "warmup": 2,
                        "seed": 1,
                        "stack_bytes": 96,
                        "output_sha256": "0",
                        "kernel_cycles": [1000 + n] * 10,
                        "empty_cycles": [30] * 10,
                    }
                    for n in numbers
                ],
            )
            write_rows(
                ResultRow,
                [
                    {
                        "run_id": n,
                        "cycles": 1000.0 + n,
                        "cycles_overhead": 30.0,
                        "latency_s": 1e-3,
                        "latency_u95_s": 1e-6,
                        "sysclk_measured_hz": 1e8,
                        "vdd_v": 3.3,
                        "current_a": 0.02,
                        "idle_current_a": 0.004,
                        "power_w": 0.066,
                        "energy_j": 6.6e-5,
                        "energy_u95_j": 1e-6,
                    }
                    for n in numbers
                ],
            )
        fill_jobs(write_rows, points, start)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def fill_jobs(write_rows: Callable[[Any, list[dict[str, Any]]], None], points: int, start: datetime) -> None:
    """Write the sweeps that the points came from, one unit for each image and one entry of the log for each point; the last one is running."""
    stations = [f"rack-{number}" for number in range(1, STATIONS + 1)]
    times = {"submitted_at": start, "ended_at": None, "notified_at": None, "start_at": None}
    job: dict[str, Any] = {
        "name": "all",
        "request": {},
        "priority": 0,
        "submitted_by": "me",
        "stations": stations,
        **times,
    }
    write_rows(JobRow, [{"id": n, "state": "open" if n == JOBS else "ended", **job} for n in range(1, JOBS + 1)])
    write_rows(LaneRow, [{"id": n, "job_id": n, "stations": stations, "peers": STATIONS} for n in range(1, JOBS + 1)])
    images = points // CLOCKS
    fixed = {"daemon_id": 1, "generation": 1, "starts": 0, "tries": 0, "points": CLOCKS, "rejected": 0, "refused": []}
    ids = [f"hsebyp8-m4n{60 + 8 * i}r2-ahb1-apb4.2-scale1-ws3-pid" for i in range(1, CLOCKS + 1)]
    told = {"failure_class": "", "cause": "", "started_at": start, "ended_at": start}
    for first in range(0, images, CHUNK):
        units = []
        for number in range(first, min(first + CHUNK, images)):
            job_id = 1 + number * JOBS // images
            place = {"id": number + 1, "job_id": job_id, "lane_id": job_id, "position": number, "station": "rack-1"}
            done = number < images - 20
            state = {"state": "done" if done else "running", "done": CLOCKS if done else 3, "measured": ids}
            plan = {"label": f"image {number}", "plan": {"label": f"image {number}", "clock_ids": ids}}
            units.append({**place, **state, **plan, **fixed, **told})
        write_rows(UnitRow, units)
    entry = {"station": "rack-1", "kind": "accepted", "text": "1030 cycles", "clock_id": ids[0], "detail": ""}
    for first in range(1, points + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, points + 1))
        write_rows(
            EventRow,
            [
                {
                    "id": n,
                    "at": start + timedelta(seconds=n),
                    "job_id": min(JOBS, 1 + (n - 1) * JOBS // points),
                    "unit_id": 1 + (n - 1) // CLOCKS,
                    "run_id": n,
                    "label": f"image {(n - 1) // CLOCKS} 100 MHz",
                    **entry,
                }
                for n in numbers
            ],
        )


def asked(store: Store) -> Iterator[tuple[str, float, object]]:
    """Yield (what, median seconds, how many) of the requests of the web page, through the whole API."""
    client = TestClient(create_app(Service(store, all_stations())), base_url="http://localhost")

    def get(path: str, count: Callable[[Any], int] = len) -> int:
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        return count(answer.json())

    for what, path, count in (
        ("page: stations and sweeps", "status", lambda found: len(found["jobs"])),
        ("page: one sweep, its failures", f"jobs/{JOBS}", lambda found: int(found["points"])),
        ("page: 20 newest points", "points?limit=20", lambda found: len(found["points"])),
        ("page: newest curves", "series?limit=7", len),
        ("page: curves of one sweep", f"series?limit=7&job={JOBS}", len),
        ("page: curves of one primitive", "series?limit=7&primitive=conv2d&board=board_1", len),
        ("page: names for choices", "names", lambda found: len(found["stations"])),
    ):

        def one(path: str = path, count: Callable[[Any], int] = count) -> int:
            return get(path, count)

        yield what, *timed(one)


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Return the median seconds of ``action`` over some rounds, and what it returned."""
    times, result = [], None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def measure(store: Store, folder: Path) -> Iterator[tuple[str, float, object]]:
    """Yield (what, median seconds, how many) of everything that is timed."""
    one = Selection(boards=("board_1",), primitives=("conv2d",))
    for what, selection in (
        ("export: one primitive, one board", one),
        ("export: the same, one clock", Selection(boards=("board_1",), primitives=("conv2d",), sysclks_hz=(100e6,))),
        ("export: one station", Selection(stations=("rack-1",), dtypes=("fp32",))),
    ):

        def export(selection: Selection = selection) -> int:
            return write(folder / "lut.csv", rows(store, selection))

        yield what, *timed(export)
    yield "counts and names", *timed(lambda: (store.repository.counts().points, store.repository.known().stations)[0])
    yield from asked(store)
    yield "the latest 50 runs", *timed(lambda: len(list(store.repository.runs(limit=50))))


@contextmanager
def databases(folder: Path) -> Iterator[list[str]]:
    """Yield the URLs of an SQLite file and, where its server is installed, of a PostgreSQL database."""
    found = [f"sqlite:///{folder / 'scale.db'}"]
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        print("PostgreSQL's server is not installed: SQLite alone")
        yield found
        return
    prefix = ["runuser", "-u", "postgres", "--"]
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        root = Path(name)
        subprocess.run(["chown", "postgres", str(root)], check=True)

        def call(*command: str) -> None:
            subprocess.run(
                [*prefix, *command], cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

        call(str(binaries[-1] / "initdb"), "-D", f"{root}/data", "-U", "bench", "-A", "trust", "--no-sync")
        control = (str(binaries[-1] / "pg_ctl"), "-D", f"{root}/data")
        call(*control, "-w", "-l", f"{root}/log", "-o", f"-k {root} -c listen_addresses=''", "start")
        try:
            call(str(binaries[-1] / "createdb"), "-h", str(root), "-U", "bench", "scale")
            yield [*found, f"postgresql+psycopg://bench@/scale?host={root}"]
        finally:
            call(*control, "-w", "-m", "fast", "stop")


def main() -> None:
    """Print one table a database."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else POINTS
    with tempfile.TemporaryDirectory() as name, databases(Path(name)) as urls:
        for url in urls:
            open_store(url).close()
            start = time.perf_counter()
            fill(url, points)
            print(f"\n{url.partition(':')[0]}: {points:,} points, filled in {time.perf_counter() - start:.0f} s\n")
            print("| what | points | median |\n| --- | ---: | ---: |")
            with open_store(url) as store:
                for what, seconds, count in measure(store, Path(name)):
                    print(f"| {what} | {count:,} | {seconds * 1e3:,.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
