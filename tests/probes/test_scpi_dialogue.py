"""The SCPI driver against pyvisa-sim: every command of every dialect, what it makes of the answers, and of what goes wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import (
    BenchError,
    ConfigurationError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
    UnknownName,
)
from bench.probes import scpi
from bench.probes.base import CaptureRequest, check_range, check_sampling
from bench.probes.scpi import Scpi
from bench.probes.scpi_dialects import DIALECTS
from tests.probes.scpi_sim import ACTIVE, COUNT, RATE_HZ, RESOURCE, Sim, dmm6500, k2450, k34465a, n6705, text, window

REQUEST = CaptureRequest(RATE_HZ, COUNT / RATE_HZ, 0.5)
FALL_S = ACTIVE / RATE_HZ
FETCH = f':TRAC:DATA? 1, {COUNT}, "defbuffer1", READ'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that the instrument does not answer costs real time."""
    monkeypatch.setattr(scpi, "_REPLY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(scpi, "_FETCH_TIMEOUT_S", 0.2)


def armed(url: str, request: CaptureRequest = REQUEST) -> Scpi:
    probe = Scpi(url)
    probe.open()
    probe.power_on(3.3)
    probe.arm(request)
    return probe


@pytest.mark.parametrize(
    ("sim", "options", "model", "request_", "resolution_s"),
    [
        (dmm6500, "", "Keithley DMM6500", REQUEST, 2e-4),
        (k34465a, "", "Keysight 34465A", REQUEST, 2e-4),
        # The 2450 keeps its own rate (10 kHz here, for the same window); it is asked for 2 kHz at most.
        (k2450, "", "Keithley 2450", CaptureRequest(RATE_HZ, 0.05, 0.5), 2e-4),
        (n6705, "&channel=2", "Keysight N6705", CaptureRequest(RATE_HZ, 0.05, 0.5), 2e-4),
    ],
)
def test_a_whole_session(
    tmp_path: Path, sim: Callable[[], Sim], options: str, model: str, request_: CaptureRequest, resolution_s: float
) -> None:
    instrument = sim()
    if sim is k2450:
        pairs = [number for index, value in enumerate(window(count=125)) for number in (value, index / 2e3)]
        for index in range(60, 125):
            pairs[2 * index] = 4e-3
        instrument.answers = {':TRAC:DATA? 1, 125, "defbuffer1", READ, REL': text(pairs)}
    probe = armed(instrument.write(tmp_path) + options, request_)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    probe.close()
    assert probe.spec.model == model
    assert probe.spec.max_current_a == 0.1
    assert capture.sample_rate_hz == pytest.approx(2e3 if sim is k2450 else RATE_HZ, rel=0.03)
    assert capture.current_a[5:40].mean() == pytest.approx(25e-3, rel=1e-3)
    assert capture.current_a[-30:].mean() == pytest.approx(4e-3, rel=1e-3)
    fall_s = 60 / 2e3 if sim is k2450 else ACTIVE / capture.sample_rate_hz
    assert capture.trigger_fall_s == pytest.approx(fall_s, abs=capture.trigger_resolution_s)
    assert 1.96 <= capture.trigger_resolution_s * capture.sample_rate_hz < 5  # two samples, and what noise adds
    assert capture.vdd_v == pytest.approx(3.3011 if sim is n6705 else 3.3)
    assert capture.vdd_measured == (sim is n6705)


def test_every_dialect_has_a_simulator() -> None:
    identities = [sim().identity.upper() for sim in (dmm6500, k2450, k34465a, n6705)]
    assert [sum(bool(dialect.identity.search(each)) for each in identities) for dialect in DIALECTS] == [1] * 4


def test_an_unknown_instrument_is_refused_with_the_list(tmp_path: Path) -> None:
    sim = dmm6500()
    sim.identity = "RIGOL TECHNOLOGIES,DM3068,DM3O123,01.01"
    with pytest.raises(ConfigurationError, match="DM3068") as caught:
        Scpi(sim.write(tmp_path)).open()
    assert "Keithley DMM6500, Keithley 2450, Keysight 34465A, Keysight N6705" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (text([*window()[:-1], 9.9e37]), ProbeSaturated, "overflow"),
        (text([*window()[:-1], -9.9e37]), ProbeSaturated, "overflow"),
        (text([*window()[:-1], 9.91e37]), SamplesLost, "not a number"),
        (text([*window()[:-1], 0.11]), ProbeSaturated, "beyond 100 mA"),
        (text(window()[:-1]), SamplesLost, "499 of 500"),
        (text([*window(), 1e-3]), ProbeProtocolError, "501 readings"),
        (text(window()).replace("E-02", "E-O2", 1), ProbeProtocolError, "no readings"),
        (text(window()).replace(",", ",,", 1), ProbeProtocolError, "no readings"),
        (text(window()) + ",nan", ProbeProtocolError, "no readings"),
        ("hello", ProbeProtocolError, "hello"),
        (text([4e-3] * COUNT), ProbeTimeout, "does not fall"),
        (None, ProbeTimeout, "did not answer"),
    ],
)
def test_bad_readings_are_no_capture(
    tmp_path: Path, answer: str | None, error: type[CurrentProbeError], words: str
) -> None:
    sim = dmm6500()
    sim.answers = {FETCH: answer}
    probe = armed(sim.write(tmp_path))
    with pytest.raises(error, match=words):
        probe.collect()
    probe.close()


@pytest.mark.parametrize(
    ("query", "answer", "error", "words"),
    [
        ("*IDN?", None, ProbeTimeout, "did not answer"),
        ("*OPC?", None, ProbeTimeout, "no rising edge on its EXT TRIG IN"),
        ("*OPC?", "0", ProbeProtocolError, "answered"),
    ],
)
def test_silence_and_nonsense(
    tmp_path: Path, query: str, answer: str | None, error: type[BenchError], words: str
) -> None:
    sim = dmm6500()
    sim.answers[query] = answer
    with pytest.raises(error, match=words):
        armed(sim.write(tmp_path), CaptureRequest(RATE_HZ, COUNT / RATE_HZ, 0.01)).collect()


def test_a_command_that_is_not_understood(tmp_path: Path) -> None:
    sim = dmm6500()
    sim.words.remove(":TRIG:EXT:IN:EDGE RIS")
    with pytest.raises(ProbeProtocolError, match="Undefined header"):
        Scpi(sim.write(tmp_path)).open()


def test_a_setting_out_of_range(tmp_path: Path) -> None:
    sim = dmm6500()
    sim.settings["rate"]["specs"]["max"] = 5000
    probe = Scpi(sim.write(tmp_path))
    probe.open()
    probe.power_on(3.3)
    with pytest.raises(ProbeProtocolError, match="reports error"):
        probe.arm(REQUEST)


def test_a_supply_that_is_held_down(tmp_path: Path) -> None:
    sim = n6705()
    sim.answers["MEAS:VOLT? (@2)"] = "+1.20000E-01"
    probe = Scpi(sim.write(tmp_path) + "&channel=2")
    probe.open()
    with pytest.raises(CurrentProbeError, match="120 mV at its output"):
        probe.power_on(3.3)


def test_nobody_there(tmp_path: Path) -> None:
    url = dmm6500().write(tmp_path).replace("192.0.2.7", "192.0.2.8")
    with pytest.raises((ProbeDisconnected, ProbeTimeout)):
        Scpi(url).open()
    with pytest.raises(ProbeDisconnected, match="not open"):
        Scpi(url).power_on(3.3)


def test_visa_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    probe = Scpi(RESOURCE)
    with pytest.raises(ConfigurationError) as caught:
        probe.open()
    assert "mcu-bench[visa]" in caught.value.hint
    with pytest.raises(ProbeDisconnected, match="not open"):
        probe.power_on(3.3)


def test_an_instrument_that_goes_away(tmp_path: Path) -> None:
    probe = armed(dmm6500().write(tmp_path))
    assert probe._resource is not None
    probe._resource.close()
    with pytest.raises(ProbeDisconnected):
        probe.collect()
    probe.close()


def test_ranges(tmp_path: Path) -> None:
    url = dmm6500().write(tmp_path)
    probe = Scpi(url + "&range=1A")
    probe.open()
    check_range(probe.spec, 0.5)
    assert probe.spec.ranges[0].top_a == 1.0
    probe.close()
    probe = Scpi(url)
    probe.open()
    with pytest.raises(ProbeRangeError) as caught:
        check_range(probe.spec, 0.5)
    assert "STLINK-V3PWR (to 550 mA)" in caught.value.hint
    probe.close()
    with pytest.raises(ParameterError, match="no range of 50 mA"):
        Scpi(url + "&range=50mA").open()


@pytest.mark.parametrize(
    "options", ["?colour=red", "?range=1V", "?range=-1A", "?channel=A", "?channel=1&channel=2", "?range"]
)
def test_bad_options(options: str) -> None:
    with pytest.raises((ParameterError, UnknownName)):
        Scpi(RESOURCE + options)


def test_memory_and_order_of_calls(tmp_path: Path) -> None:
    probe = Scpi(k34465a().write(tmp_path))
    with pytest.raises(ParameterError, match="collect without arm"):
        probe.collect()
    probe.open()
    with pytest.raises(ParameterError, match="power_on"):
        probe.arm(REQUEST)
    probe.power_on(3.3)
    with pytest.raises(ParameterError, match="holds 50000 readings"):
        probe.arm(CaptureRequest(40e3, 2.0, 0.5))
    with pytest.raises(ParameterError, match="outside"):
        probe.power_on(24.0)
    probe.close()


def test_a_slow_instrument_needs_a_longer_window() -> None:
    spec = next(dialect.spec for dialect in DIALECTS if dialect.spec.model == "Keithley 2450")
    rate_hz = min(100e3, spec.max_sample_rate_hz)
    assert rate_hz == 2e3
    check_sampling(spec, rate_hz, 0.1)
    with pytest.raises(ProbeRangeError, match="too short for Keithley 2450") as caught:
        check_sampling(spec, rate_hz, 0.02)
    assert "--window 25ms" in caught.value.hint
    assert "Joulescope" in caught.value.hint
