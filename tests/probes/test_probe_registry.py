"""Conformance of every registered probe, and the range check."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import serial

from bench.errors import (
    ConfigurationError,
    ParameterError,
    ProbeDisconnected,
    ProbeRangeError,
    UnknownName,
    UsageError,
)
from bench.probes import registry, serial_port
from bench.probes.base import CaptureRequest, CurrentProbe, check_range
from bench.probes.lpm01a import Lpm01a
from bench.probes.powershield import PowerShieldProbe
from bench.probes.ppk2 import Ppk2
from bench.probes.registry import create_probe, drivers_for, probe_by_name, probe_names
from bench.probes.serial_port import open_serial
from bench.stats.accuracy import same_limits, with_limits

SOURCES = {"constant": "12.5mA"}
"""Of drivers that connect to nothing, a URL that is right."""


@pytest.mark.parametrize("name", probe_names())
def test_every_probe_conforms(name: str) -> None:
    probe = create_probe(name, SOURCES.get(name, "/dev/null/nothing"))
    spec = probe.spec
    assert isinstance(probe, CurrentProbe)
    assert 0 < spec.min_current_a < spec.max_current_a
    assert 0 <= spec.gain_error < 1
    assert spec.offset_error_a >= 0
    assert spec.max_sample_rate_hz > 0
    assert spec.bandwidth_hz > 0
    assert 0 < spec.vdd_range_v[0] < spec.vdd_range_v[1]
    assert spec.source
    if name not in SOURCES:
        with pytest.raises(ProbeDisconnected) as caught:
            probe.open()
        assert caught.value.hint
    probe.close()
    probe.close()


def test_six_methods() -> None:
    assert len(CurrentProbe.__abstractmethods__) == 6


def test_lpm01a_is_there() -> None:
    assert probe_by_name("lpm01a") is Lpm01a
    with pytest.raises(UnknownName, match="Did you mean 'lpm01a'"):
        probe_by_name("lpm01")


def test_plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        EntryPoint("mine", "bench.probes.lpm01a:Lpm01a", registry.GROUP),
        EntryPoint("lpm01a", "nowhere:Fake", registry.GROUP),
        EntryPoint("broken", "nowhere:Fake", registry.GROUP),
        EntryPoint("other", "bench.errors:BenchError", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    assert {"broken", "lpm01a", "mine", "other", "ppk2", "stlink_v3pwr"} <= set(probe_names())
    assert probe_by_name("mine") is Lpm01a
    assert probe_by_name("lpm01a") is Lpm01a
    for name in ("broken", "other"):
        with pytest.raises(ConfigurationError, match=name):
            probe_by_name(name)


def test_a_driver_from_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves it: a module, and its metadata with the entry point."""
    (tmp_path / "my_ammeter.py").write_text(
        "from bench.probes.constant import Constant\n\n\nclass MyAmmeter(Constant):\n"
        "    @staticmethod\n    def recognises(port):\n        return port.vid == 0x1209\n"
    )
    metadata = tmp_path / "my_ammeter-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-ammeter\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[bench.probes]\nmy_ammeter = my_ammeter:MyAmmeter\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "my_ammeter" in probe_names()
    assert probe_by_name("my_ammeter").__module__ == "my_ammeter"
    assert create_probe("my_ammeter", "3mA").spec.max_current_a == 10.0
    assert drivers_for(Port(0x1209, 1)) == ["my_ammeter"]
    monkeypatch.delitem(sys.modules, "my_ammeter")


@dataclass
class Port:
    vid: int | None = None
    pid: int | None = None
    description: str | None = None
    interface: str | None = None
    device: str = "/dev/ttyACM3"


@pytest.mark.parametrize(
    ("port", "drivers"),
    [
        (Port(0x0483, 0x5740, "PowerShield (Virtual ComPort in FS Mode)"), ["lpm01a", "lpm01a_static"]),
        (Port(0x0483, 0x5740, "STM32 Virtual ComPort"), []),
        (Port(0x0483, 0x3757, "STLINK-V3PWR - ST-Link VCP-PWR Ctrl"), ["stlink_v3pwr"]),
        (Port(0x0483, 0x3757, "STLINK-V3PWR", "ST-Link VCP-PWR Ctrl"), ["stlink_v3pwr"]),
        (Port(0x0483, 0x3757, "STMicroelectronics STLink Virtual COM Port PWR (COM28)"), ["stlink_v3pwr"]),
        (Port(0x0483, 0x3757, "STMicroelectronics STLink Virtual COM Port (COM27)"), []),
        (Port(0x1915, 0xC00A, "PPK2"), ["ppk2", "ppk2_ampere"]),
        (Port(0x1915, 0xC00A), ["ppk2", "ppk2_ampere"]),
        (Port(0x1915, 0x520F, "nRF52 Dongle"), []),
        (Port(), []),
    ],
)
def test_ports_are_recognised(port: Port, drivers: list[str]) -> None:
    assert drivers_for(port) == drivers


def test_a_broken_plug_in_recognises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint("broken", "nowhere:Fake", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    assert drivers_for(Port(0x1915, 0xC00A)) == ["ppk2", "ppk2_ampere"]


def test_an_f746_at_full_speed_goes_to_larger_probes() -> None:
    with pytest.raises(ProbeRangeError) as caught:
        check_range(Lpm01a.spec, 108e-3)
    assert "STLINK-V3PWR (to 550 mA), Nordic PPK2 (to 1 A)" in caught.value.hint
    for driver in ("stlink_v3pwr", "ppk2", "ppk2_ampere"):
        check_range(probe_by_name(driver).spec, 108e-3)


def test_a_probe_is_no_alternative_to_itself() -> None:
    with pytest.raises(ProbeRangeError) as caught:
        check_range(Ppk2.spec, 0.9)  # 20 % more might flow
    assert "PPK2" not in caught.value.hint


@pytest.mark.parametrize("current_a", [100e-9, 1e-3, 49e-3])
def test_in_range(current_a: float) -> None:
    check_range(Lpm01a.spec, current_a)


@pytest.mark.parametrize(
    ("current_a", "hint"),
    [
        (49.5e-3, "X-NUCLEO-LPM01A (static mode)"),
        (49.5e-3, "STLINK-V3PWR"),
        (100e-3, "STLINK-V3PWR"),
        (0.7, "PPK2"),
        (5.0, "no known"),
        (1e-9, "lower range"),
        (float("nan"), ""),
    ],
)
def test_out_of_range_names_another_probe(current_a: float, hint: str) -> None:
    with pytest.raises(ProbeRangeError, match="X-NUCLEO-LPM01A") as caught:
        check_range(Lpm01a.spec, current_a)
    assert hint in caught.value.hint
    assert "X-NUCLEO-LPM01A (to" not in caught.value.hint


@pytest.mark.parametrize("values", [(0, 1, 1), (1, -1, 1), (1, 1, float("inf")), (float("nan"), 1, 1)])
def test_requests_are_checked_at_birth(values: tuple[float, float, float]) -> None:
    with pytest.raises(ParameterError):
        CaptureRequest(*values)


@pytest.mark.parametrize("tail_s", [-1e-6, 0.1, 1.0, float("nan")])
def test_a_tail_is_shorter_than_the_capture(tail_s: float) -> None:
    with pytest.raises(ParameterError, match="tail_s"):
        CaptureRequest(100e3, 0.1, 1.0, tail_s)


def test_urls_nobody_handles() -> None:
    with pytest.raises(ConfigurationError, match="carrier-pigeon"):
        open_serial("carrier-pigeon://x", 9600)
    with pytest.raises(ProbeDisconnected, match="cannot open"):
        open_serial("/dev/does-not-exist", 9600)


def test_url_handlers_come_from_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "protocol_handler_packages", ["serial.urlhandler"])
    entries = [EntryPoint("theirs", "some.package", serial_port.PROTOCOL_GROUP)]
    monkeypatch.setattr(serial_port, "entry_points", lambda group: entries)
    for _ in range(2):
        serial_port.register_protocols()
    # By name alone: nothing of that name could have been imported.
    assert serial.protocol_handler_packages == ["serial.urlhandler", "some.package"]


def test_stated_limits_of_error_take_the_place_of_assumed_ones() -> None:
    ranges = same_limits((1e-3, 0.1), 0.01, 5e-6)
    assert with_limits(ranges, None, None) == ranges
    assert with_limits(ranges, 0.002, None) == same_limits((1e-3, 0.1), 0.002, 5e-6)
    assert with_limits(ranges, None, 1e-6) == same_limits((1e-3, 0.1), 0.01, 1e-6)
    for driver, url in (("scpi", "TCPIP0::1.2.3.4::INSTR"), ("joulescope", "js220/1")):
        create_probe(driver, f"{url}?gain=0.05%&offset=10uA")
        for wrong in ("gain=-1%", "gain=200%", "offset=-1uA", "offset=", "gains=1%"):
            with pytest.raises(UsageError):
                create_probe(driver, f"{url}?{wrong}")


@pytest.mark.parametrize("driver", ["lpm01a", "lpm01a_static", "stlink_v3pwr"])
def test_the_sample_format_is_chosen_in_the_url(driver: str) -> None:
    binary, ascii_ = (create_probe(driver, f"virtual://b/i?seed=3&format={word}") for word in ("binary", "ascii"))
    assert isinstance(binary, PowerShieldProbe)
    assert isinstance(ascii_, PowerShieldProbe)
    assert (binary.url, ascii_.url) == ("virtual://b/i?seed=3",) * 2
    assert binary.sample_format.startswith("bin_")
    assert ascii_.sample_format == "ascii_dec"
    with pytest.raises(UnknownName, match="asci"):
        create_probe(driver, "/dev/ttyACM0?format=asci")
    with pytest.raises(ParameterError, match="twice"):
        create_probe(driver, "/dev/ttyACM0?format=ascii&format=binary")


def test_ascii_is_asked_for_no_more_than_it_keeps_up_with() -> None:
    probe = create_probe("lpm01a", "/dev/ttyACM0?format=ascii")
    assert [probe.rate_for(100e3, seconds) for seconds in (0.2, 0.8, 8.0, 20.0)] == [20e3, 10e3, 5e3, 5e3]
    assert create_probe("lpm01a", "/dev/ttyACM0").rate_for(100e3, 0.2) == 100e3
