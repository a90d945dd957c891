"""``bench doctor --station``: the checklist of a first measurement names the first part that is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.stations import all_stations, find_station
from bench.cli.station_checks import Finding, checklist
from bench.domain.station import CurrentProbeConfig, Station


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "doctor-cache"))


def station(fault: str = "") -> Station:
    found = find_station(all_stations(None), "virtual-nucleo_f446ze")
    return replace(
        found, current_probe=CurrentProbeConfig("lpm01a", f"virtual://{found.debug_probe}/lpm01a?seed=3{fault}")
    )


def walked(place: Station) -> tuple[list[str], Finding]:
    """Return the checks by name, and the last finding."""
    found = list(checklist(place))
    assert all(finding.ok for finding in found[:-1])
    return [finding.what.partition(", ")[2] for finding in found], found[-1]


def test_a_sound_station_passes_every_check() -> None:
    names, last = walked(station())
    assert last.ok
    assert names == [
        "current probe", "supply", "microcontroller", "flash", "programming", "start", "cycles", "trigger wire",
        "supply voltage", "current", "first measurement",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "name", "text"),
    [
        (station("&fault=silent"), "current probe", "sent nothing"),
        (replace(station(), mcu_unique_id="00" * 12), "microcontroller", "unique id"),
        (replace(station(), debug_probe="virtual-nothing"), "debug probe", "not connected"),
        (station("&fault=no_trigger"), "trigger wire", "no rising edge"),
        (station("&fault=lost_samples"), "current", "samples lost"),
    ],
    ids=["silent probe", "other chip", "no debug probe", "no trigger wire", "samples lost"],
)
def test_the_first_thing_that_is_wrong_is_named_with_what_mends_it(place: Station, name: str, text: str) -> None:
    names, last = walked(place)
    assert not last.ok
    assert names[-1] == name
    assert text in last.text
    assert last.mend


def test_without_a_current_probe_only_cycles_are_checked() -> None:
    names, last = walked(replace(station(), current_probe=None))
    assert last.ok
    assert names[-1] == "cycles"
