"""One process at a time measures on a station."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.stations import all_stations
from bench.domain.station import Source
from bench.errors import ConfigurationError, StationBusy
from bench.sweep.station_lock import LOCKS_VARIABLE, lock_path, station_lock

STATIONS = all_stations(None)
PLACE, OTHER = STATIONS["virtual-nucleo_f446ze"], STATIONS["virtual-nucleo_l496zg"]
HOLD = """
import sys
from bench.boards.stations import all_stations
from bench.sweep.station_lock import station_lock
with station_lock(all_stations(None)["virtual-nucleo_f446ze"]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_another_process_is_named_and_its_death_frees_the_station() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, "a sweep"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StationBusy, match=f"in use by process {holder.pid} .*a sweep.* since"), station_lock(PLACE):
            pass
        with station_lock(OTHER):
            pass
        holder.kill()
        holder.wait()
    with station_lock(PLACE):
        pass


def test_within_a_process_it_may_be_held_several_times_over() -> None:
    with station_lock(PLACE) as outer:
        with station_lock(PLACE) as inner:
            assert inner == outer
        again = subprocess.run([sys.executable, "-c", HOLD], input="", capture_output=True, text=True, check=False)
        assert "StationBusy" in again.stderr
    assert (
        subprocess.run([sys.executable, "-c", HOLD], input="", capture_output=True, text=True, check=False).stdout
        == "held\n"
    )


def test_a_hardware_station_is_its_debug_probe_a_virtual_one_its_folder_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = replace(PLACE, name="desk", source=Source.HARDWARE, debug_probe="066B/FF51")
    assert lock_path(real) == lock_path(replace(real, name="bench")) != lock_path(replace(real, debug_probe="0671"))
    assert lock_path(real).name == "066B_FF51.lock"
    before = lock_path(PLACE), lock_path(real)
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path))
    assert lock_path(PLACE) != before[0]
    assert lock_path(real) == before[1]


def test_a_lock_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "file" / "locks"))
    with pytest.raises(ConfigurationError, match="cannot lock station virtual-nucleo_f446ze"), station_lock(PLACE):
        pass
