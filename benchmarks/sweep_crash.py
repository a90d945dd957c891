"""Kills a sweep at random instants, many times over, and looks what is left: every point exactly once, the database whole, the table the same.

A plan is swept once undisturbed. In another folder it is started again and again, and killed (SIGKILL, with all that it started) after a random
time, until it was killed so many times; whenever it completes before, its database is checked and the next round begins with an empty one. Then it
is finished, checked and compared with the undisturbed table, in all columns that are not measured with noise.

    python benchmarks/sweep_crash.py [--kills 100] [--seed 1]
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
from pathlib import Path

SWEEP = [
    sys.executable, "-m", "bench.cli.main", "sweep", "--primitive", "relu", "--primitive", "conv2d", "--param", "in_h=8",
    "--param", "in_w=8", "--param", "n=16,32,64", "--dtype", "int8", "--freq", "16MHz,48MHz,80MHz,180MHz", "--window", "2ms", "--repeats", "2",
]  # fmt: skip
LONGEST_S = 15.0
NOISY = {
    "sysclk_measured_hz", "vdd_v", "latency_s", "latency_u95_s", "latency_per_application_s", "current_a", "idle_current_a", "power_w",
    "energy_j", "energy_u95_j", "energy_per_application_j", "measured_at",
}  # fmt: skip


class Folder:
    """Where one series of sweeps measures."""

    def __init__(self, path: Path, cache: Path) -> None:
        path.mkdir()
        self.path = path
        self.environment = {
            **os.environ,
            "BENCH_VIRTUAL_STATE": str(path / "virtual"),
            "BENCH_CACHE": str(cache),
            "BENCH_DB": str(path / "m.db"),
        }

    def finish(self) -> list[dict[str, object]]:
        """Sweep to the end, check the database, and return the table without its noisy columns."""
        done = subprocess.run(
            [*SWEEP, "--json"], cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"the sweep failed ({done.returncode}):\n{done.stderr[-3000:]}")
        subprocess.run(
            [*SWEEP[:3], "db", "check"], cwd=self.path, env=self.environment, check=True, capture_output=True
        )
        rows = [{name: value for name, value in row.items() if name not in NOISY} for row in json.loads(done.stdout)]
        with sqlite3.connect(self.path / "m.db") as connection:
            counts = connection.execute(
                "select verdict, count(*) from run where not sentinel group by point_id, verdict"
            ).fetchall()
        if counts != [("accepted", 1)] * len(rows):
            sys.exit(f"not every point is there exactly once: {counts}")
        return sorted(rows, key=str)

    def kill_after(self, seconds: float) -> bool:
        """Start the sweep and kill it after ``seconds``; return whether it was still running."""
        with subprocess.Popen(
            SWEEP,
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return True
        return False


def main() -> None:
    """Print what was found; exit with 1 at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        undisturbed = Folder(root / "undisturbed", root / "cache").finish()
        kills, rounds, folder = 0, 1, Folder(root / "round1", root / "cache")
        while kills < options.kills:
            if folder.kill_after(chance.uniform(0.0, LONGEST_S)):
                kills += 1
                continue
            if folder.finish() != undisturbed:
                sys.exit(f"round {rounds}: the table differs from the undisturbed one")
            rounds += 1
            folder = Folder(root / f"round{rounds}", root / "cache")
        if folder.finish() != undisturbed:
            sys.exit(f"round {rounds}: the table differs from the undisturbed one")
    print(
        f"{kills} kills in {rounds} rounds of {len(undisturbed)} points: every point exactly once, databases whole, tables equal"
    )


if __name__ == "__main__":
    main()
