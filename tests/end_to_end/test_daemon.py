"""The daemon as users run it: submitted sweeps on virtual boards, killed, paused, cancelled, served by several; every point exactly once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import psycopg
import pytest

from tests.end_to_end.conftest import TIMEOUT_S, Workplace

STATIONS = """\
stations:
  - {name: virtual-a, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-a}
  - {name: virtual-b, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-b}
  - {name: virtual-c, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-c}
  - name: virtual-broken
    board: nucleo_f446ze
    virtual: true
    debug_probe: virtual-nucleo_f446ze-d
    current_probe: {driver: lpm01a, url: "virtual://virtual-nowhere/lpm01a"}
"""
"""Three without current probes, which are quick, and one that fails."""
TINY = ("--primitive", "relu", "--primitive", "add", "--param", "n=16", "--dtype", "fp32", "--repeats", "2")
QUICKLY = ("--gone-after", "2s", "--takeover-after", "0.5s")


@dataclass
class Process:
    """A daemon, whose log lines are read as they come."""

    popen: subprocess.Popen[str]
    lines: Queue[str | None] = field(default_factory=Queue)
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def until(self, words: str, times: int = 1) -> None:
        """Return when ``words`` have appeared in so many lines of its log."""
        while times:
            line = self.lines.get(timeout=TIMEOUT_S)
            assert line is not None, f"the daemon ended: {''.join(self.seen)}"
            self.seen.append(line)
            times -= words in line

    def forget(self) -> None:
        """Pass over the lines that have come."""
        while not self.lines.empty():
            self.seen.append(str(self.lines.get()))

    @contextmanager
    def held(self, database: Path) -> Iterator[None]:
        """Let the daemon stand still in the block, so that what it has not done yet it has not; not while it writes to the SQLite ``database``."""
        while True:
            self.popen.send_signal(signal.SIGSTOP)
            if not _locked(database):
                break
            self.popen.send_signal(signal.SIGCONT)
        yield
        self.popen.send_signal(signal.SIGCONT)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.popen.send_signal(how)
        return self.popen.wait(TIMEOUT_S)


def _locked(database: Path) -> bool:
    """Whether somebody is in the middle of a transaction that writes."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
    return False


@pytest.fixture
def rack(workplace: Workplace) -> Workplace:
    """Return a workplace with a stations file, and locks of its own."""
    (workplace.folder / "stations.yaml").write_text(STATIONS)
    workplace.environment["BENCH_LOCKS"] = str(workplace.folder / "locks")
    return workplace


@pytest.fixture
def daemon(rack: Workplace) -> Iterator[Callable[..., Process]]:
    """Return a starter of daemons; those that still run at the end are killed."""
    started: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        process = Process(
            subprocess.Popen(
                rack.command(["daemon", *arguments]),
                cwd=rack.folder,
                env={**rack.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.stop(signal.SIGKILL)


def serve(*names: str) -> list[str]:
    return [part for name in names for part in ("--serve", name)]


def submit(rack: Workplace, *arguments: str, **environment: str) -> dict[str, Any]:
    """Submit the tiny sweep on the given stations, and return its job."""
    outcome = rack.bench("submit", *TINY, *arguments, "--json", **environment)
    assert outcome.code == 0, outcome.err
    return outcome.rows()[0]


def job(rack: Workplace, number: int = 1, *arguments: str, **environment: str) -> dict[str, Any]:
    """Return what ``bench status`` says of a job."""
    return rack.bench("status", str(number), *arguments, "--json", **environment).rows()[0]


COUNTED = """\
SELECT s.name, w.primitive, c.clock_id, count(*) FROM run r JOIN point p ON p.id = r.point_id JOIN station s ON s.id = p.station_id
JOIN workload w ON w.id = p.workload_id JOIN clock c ON c.id = p.clock_id WHERE r.verdict = 'accepted' AND NOT r.sentinel GROUP BY 1, 2, 3"""


def runs_per_point(rack: Workplace) -> dict[tuple[str, str, str], int]:
    """Return how often each point has an accepted run, sentinels aside."""
    with sqlite3.connect(rack.folder / "measurements.db") as connection:
        return {(station, work, clock): n for station, work, clock, n in connection.execute(COUNTED)}


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    received: Queue[dict[str, Any]]

    def do_POST(self) -> None:
        self.received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """Yield the address of a web server, and what it was told."""
    received: Queue[dict[str, Any]] = Queue()
    handler = type("OwnHook", (Hook,), {"received": received})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()
        thread.join()


def test_killed_in_mid_sweep_it_measures_every_point_exactly_once_and_tells_of_the_end(
    rack: Workplace, daemon: Callable[..., Process], hook: tuple[str, Queue[dict[str, Any]]]
) -> None:
    address, received = hook
    refused = rack.bench("submit", *TINY, "--station", "virtual-z")
    assert refused.code == 2
    assert "virtual-z" in refused.err
    taken = submit(rack, "--station", "virtual-a", "--freq", "16MHz,24MHz,32MHz", "--name", "tonight")
    assert (taken["status"], taken["points"], taken["missing"]) == ("waiting", 6, 6)
    arguments = (*serve("virtual-a"), "--webhook", address, "--webhook", "http://127.0.0.1:9/nobody")
    first = daemon(*arguments)
    first.until("accepted", 2)
    first.stop(signal.SIGKILL)
    second = daemon(*arguments)  # the first one's heartbeat is fresh, but its process is known to be dead
    told = received.get(timeout=TIMEOUT_S)
    assert (told["job"], told["name"], told["status"], told["done"], told["points"]) == (1, "tonight", "done", 6, 6)
    done = job(rack)
    assert (done["status"], done["done"], done["missing"]) == ("done", 6, 0)
    found = runs_per_point(rack)
    assert len(found) == 6
    assert set(found.values()) == {1}
    second.until("not notified")  # the other address: tried, logged, and nothing stopped by it
    assert second.stop() == 0
    assert received.empty()
    assert rack.bench("db", "check").code == 0
    assert "lost by its daemon" in rack.bench("logs", "1").out or done["failures"] == []
    stations = rack.bench("status").out
    assert "virtual-a" in stations
    assert "gone" in stations


def test_pause_resume_cancel_priority_and_a_clean_stop(rack: Workplace, daemon: Callable[..., Process]) -> None:
    database = rack.folder / "measurements.db"
    submit(rack, "--station", "virtual-a", "--freq", "all")
    process = daemon(*serve("virtual-a"))
    process.until("accepted", 1)
    with process.held(database):
        assert rack.bench("pause", "1").code == 0
    later = submit(rack, "--station", "virtual-a", "--freq", "16MHz", "--priority", "-1")
    assert rack.bench("status", str(later["job"]), "--wait").code == 0  # a paused job stands in nobody's way
    held = job(rack)
    assert held["status"] == "paused"
    assert 0 < held["done"] < held["points"]
    process.forget()  # what came of the point at hand after the pause
    assert rack.bench("resume", "1").code == 0
    process.until("job 1:", 1)
    with process.held(database):
        assert rack.bench("cancel", "1").code == 0
    assert rack.bench("status", "1", "--wait").code == 1
    ended = job(rack)
    assert ended["status"] == "cancelled"
    assert held["done"] < ended["done"] < ended["points"]
    assert set(runs_per_point(rack).values()) == {1}
    assert rack.bench("pause", "--station", "virtual-a").code == 0
    assert rack.bench("resume", "1").code == 0
    assert process.stop() == 0
    assert job(rack)["done"] == ended["done"]
    assert rack.bench("cancel", "9").code == 2
    assert rack.bench("pause").code == 2


def test_a_failing_station_is_quarantined_and_its_points_go_to_an_equal_one(
    rack: Workplace, daemon: Callable[..., Process]
) -> None:
    text = STATIONS.replace(
        "debug_probe: virtual-nucleo_f446ze-b}",
        "debug_probe: virtual-nucleo_f446ze-b, current_probe: {driver: lpm01a, url: 'virtual://virtual-nucleo_f446ze-b/lpm01a'}}",
    )
    (rack.folder / "stations.yaml").write_text(text)
    submit(rack, "--station", "virtual-broken", "--spare", "virtual-b", "--freq", "16MHz", "--window", "5ms")
    process = daemon(*serve("virtual-broken", "virtual-b"), *QUICKLY)
    outcome = rack.bench("status", "1", "--wait")
    assert outcome.code == 0, outcome.out
    assert {station for station, _, _ in runs_per_point(rack)} == {"virtual-b"}
    shown = rack.bench("status").out
    assert "quarantined" in shown
    assert "virtual-nowhere" in shown
    alone = submit(rack, "--station", "virtual-broken", "--freq", "16MHz", "--window", "5ms")
    outcome = rack.bench("status", str(alone["job"]), "--wait")
    assert outcome.code == 1
    assert "quarantined" in outcome.out
    assert job(rack, alone["job"])["status"] == "incomplete"
    assert process.stop() == 0


def test_two_daemons_on_one_postgresql_and_one_is_killed(
    rack: Workplace, daemon: Callable[..., Process], postgresql_url: str
) -> None:
    """Three stations, served by both; each daemon has virtual boards of its own, as on two hosts."""
    names = ("virtual-a", "virtual-b", "virtual-c")
    env = {"BENCH_DB": postgresql_url}
    submit(rack, *(part for name in names for part in ("--station", name)), "--freq", "16MHz,24MHz,32MHz", **env)

    def host(name: str) -> dict[str, str]:
        return {
            **env,
            "BENCH_VIRTUAL_STATE": str(rack.folder / name),
            "BENCH_LOCKS": str(rack.folder / f"{name}-locks"),
        }

    doomed = daemon(*serve(*names), *QUICKLY, **host("one"))
    doomed.until("accepted", 2)
    other = daemon(*serve(*names), *QUICKLY, **host("two"))
    other.until("serving")
    doomed.stop(signal.SIGKILL)
    outcome = rack.bench("status", "1", "--wait", **env)
    assert outcome.code == 0, outcome.out
    with psycopg.connect(postgresql_url) as connection:
        counted = connection.execute(COUNTED.encode()).fetchall()
    assert len(counted) == 18
    assert {row[3] for row in counted} == {1}
    assert other.stop() == 0
    assert not Path(rack.folder / "measurements.db").exists()
    assert os.environ.get("BENCH_DB") != postgresql_url
