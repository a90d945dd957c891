"""What is connected, and the stations file that follows from it: fakes of the listings, and a virtual board for the way through pyOCD."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pyocd.board.board_ids import BoardInfo
from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.probe.debug_probe import DebugProbe
from serial.tools import list_ports

from bench.boards import load_board
from bench.boards.stations import load_stations
from bench.cli import detect as cli_detect
from bench.cli.catalogue import stations
from bench.cli.detect import stations_yaml
from bench.probes import joulescope
from bench.probes.connected import FoundProbe, connected_current_probes, serial_probes
from bench.target.detect import DetectedBoard, detected_boards

F446 = DetectedBoard("066BFF515049657187203642", "NUCLEO-F446ZE", "nucleo_f446ze", "0037002b3438510d34313939")
TWIN = replace(F446, debug_probe="066BFF515049657187203999", mcu_unique_id="0037002b3438510d34313940")
NEAR_TWIN = replace(F446, debug_probe="0770FF515049657187203642", mcu_unique_id="0037002b3438510d34313941")
UNKNOWN = DetectedBoard("E0123", "CMSIS-DAP", None, None, "no described board has device id 0x413")
DARK = replace(F446, mcu_unique_id=None, remark="does not connect (no\nACK): is the board supplied?")
LPM01A = FoundProbe(
    ("lpm01a",), "/dev/serial/by-id/usb-STM_PowerShield-if00", "PowerShield (Virtual ComPort in FS Mode)"
)
PPK2 = FoundProbe(("ppk2", "ppk2_ampere"), "/dev/ttyACM3", "PPK2", "C9F5")


def written(tmp_path: Path, boards: list[DetectedBoard], probes: list[FoundProbe]) -> tuple[Path, str]:
    text = stations_yaml(boards, probes)
    path = tmp_path / "stations.yaml"
    path.write_text(text, encoding="utf-8")
    return path, text


def test_one_of_each_is_a_station(tmp_path: Path) -> None:
    path, _ = written(tmp_path, [F446], [LPM01A])
    (station,) = load_stations(path).values()
    assert (station.name, station.board, station.product) == ("nucleo_f446ze", "nucleo_f446ze", "NUCLEO-F446ZE")
    assert (station.debug_probe, station.mcu_unique_id) == (F446.debug_probe, F446.mcu_unique_id)
    assert station.current_probe is not None
    assert (station.current_probe.driver, station.current_probe.url) == ("lpm01a", LPM01A.url)


def test_equal_boards_stay_apart(tmp_path: Path) -> None:
    path, text = written(tmp_path, [F446, TWIN, NEAR_TWIN], [LPM01A, PPK2])
    found = load_stations(path)
    assert {name: station.debug_probe for name, station in found.items()} == {
        "nucleo_f446ze-6bff515049657187203642": F446.debug_probe,
        "nucleo_f446ze-3999": TWIN.debug_probe,
        "nucleo_f446ze-70ff515049657187203642": NEAR_TWIN.debug_probe,
    }
    assert len({station.mcu_unique_id for station in found.values()}) == 3
    # Which probe supplies which board nobody can see.
    assert all(station.current_probe is None for station in found.values())
    assert f'#     current_probe: {{driver: ppk2, url: "{PPK2.url}"}}  # PPK2; or ppk2_ampere' in text


def test_one_cable_for_both_is_no_doubt(tmp_path: Path) -> None:
    probe = FoundProbe(("stlink_v3pwr",), "/dev/ttyACM1", "ST-Link VCP-PWR Ctrl", TWIN.debug_probe.lower())
    path, _ = written(tmp_path, [F446, TWIN], [LPM01A, probe])
    drivers = {
        station.debug_probe: station.current_probe.driver if station.current_probe else None
        for station in load_stations(path).values()
    }
    assert drivers == {F446.debug_probe: "lpm01a", TWIN.debug_probe: "stlink_v3pwr"}


@pytest.mark.parametrize(
    ("boards", "probes", "words"),
    [
        ([], [], "A station looks like this"),
        ([UNKNOWN], [], "# debug probe E0123 (CMSIS-DAP): no described board"),
        ([], [LPM01A], f'#     current_probe: {{driver: lpm01a, url: "{LPM01A.url}"}}'),
    ],
)
def test_nothing_to_measure_is_a_valid_file(
    tmp_path: Path, boards: list[DetectedBoard], probes: list[FoundProbe], words: str
) -> None:
    path, text = written(tmp_path, boards, probes)
    assert load_stations(path) == {}
    assert words in text


def test_the_example_in_the_comment_is_a_station(tmp_path: Path) -> None:
    path = tmp_path / "stations.yaml"
    path.write_text("".join(line.removeprefix("# ") + "\n" for line in cli_detect._EXAMPLE.splitlines()))
    assert list(load_stations(path)) == ["desk"]


def test_a_board_without_supply_is_known_by_its_code(tmp_path: Path) -> None:
    path, text = written(tmp_path, [DARK], [])
    (station,) = load_stations(path).values()
    assert station.mcu_unique_id is None
    assert "    # does not connect (no ACK): is the board supplied?\n" in text


@pytest.mark.parametrize("odd", ['"', "\\", "12345678", "0x10", "a: b", "- #", "yes", "\u00e9", "\u2028x"])
def test_odd_names_stay_texts(tmp_path: Path, odd: str) -> None:
    path, _ = written(
        tmp_path, [replace(F446, debug_probe=odd, product=odd)], [replace(PPK2, url=odd, description=odd)]
    )
    (station,) = load_stations(path).values()
    assert (station.debug_probe, station.product) == (odd, odd)
    assert station.current_probe is not None
    assert station.current_probe.url == odd


@dataclass
class Port:
    device: str
    vid: int | None = None
    pid: int | None = None
    description: str | None = None
    interface: str | None = None
    serial_number: str | None = None


def test_serial_ports(tmp_path: Path) -> None:
    devices = [tmp_path / f"ttyACM{number}" for number in range(5)]
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    for device in devices:
        device.touch()
    (by_id / "usb-PowerShield-if00").symlink_to(devices[1])
    found = serial_probes(
        [
            Port(str(devices[4]), 0x1915, 0xC00A, "PPK2", None, "B"),
            Port(str(devices[1]), 0x0483, 0x5740, "PowerShield (Virtual ComPort in FS Mode)", None, "P"),
            Port(str(devices[0]), 0x0483, 0x374B, "STM32 STLink", None, "066B"),
            Port(str(devices[3]), 0x1915, 0xC00A, "PPK2", None, "A"),
            Port(str(devices[2]), 0x1915, 0xC00A, "PPK2", None, "A"),
        ],
        by_id,
    )
    assert [(probe.drivers[0], probe.url, probe.serial) for probe in found] == [
        ("lpm01a", str(by_id / "usb-PowerShield-if00"), "P"),
        ("ppk2", str(devices[2]), "A"),
        ("ppk2", str(devices[4]), "B"),
    ]
    assert serial_probes([Port("/dev/ttyS0")], tmp_path / "none") == []


class FakeJoulescopes:
    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def device_paths(self) -> list[str]:
        return self.paths

    def finalize(self) -> None:
        pass


def test_joulescopes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setattr(joulescope, "host_driver", lambda: FakeJoulescopes(["u/js220/001234", "u/js320/1", "odd"]))
    assert connected_current_probes() == [FoundProbe(("joulescope",), "js220/001234", "Joulescope JS220")]


def listed(monkeypatch: pytest.MonkeyPatch, keep: Callable[[DebugProbe], bool]) -> None:
    """Let pyOCD list only some of the connected probes."""
    whole = ConnectHelper.get_all_connected_probes

    def some(*arguments: object, **options: object) -> list[DebugProbe]:
        return [probe for probe in whole(*arguments, **options) if keep(probe)]

    monkeypatch.setattr(ConnectHelper, "get_all_connected_probes", some)


def test_a_virtual_board_through_pyocd(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, lambda probe: bool(probe.unique_id == "virtual-nucleo_f446ze"))
    board = load_board("nucleo_f446ze")
    others = [load_board("nucleo_l496zg"), board]
    (found,) = detected_boards(others, virtual=True)
    assert (found.board, found.product, found.remark) == ("nucleo_f446ze", "NUCLEO-F446ZE", "")
    assert len(found.mcu_unique_id or "") == 24
    # Without its description the board is named, but is no station.
    (found,) = detected_boards(others[:1], virtual=True)
    assert (found.board, found.remark) == (None, "no described board has device id 0x421")
    # Another product with the same microcontroller is not taken for this one; without a code it is, with a remark.
    probe_class = type(ConnectHelper.get_all_connected_probes(blocking=False)[0])
    info = probe_class.associated_board_info.fget

    renamed = BoardInfo(name="NUCLEO-F446RE", target="stm32f446retx")
    monkeypatch.setattr(probe_class, "associated_board_info", property(lambda self: renamed))
    (found,) = detected_boards(others, virtual=True)
    assert (found.board, found.product) == (None, "NUCLEO-F446RE")
    assert "has the microcontroller of NUCLEO-F446ZE" in found.remark
    monkeypatch.setattr(probe_class, "associated_board_info", property(lambda self: None))
    (found,) = detected_boards(others, virtual=True)
    assert (found.board, found.remark) == ("nucleo_f446ze", "by its microcontroller: check that it is a NUCLEO-F446ZE")

    # No supply: the code is all there is.
    def dead(self: DebugProbe, *arguments: object) -> None:
        raise exceptions.TransferFaultError("no ACK")

    monkeypatch.setattr(probe_class, "associated_board_info", property(info))
    monkeypatch.setattr(probe_class, "connect", dead)
    (found,) = detected_boards(others, virtual=True)
    assert (found.board, found.mcu_unique_id) == ("nucleo_f446ze", None)
    assert "is the board supplied?" in found.remark


def test_virtual_boards_are_not_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, lambda probe: bool(probe.unique_id.startswith("virtual-")))
    assert detected_boards([load_board("nucleo_f446ze")]) == []


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(cli_detect, "detected_boards", lambda boards: [F446, UNKNOWN])
    monkeypatch.setattr(cli_detect, "connected_current_probes", lambda: [LPM01A])
    emptied = tmp_path / "stations.yaml"
    emptied.touch()  # as `> stations.yaml` does before the command runs
    assert stations(detect=True, stations=emptied) == 0
    printed = capsys.readouterr()
    emptied.write_text(printed.out, encoding="utf-8")
    assert list(load_stations(emptied)) == ["nucleo_f446ze"]
    assert "E0123" in printed.err
    assert stations(detect=True, as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["board"] for row in rows] == ["nucleo_f446ze", None]
    assert rows[0]["current_probe"] == {"driver": "lpm01a", "url": LPM01A.url}


def test_the_command_with_nothing_connected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_detect, "detected_boards", lambda boards: [])
    monkeypatch.setattr(cli_detect, "connected_current_probes", list)
    assert stations(detect=True) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1] == "stations: []"
    assert "no debug probe is connected" in printed.err
