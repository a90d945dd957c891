"""Station files: what they may say, and that hardware and virtual parts are never mixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards import board_names
from bench.boards.stations import (
    all_stations,
    default_station,
    find_station,
    load_stations,
    stations_path,
    virtual_stations,
)
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.errors import ConfigurationError, UnknownName

DESK = """\
stations:
  - name: desk
    board: nucleo_f446ze
    debug_probe: 066BFF515049657187203642
    mcu_unique_id: 0037002B3438510D34313939
    current_probe:
      driver: lpm01a
      url: /dev/ttyACM1
    vdd: 3.0 V
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stations.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_hardware_station(tmp_path: Path) -> None:
    assert load_stations(write(tmp_path, DESK)) == {
        "desk": Station(
            name="desk",
            board="nucleo_f446ze",
            source=Source.HARDWARE,
            debug_probe="066BFF515049657187203642",
            current_probe=CurrentProbeConfig("lpm01a", "/dev/ttyACM1"),
            mcu_unique_id="0037002b3438510d34313939",
            vdd_v=3.0,
        )
    }


def test_what_is_for_people(tmp_path: Path) -> None:
    text = DESK.replace(
        "    vdd:",
        "    product: NUCLEO-F446ZE\n    serial: /dev/ttyACM0\n    fixtures: [climate_chamber, usb_hub]\n    vdd:",
    )
    desk = load_stations(write(tmp_path, text))["desk"]
    assert (desk.product, desk.serial) == ("NUCLEO-F446ZE", "/dev/ttyACM0")
    assert desk.fixtures == ("climate_chamber", "usb_hub")


def test_sources_that_are_wired_to_nothing_fit_any_station(tmp_path: Path) -> None:
    text = """\
stations:
  - {name: a, board: nucleo_f446ze, debug_probe: A0, current_probe: {driver: constant, url: 12.5mA}}
  - {name: b, board: nucleo_f446ze, debug_probe: B0, current_probe: {driver: constant, url: 12.5mA}}
  - {name: virtual-c, board: nucleo_f446ze, virtual: true, current_probe: {driver: csv, url: trace.csv}}
"""
    found = load_stations(write(tmp_path, text))
    assert [station.current_probe and station.current_probe.url for station in found.values()] == [
        "12.5mA",
        "12.5mA",
        "trace.csv",
    ]


def test_least_station(tmp_path: Path) -> None:
    path = write(tmp_path, "stations:\n  - {name: bare, board: nucleo_f446ze, debug_probe: ABC}\n")
    bare = load_stations(path)["bare"]
    assert (bare.current_probe, bare.mcu_unique_id, bare.vdd_v) == (None, None, 3.3)


def test_virtual_stations() -> None:
    stations = virtual_stations()
    assert [station.board for station in stations.values()] == board_names()
    assert stations["virtual-nucleo_f446ze"] == Station(
        name="virtual-nucleo_f446ze",
        board="nucleo_f446ze",
        source=Source.VIRTUAL,
        debug_probe="virtual-nucleo_f446ze",
        current_probe=CurrentProbeConfig("stlink_v3pwr", "virtual://virtual-nucleo_f446ze/stlink_v3pwr"),
        vdd_v=3.3,
    )


def test_hardware_is_the_default_where_there_is_some(tmp_path: Path) -> None:
    stations = all_stations(write(tmp_path, DESK))
    assert next(iter(stations)) == "desk"
    assert default_station(stations).name == find_station(stations).name == "desk"
    assert default_station(all_stations()).name == "virtual-nucleo_f446ze"


def test_no_stations_configured(tmp_path: Path) -> None:
    path = write(tmp_path, "stations: []\n")
    assert load_stations(path) == {}
    assert default_station(all_stations(path)).source is Source.VIRTUAL


def test_unknown_station_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'virtual-nucleo_f446ze'"):
        find_station(all_stations(), "virtual-nucleo_f446re")


def test_configured_virtual_station_replaces_the_built_in_one(tmp_path: Path) -> None:
    text = """\
stations:
  - name: virtual-nucleo_f446ze
    board: nucleo_f446ze
    virtual: true
    current_probe: {driver: lpm01a, url: "virtual://virtual-nucleo_f446ze/lpm01a?seed=7"}
  - name: virtual-cold
    board: nucleo_f446ze
    virtual: true
    debug_probe: virtual-cold
"""
    stations = all_stations(write(tmp_path, text))
    seeded, cold = stations["virtual-nucleo_f446ze"], stations["virtual-cold"]
    assert seeded.source is cold.source is Source.VIRTUAL
    assert seeded.debug_probe == "virtual-nucleo_f446ze"
    assert seeded.current_probe is not None
    assert seeded.current_probe.url.endswith("?seed=7")
    assert (cold.debug_probe, cold.current_probe) == ("virtual-cold", None)
    assert len(stations) == len(board_names()) + 1


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("name: desk", "name: virtual-desk", 2, "names that start with 'virtual-' are for virtual stations"),
        ("vdd: 3.0 V", "virtual: true", 2, "a virtual station's name starts with 'virtual-'"),
        (
            "debug_probe: 066BFF515049657187203642",
            "debug_probe: virtual-nucleo_f446ze",
            4,
            "does not fit a hardware station",
        ),
        ("url: /dev/ttyACM1", "url: virtual://virtual-nucleo_f446ze/lpm01a", 8, "does not fit a hardware station"),
        ("board: nucleo_f446ze", "board: nucleo_f446re", 3, "Did you mean 'nucleo_f446ze'?"),
        ("vdd: 3.0 V", "vdd: 5 V", 9, "vdd 5 V is not within 1.7 .. 3.6 V"),
        ("vdd: 3.0 V", "vdd: 3.0", 9, "stations[0].vdd = 3.0: expected a quantity with its unit"),
        ("vdd: 3.0 V", "vddd: 3.0 V", 9, "unknown key stations[0].vddd, did you mean vdd?"),
        ("driver: lpm01a", "drive: lpm01a", 7, "unknown key stations[0].current_probe.drive, did you mean driver?"),
        ("name: desk", "name: my desk", 2, "stations[0].name = 'my desk'"),
        ("0037002B3438510D34313939", "0037", 5, "stations[0].mcu_unique_id"),
        ("0037002B3438510D34313939", "'0037'", 5, "stations[0].mcu_unique_id = '0037'"),
        ("066BFF515049657187203642", "0667", 4, "stations[0].debug_probe = 667 is not a text"),
        ("066BFF515049657187203642", "066E55", 4, "is not a text"),
        ("    debug_probe: 066BFF515049657187203642\n", "", 2, "debug_probe is missing"),
        ("    board: nucleo_f446ze\n", "", 2, "stations[0].board is missing"),
        ("stations:\n", "station:\n", 1, "unknown key station, did you mean stations?"),
        ("  - name: desk\n", "  - desk\n  - name: desk\n", 2, "stations[0]"),
        (DESK, "stations: desk\n", 1, "stations = 'desk'"),
        (DESK, "", 1, "the file is empty"),
        (DESK, "stations: [\n", 2, "not YAML"),
        (DESK, DESK + DESK.removeprefix("stations:\n"), 10, "station desk is there twice"),
    ],
)
def test_bad_station_file(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    assert DESK.count(old) == 1
    path = write(tmp_path, DESK.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_stations(path)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert complaint in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("probe", "url", "line", "complaint"),
    [
        ("066BFF515049657187203642", "/dev/ttyACM9", 12, "debug_probe 066BFF515049657187203642 is also station desk's"),
        ("ABC", "/dev/ttyACM1", 13, "current probe /dev/ttyACM1 is also station desk's"),
    ],
)
def test_two_hardware_stations_share_nothing(tmp_path: Path, probe: str, url: str, line: int, complaint: str) -> None:
    other = f"""\
  - name: other
    board: nucleo_f446ze
    debug_probe: {probe}
    current_probe: {{driver: lpm01a, url: {url}}}
"""
    path = write(tmp_path, DESK + other)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        load_stations(path)
    assert f":{line}: " in caught.value.message


def test_virtual_station_with_hardware_parts(tmp_path: Path) -> None:
    for part in ("debug_probe: ABC", "current_probe: {driver: lpm01a, url: /dev/ttyACM1}"):
        text = f"stations:\n  - name: virtual-x\n    board: nucleo_f446ze\n    virtual: true\n    {part}\n"
        with pytest.raises(ConfigurationError, match=r":5: .*does not fit a virtual station"):
            load_stations(write(tmp_path, text))


def test_which_station_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_STATIONS", raising=False)
    assert stations_path() is None
    path = write(tmp_path, DESK)
    assert stations_path() == Path("stations.yaml")
    monkeypatch.setenv("BENCH_STATIONS", str(tmp_path / "rack.yaml"))
    assert stations_path(str(path)) == path
    with pytest.raises(ConfigurationError, match=r"there is no station file .*rack\.yaml"):
        stations_path()
