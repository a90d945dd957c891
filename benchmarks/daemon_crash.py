"""Kills the daemon at random instants of a sweep, and compares what is there in the end with an undisturbed sweep.

    python benchmarks/daemon_crash.py [--kills 100] [--seed 1] [--points 6] [--folder DIR]

A sweep of six primitives in fp32 and int8 at six clocks is submitted on a virtual station without a current probe (cycles alone, so that
many kills fall into few minutes). The daemon is started again and again and killed (SIGKILL) a random while after a random number of points since it
has opened its queues, which on a busy host as on an idle one falls anywhere in its work, until it was killed often enough; then one daemon may
finish. When a sweep is done before that, the next one is submitted with --again, so that every kill meets work. Checked for every sweep: each of its points exactly once, the database sound, and
the same cycle counts as the undisturbed sweep of another database. Ends with 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

STATION = "virtual-crash"
STATIONS = f"stations:\n  - {{name: {STATION}, board: nucleo_f446ze, virtual: true, debug_probe: virtual-nucleo_f446ze-crash}}\n"
PLAN = ["--freq", "16MHz,24MHz,32MHz,64MHz,120MHz,180MHz", "--repeats", "2", "--station", STATION]
PLAN += [part for name in ("relu", "add", "sub", "mul", "relu6", "residual_add") for part in ("--primitive", name)]
LONGEST_WHILE_S = 0.5
MISSING = "SELECT sum(points - done) FROM job_unit WHERE job_id = ?"
PER_JOB = """\
SELECT e.job_id, e.label, count(*) FROM job_event e WHERE e.kind = 'accepted' GROUP BY 1, 2"""


class Bench:
    """Commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stations.yaml").write_text(STATIONS)
        names = {"BENCH_VIRTUAL_STATE": "virtual", "BENCH_LOCKS": "locks"}
        self._environment = {**os.environ, **{name: str(folder / value) for name, value in names.items()}}
        self._environment["BENCH_CACHE"] = str(folder.parent / "cache")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "bench.cli.main", *arguments]

    def call(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed. Raises SystemExit with its messages where it fails."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"bench {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with --json."""
        rows = json.loads(self.call(*arguments, "--json"))
        assert isinstance(rows, list)
        return rows

    def daemon(self) -> subprocess.Popen[str]:
        """Start a daemon, and return when it serves."""
        process = subprocess.Popen(
            self.command("daemon", "--serve", STATION),
            cwd=self.folder, env=self._environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "serving" in line:
                return process
        sys.exit("the daemon does not start")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database itself."""
        with closing(sqlite3.connect(self.folder / "measurements.db", timeout=60)) as connection:
            return connection.execute(statement, values).fetchall()


def kill_somewhere(process: subprocess.Popen[str], points: int, seconds: float) -> None:
    """Kill the daemon ``seconds`` after it has measured ``points`` more points, or when it has nothing to do any more."""
    assert process.stderr is not None
    lines = process.stderr
    while points and "ended" not in (line := lines.readline()):
        if not line:
            sys.exit("the daemon ended by itself")
        points -= "accepted" in line
    time.sleep(seconds)
    process.kill()
    process.wait()
    lines.close()


def cycles(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str, str], float]:
    """Return the cycles of each point."""
    return {(row["primitive"], row["params"], row["dtype"], row["clock_id"]): row["cycles"] for row in rows}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=6, help="most points that a daemon lives for")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder: Path = options.folder or Path(tempfile.mkdtemp(prefix="daemon-crash-"))
    chance = random.Random(options.seed)
    calm, stormy = Bench(folder / "calm"), Bench(folder / "stormy")
    calm.call("sweep", *PLAN)
    expected = cycles(calm.rows("export"))
    print(f"undisturbed: {len(expected)} points")

    jobs = [stormy.rows("submit", *PLAN)[0]["job"]]
    begun = time.monotonic()
    for _ in range(options.kills):
        if stormy.sql(MISSING, jobs[-1])[0][0] == 0:
            jobs.append(stormy.rows("submit", *PLAN, "--again")[0]["job"])
        kill_somewhere(stormy.daemon(), chance.randint(0, options.points), chance.uniform(0.0, LONGEST_WHILE_S))
    took_s = time.monotonic() - begun
    last = stormy.daemon()
    for job in jobs:
        stormy.call("status", str(job), "--wait")
    last.send_signal(signal.SIGTERM)
    last.wait()

    wrong = []
    per_job = stormy.sql(PER_JOB)
    points = Counter(job for job, _, _ in per_job)
    wrong += [f"job {job}: {label} {times} times" for job, label, times in per_job if times != 1]
    wrong += [f"job {job}: {points[job]} points" for job in jobs if points[job] != len(expected)]
    measured = cycles(stormy.rows("export"))
    wrong += [
        f"{key}: {measured.get(key)} instead of {value}"
        for key, value in expected.items()
        if measured.get(key) != value
    ]
    stormy.call("db", "check")
    print(f"killed {options.kills} times in {took_s:.0f} s: {len(jobs)} sweeps of {len(expected)} points each")
    print("every point exactly once, database sound, cycle counts equal" if not wrong else "\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
