"""The constant and the CSV source: estimates, labelled as such, and refused where they are no trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import (
    BenchError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import CaptureRequest, CurrentProbe
from bench.probes.constant import Constant
from bench.probes.registry import create_probe
from bench.probes.trace_file import CsvTrace

REQUEST = CaptureRequest(100e3, 0.03, 0.5, planned_fall_s=0.02)


def collected(probe: CurrentProbe, request: CaptureRequest = REQUEST) -> tuple[float, float, float]:
    """Return the mean current of the window and of what follows, and the window's end."""
    probe.open()
    probe.power_on(3.3)
    probe.arm(request)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    assert not capture.vdd_measured or isinstance(probe, CsvTrace)
    edge = round(capture.trigger_fall_s * capture.sample_rate_hz)
    return float(capture.current_a[:edge].mean()), float(capture.current_a[edge:].mean()), capture.trigger_fall_s


def test_a_constant_is_what_was_stated() -> None:
    probe = create_probe("constant", "12.5mA?idle=2mA&uncertainty=30%")
    assert collected(probe) == pytest.approx((12.5e-3, 2e-3, 0.02))
    assert probe.spec.gain_error == 0.3
    assert "not measured" in probe.spec.source
    assert "nothing is measured" in probe.spec.model
    assert Constant("12.5mA").spec.gain_error == 0.5
    assert collected(Constant("12.5mA")) == pytest.approx((12.5e-3, 12.5e-3, 0.02))


def test_a_constant_claims_no_exact_window() -> None:
    probe = Constant("12.5mA")
    probe.power_on(3.3)
    probe.arm(REQUEST)
    assert probe.collect().trigger_resolution_s == pytest.approx(0.04 * 0.02)


@pytest.mark.parametrize(
    "url", ["", "much", "12.5mV", "-1mA", "0", "1kA", "12.5mA?idle=13mA", "12.5mA?uncertainty=130%", "12.5mA?what=1"]
)
def test_a_constant_that_is_none(url: str) -> None:
    with pytest.raises(BenchError) as caught:
        Constant(url)
    assert caught.value.hint


def test_a_source_goes_by_the_plan() -> None:
    probe = Constant("12.5mA")
    with pytest.raises(ParameterError, match="does not say when the window ends"):
        probe.arm(CaptureRequest(100e3, 0.03, 0.5))
    with pytest.raises(ParameterError, match="collect without arm"):
        probe.collect()
    with pytest.raises(ParameterError, match="planned_fall_s"):
        CaptureRequest(100e3, 0.03, 0.5, planned_fall_s=0.04)


def table(columns: str = "time_s,current_a,trigger,vdd_v", rate_hz: float = 50e3) -> list[str]:
    rows = [columns]
    for index in range(3000):
        high = 500 <= index < 1500
        values = {
            "time_s": f"{index / rate_hz:.9g}",
            "current_a": f"{20e-3 if high else 3e-3}",
            "trigger": str(int(high)),
            "vdd_v": "3.281",
        }
        rows.append(",".join(values[column] for column in columns.split(",")))
    return rows


def file(tmp_path: Path, rows: list[str]) -> CsvTrace:
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return CsvTrace(str(path))


def test_a_trace_with_its_trigger(tmp_path: Path) -> None:
    probe = file(tmp_path, table())
    assert collected(probe) == pytest.approx((20e-3, 3e-3, 0.02))
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    assert capture.sample_rate_hz == pytest.approx(50e3)
    assert capture.vdd_v == pytest.approx(3.281)
    assert capture.vdd_measured
    assert capture.trigger_resolution_s == pytest.approx(20e-6)


def test_a_trace_without_trigger_goes_by_the_plan(tmp_path: Path) -> None:
    probe = file(tmp_path, table("current_a,time_s"))
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    assert (capture.trigger_fall_s, capture.vdd_measured) == (0.02, False)
    assert np.count_nonzero(capture.current_a > 10e-3) == 1000
    probe.arm(CaptureRequest(100e3, 0.03, 0.5))
    with pytest.raises(ParameterError, match="no trigger column"):
        probe.collect()


def test_a_trace_may_be_rewritten_between_points(tmp_path: Path) -> None:
    probe = file(tmp_path, table())
    collected(probe)
    file(tmp_path, [row.replace(",0.02,", ",0.04,") for row in table()])
    assert collected(probe)[0] == pytest.approx(40e-3)


def edited(at: int, row: str) -> list[str]:
    rows = table()
    rows[at] = row
    return rows


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([], ProbeProtocolError, ":1: the header is empty"),
        (["t,i", "0,1"], ProbeProtocolError, ":1: the header is t, i"),
        (["time_s,current_a,current_a", "0,1,1"], ProbeProtocolError, ":1: the header"),
        (["time_s,current_a"], ProbeProtocolError, "0 samples"),
        (edited(700, "x,0.02,1,3.3"), ProbeProtocolError, "could not convert"),
        (edited(700, "0.01398,0.02,1"), ProbeProtocolError, ":701: 3 columns"),
        (edited(700, "0.01398,nan,1,3.3"), SamplesLost, ":701: a value is not finite"),
        (edited(700, "0.01398,0.02,2,3.3"), ProbeProtocolError, "neither 0 nor 1"),
        (edited(700, "0.01398,12,1,3.3"), ProbeSaturated, "12 A"),
        (edited(700, "0.01398,0.02,0,3.3"), ProbeProtocolError, "rises 2 times"),
        (table()[:700] + table()[702:], SamplesLost, "but not here"),
        ([table()[0], *reversed(table()[1:])], ProbeProtocolError, "does not go on"),
        (table()[:1800], SamplesLost, "are needed"),
        (table()[:1300], ProbeTimeout, "does not fall"),
        (table()[:500], ProbeTimeout, "0 all the time"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, rows: list[str], error: type[CurrentProbeError], words: str) -> None:
    probe = file(tmp_path, rows)
    with pytest.raises(error, match=words):
        collected(probe)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProbeDisconnected, match="cannot read"):
        CsvTrace(str(tmp_path / "none.csv")).open()
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProbeProtocolError, match="no text"):
        CsvTrace(str(tmp_path / "binary.csv")).open()
