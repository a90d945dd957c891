"""The Joulescope driver against a fake of its host driver's topics: what it sets, what it makes of the streams, and of what goes wrong."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from bench.errors import (
    BenchError,
    ConfigurationError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes import joulescope
from bench.probes.base import CaptureRequest
from bench.probes.joulescope import Joulescope
from tests.probes.joulescope_fake import JS110, JS220, FakeDriver, message, recording

REQUEST = CaptureRequest(100e3, 0.03, 0.5)
Messages = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence costs real time."""
    monkeypatch.setattr(joulescope, "_STALL_TIMEOUT_S", 0.02)


def opened(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, url: str = "001234") -> Joulescope:
    monkeypatch.setattr(joulescope, "host_driver", lambda: driver)
    probe = Joulescope(url)
    probe.open()
    return probe


def armed(monkeypatch: pytest.MonkeyPatch, messages: Messages, request: CaptureRequest = REQUEST) -> Joulescope:
    probe = opened(monkeypatch, FakeDriver([JS220], iter(messages)))
    probe.power_on(3.3)
    probe.arm(request)
    return probe


def test_a_whole_session(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver([JS220], iter(recording()))
    probe = opened(monkeypatch, driver)
    assert driver.opened == [(JS220, "restore")]
    assert driver.published == [], "opening changes nothing"
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    probe.close()
    assert driver.published == [
        ("s/i/range/mode", "auto"),
        ("s/v/range/select", "15 V"),
        *((f"s/{each}/ctrl", 0) for each in ("i", "v", "gpi/0")),
        ("h/fs", 1_000_000),
        *((f"s/{each}/ctrl", 1) for each in ("i", "v", "gpi/0")),
        *((f"s/{each}/ctrl", 0) for each in ("i", "v", "gpi/0")),
        ("s/i/range/mode", "off"),
        *((f"s/{each}/ctrl", 0) for each in ("i", "v", "gpi/0")),
    ]
    assert driver.closed
    assert driver.finalized
    assert capture.current_a.shape == (3000,)
    assert capture.current_a[:2000] == pytest.approx(np.full(2000, 30e-3), rel=1e-3)
    assert capture.current_a[2000:] == pytest.approx(np.full(1000, 5e-3), rel=1e-2)
    assert capture.trigger_fall_s == pytest.approx(20e-3, abs=1e-9)
    assert capture.trigger_resolution_s == pytest.approx(1e-6)
    assert capture.vdd_v == pytest.approx(3.29)
    assert capture.vdd_measured


def test_a_js110_has_topics_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver([JS110], iter(recording(model="js110", after=50_000)))
    probe = opened(monkeypatch, driver, "js110/000042")
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    assert ("s/i/range/select", "auto") in driver.published
    assert ("h/fs", 2_000_000) in driver.published
    assert probe.spec.model == "Joulescope JS110"
    assert capture.trigger_fall_s == pytest.approx(10e-3, abs=1e-9)
    assert capture.trigger_resolution_s == pytest.approx(0.5e-6)


@pytest.mark.parametrize("block", [512, 1000, 4093, 100_000])
def test_portions_do_not_matter(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """4093 is no whole number of bytes: the last one is padded, and the next message tells by how much."""
    wanted = armed(monkeypatch, recording()).collect()
    found = armed(monkeypatch, recording(block=block)).collect()
    assert np.array_equal(found.current_a, wanted.current_a)
    assert found.trigger_fall_s == wanted.trigger_fall_s


def test_a_long_wait_for_the_trigger_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = armed(monkeypatch, recording(before=400_000)).collect()
    assert capture.trigger_fall_s == pytest.approx(20e-3, abs=1e-9)


def without(messages: Messages, index: int) -> Messages:
    return messages[:index] + messages[index + 1 :]


def changed(index: int, **fields: Any) -> Messages:
    messages = recording()
    name, value = messages[index]
    messages[index] = (name, value | fields)
    return messages


def nan(index: int) -> Messages:
    messages = recording()
    messages[index][1]["data"][17] = np.nan
    return messages


@pytest.mark.parametrize(
    ("messages", "error", "words"),
    [
        (without(recording(), 9), SamplesLost, "about 4096 samples of the current"),
        (without(recording(), 10), SamplesLost, "about 4096 samples of the voltage"),
        (without(recording(), 11), SamplesLost, "about 4096 samples of the trigger input"),
        (nan(9), SamplesLost, "1 of 30000 samples of the current are missing"),
        (recording()[:18], ProbeTimeout, "sent nothing"),
        ([], ProbeTimeout, "sent nothing"),
        (recording(high=0), ProbeTimeout, "sent nothing"),
        (recording(before=2_000_000, high=0, block=65536), ProbeTimeout, "did not rise"),
        (recording(before=0, high=2_000_000, block=65536), ProbeTimeout, "was high all the time"),
        (recording(high=60_000), ProbeTimeout, "did not fall"),
        (recording(active_a=3.1), ProbeSaturated, "beyond 3 A"),
        ([*recording()[:18], ("@/!remove", JS220)], ProbeDisconnected, "unplugged"),
        (changed(9, sample_id=0), ProbeProtocolError, "comes again"),
        (changed(9, sample_id=-4), ProbeProtocolError, "sample_id is -4"),
        (changed(9, sample_id=12289), ProbeProtocolError, "no multiple"),
        (changed(9, sample_id=None), ProbeProtocolError, "sample_id is None"),
        (changed(9, decimate_factor=0), ProbeProtocolError, "decimate_factor is 0"),
        (changed(9, decimate_factor=4, sample_id=26576), ProbeProtocolError, "rate changed"),
        (changed(9, data=None), ProbeProtocolError, "no float32 samples"),
        (changed(9, data=np.zeros(10)), ProbeProtocolError, "no float32 samples"),
        ([("s/i", 7)], ProbeProtocolError, "not a mapping"),
    ],
)
def test_what_is_no_capture(
    monkeypatch: pytest.MonkeyPatch, messages: Messages, error: type[CurrentProbeError], words: str
) -> None:
    probe = armed(monkeypatch, messages)
    with pytest.raises(error, match=words):
        probe.collect()
    probe.close()


def test_a_trigger_that_bounces(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = recording()
    levels = np.unpackbits(messages[14][1]["data"], bitorder="little")
    levels[100:103] ^= 1
    messages[14][1]["data"] = np.packbits(levels, bitorder="little")
    with pytest.raises(ProbeProtocolError, match="changed 3 times"):
        armed(monkeypatch, messages).collect()


def test_no_supply(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = recording()
    for name, value in messages:
        if name == "s/v":
            value["data"][:] = 0.01
    with pytest.raises(CurrentProbeError, match="10 mV at the target"):
        armed(monkeypatch, messages).collect()


def test_another_instrument_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: Messages = [("@/!remove", JS110), *recording()]  # type: ignore[list-item]
    assert armed(monkeypatch, messages).collect().current_a.size == 3000


def test_it_can_be_armed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver([JS220], iter([]))
    probe = opened(monkeypatch, driver)
    probe.power_on(3.3)
    probe.arm(REQUEST)
    with pytest.raises(ProbeTimeout):
        probe.collect()
    driver._messages = iter(recording())
    probe.arm(REQUEST)
    assert probe.collect().current_a.size == 3000


@pytest.mark.parametrize(
    ("paths", "url", "error", "words"),
    [
        ([], "any", ProbeDisconnected, "connected: none"),
        ([JS110], "001234", ProbeDisconnected, "connected: u/js110/000042"),
        ([JS110, JS220], "any", ConfigurationError, "u/js110/000042, u/js220/001234"),
        (["u/js320/1"], "any", ProbeDisconnected, "connected: none"),
    ],
)
def test_which_instrument(
    monkeypatch: pytest.MonkeyPatch, paths: list[str], url: str, error: type[BenchError], words: str
) -> None:
    driver = FakeDriver(paths)
    with pytest.raises(error) as caught:
        opened(monkeypatch, driver, url)
    assert words in caught.value.hint
    assert driver.finalized


def test_the_host_driver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver([JS220])
    probe = opened(monkeypatch, driver)
    driver.fails = {"s/i/range/mode": TimeoutError("publish timed out")}
    with pytest.raises(ProbeTimeout, match="setting s/i/range/mode"):
        probe.power_on(3.3)
    driver.fails = {"s/i/range/mode": RuntimeError("jsdrv_publish failed 19 | IN_USE")}
    with pytest.raises(ProbeDisconnected, match="IN_USE"):
        probe.power_on(3.3)
    probe.close()
    with pytest.raises(ProbeDisconnected, match="not open"):
        probe.power_on(3.3)


def test_the_host_driver_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", None)
    with pytest.raises(ConfigurationError) as caught:
        Joulescope("any").open()
    assert "mcu-bench[joulescope]" in caught.value.hint


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CaptureRequest(300e3, 0.1, 1.0), "does not sample at 300 kHz"),
        (CaptureRequest(2e6, 0.1, 1.0), "does not sample at 2 MHz"),
        (CaptureRequest(100e3, 200.0, 1.0), "is read for"),
        (REQUEST, "without power_on"),
    ],
)
def test_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch, request_: CaptureRequest, words: str) -> None:
    probe = opened(monkeypatch, FakeDriver([JS220]))
    with pytest.raises(ParameterError, match=words):
        probe.arm(request_)
    with pytest.raises(ParameterError, match="collect without arm"):
        probe.collect()


def test_the_fake_has_the_fields_of_a_stream_message() -> None:
    """Those that pyjoulescope_driver's binding makes (binding.pyx, JSDRV_PAYLOAD_TYPE_STREAM)."""
    assert set(message(0, np.zeros(1, np.float32))) == {
        "sample_id",
        "utc",
        "field_id",
        "index",
        "sample_rate",
        "decimate_factor",
        "time_map",
        "data",
    }
