"""A sweep that is killed at random instants, and continued: afterwards every point exactly once, and the table as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable

from tests.end_to_end.conftest import Workplace

SEED = 20
KILLS = 3
SWEEP = (
    "sweep", "--primitive", "relu", "--param", "n=16,32", "--dtype", "int8", "--freq", "16MHz,48MHz",
    "--window", "2ms", "--repeats", "2",
)  # fmt: skip
POINTS = 4
MEASURED_NOISE = {
    "sysclk_measured_hz", "vdd_v", "latency_s", "latency_u95_s", "latency_per_application_s", "current_a", "idle_current_a", "power_w",
    "energy_j", "energy_u95_j", "energy_per_application_j", "measured_at",
}  # fmt: skip


def kill_somewhere(place: Workplace, chance: random.Random) -> None:
    """Start the sweep and kill it, with all that it started, a random while after a random line of its log."""
    with subprocess.Popen(
        place.command(SWEEP), cwd=place.folder, env=place.environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for _ in range(chance.randrange(8)):
            process.stderr.readline()
        try:
            process.wait(chance.uniform(0.0, 0.3))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def test_killed_at_random_it_ends_complete(new_workplace: Callable[[], Workplace]) -> None:
    undisturbed, place, chance = new_workplace(), new_workplace(), random.Random(SEED)
    whole = undisturbed.bench(*SWEEP, "--json")
    assert whole.code == 0, whole.err
    for _ in range(KILLS):
        kill_somewhere(place, chance)
    rest = place.bench(*SWEEP, "--json")
    assert rest.code == 0, rest.err
    check = place.bench("db", "check")
    assert check.code == 0, check.out
    with sqlite3.connect(place.folder / "measurements.db") as connection:
        counts = connection.execute(
            "select verdict, count(*) from run where not sentinel group by point_id, verdict"
        ).fetchall()
    assert counts == [("accepted", 1)] * POINTS

    def deterministic(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{name: value for name, value in row.items() if name not in MEASURED_NOISE} for row in rows]

    assert len(whole.rows()) == POINTS
    key = str
    assert sorted(deterministic(rest.rows()), key=key) == sorted(deterministic(whole.rows()), key=key)


def test_a_flash_whose_programming_was_cut_short_is_programmed_anew(new_workplace: Callable[[], Workplace]) -> None:
    """Such an image boots into a fault within a fault, before the debugger comes."""
    place = new_workplace()
    once = ("run", "--primitive", "relu", "--param", "n=16", "--freq", "16MHz", "--window", "2ms", "--repeats", "2")
    whole = place.bench(*once, "--json")
    assert whole.code == 0, whole.err
    (flash,) = (place.folder / "virtual").glob("*.flash")
    data = bytearray(flash.read_bytes())
    cut = 1024  # behind the vectors, amid the code
    data[cut:] = b"\xff" * (len(data) - cut)
    flash.write_bytes(data)
    again = place.bench(*once, "--json")
    assert again.code == 0, again.err
    assert [row["cycles"] for row in again.rows()] == [row["cycles"] for row in whole.rows()]
    assert "locked up" not in again.err
