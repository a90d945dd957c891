"""Power cycling a station: by its own command, or through the current probe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station, load_stations
from bench.domain.event import Action
from bench.errors import ConfigurationError, DebugProbeError
from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.virtual import world

BOARD = load_board("nucleo_f446ze")
DBGMCU_CR = 0xE0042004


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))


def test_the_current_probe_cuts_the_supply_and_gives_it_back() -> None:
    station = find_station(all_stations(None), "virtual-nucleo_f446ze")
    with OpenStation(station, BOARD, Settings()) as place:
        place.connect()
        board = world.peek(station.debug_probe)
        assert board is not None
        assert Action.POWER_CYCLE in place.rungs
        supplies: list[float | None] = []
        cut = board.set_supply

        def watch(volts: float | None) -> None:
            supplies.append(volts)
            cut(volts)

        board.set_supply = watch  # type: ignore[method-assign]
        place.power_cycle()
        assert [volts is None for volts in supplies] == [True, False]
        assert place.under_test.read_word(DBGMCU_CR) is not None


def test_a_stations_own_command_comes_first(tmp_path: Path) -> None:
    mark = tmp_path / "cycled"
    command = (sys.executable, "-c", f"open({str(mark)!r}, 'w').close()")
    station = replace(
        find_station(all_stations(None), "virtual-nucleo_f446ze"), power_cycle=command, current_probe=None
    )
    with OpenStation(station, BOARD, Settings()) as place:
        assert Action.POWER_CYCLE in place.rungs
        place.power_cycle()
        assert place.connected
    assert mark.exists()


def test_a_station_that_cannot_cut_its_power_has_no_such_rung() -> None:
    station = replace(find_station(all_stations(None), "virtual-nucleo_f446ze"), current_probe=None)
    assert Action.POWER_CYCLE not in OpenStation(station, BOARD, Settings()).rungs


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no such hub')"), "ended with 1"),
        (("/nonexistent/uhubctl",), "No such file"),
    ],
    ids=["fails", "missing"],
)
def test_a_command_that_fails_is_said(command: tuple[str, ...], words: str) -> None:
    station = replace(
        find_station(all_stations(None), "virtual-nucleo_f446ze"), power_cycle=command, current_probe=None
    )
    with OpenStation(station, BOARD, Settings()) as place, pytest.raises(DebugProbeError, match=words):
        place.power_cycle()


def test_the_station_file_names_the_command(tmp_path: Path) -> None:
    path = tmp_path / "stations.yaml"
    text = "stations:\n  - name: desk\n    board: nucleo_f446ze\n    debug_probe: P123\n    power_cycle: uhubctl -l '1-1 x' -a cycle\n"
    path.write_text(text)
    assert load_stations(path)["desk"].power_cycle == ("uhubctl", "-l", "1-1 x", "-a", "cycle")
    path.write_text(text.replace("x'", "x"))
    with pytest.raises(ConfigurationError, match="not a command"):
        load_stations(path)
