"""No probe here: a trace that some other instrument recorded, from a CSV file (driver ``csv``).

``url`` is the file; options: ``?uncertainty=5%`` (of the current, 10 % where nothing is said). The file has a header with ``time_s`` and ``current_a`` (SI
units, evenly spaced) and may have ``trigger`` (0 or 1) and ``vdd_v``. With a trigger column the window is where it is 1; without one the
trace starts with the window, which ends by plan. The file is read anew for every point, so that whatever records it may rewrite it in between; nothing
ties it to the point under test, which is why the driver's name is kept as the probe of every run.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import (
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, ProbeSpec, check_supply
from bench.probes.constant import PLAN_ERROR
from bench.probes.url_options import share, split_url
from bench.stats.accuracy import same_limits
from bench.units import format_si

_UNCERTAINTY = 0.1
_JITTER = 0.01
"""By so much of a step two neighbouring time stamps may be off an even spacing: rounding in the file."""
_MAX_BYTES = 1 << 30
_COLUMNS = ("time_s", "current_a", "trigger", "vdd_v")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace as recorded: ``sample_rate_hz``, and (n,) each; ``trigger`` and ``vdd_v`` where the file has them."""

    sample_rate_hz: float
    current_a: NDArray[np.float64]
    trigger: NDArray[np.bool_] | None
    vdd_v: NDArray[np.float64] | None


def parse_trace(text: str, name: str) -> TraceFile:
    """Return the trace that ``text``, the content of file ``name``, holds.

    Raises ProbeProtocolError (no such table: file and line), SamplesLost (a gap in time, a value that is not finite).
    """
    if text and not text.endswith("\n"):
        raise SamplesLost(f"{name}: the last line has no end", hint="the file is cut, or still being written")
    rows = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(rows, [])]
    unknown = [cell for cell in header if cell not in _COLUMNS]
    if unknown or len(set(header)) != len(header) or not {"time_s", "current_a"} <= set(header):
        raise ProbeProtocolError(
            f"{name}:1: the header is {', '.join(header) or 'empty'}",
            hint=f"columns: time_s, current_a, and as you like trigger, vdd_v; not {', '.join(unknown)}"
            if unknown
            else "columns: time_s, current_a, and as you like trigger, vdd_v, each once",
        )
    try:
        table = np.array([[float(cell) for cell in row] for row in _even(rows, len(header), name)])
    except ValueError as error:
        raise ProbeProtocolError(f"{name}: {error}", hint="one number a column, `.` as decimal point") from error
    if len(table) < 2:
        raise ProbeProtocolError(f"{name}: {len(table)} samples are no trace", hint="record for longer")
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if wrong.size:
        raise SamplesLost(f"{name}:{wrong[0] + 2}: a value is not finite", hint="record again")
    columns = dict(zip(header, table.T, strict=True))
    rate_hz = _rate_hz(columns["time_s"], name)
    trigger = columns.get("trigger")
    if trigger is not None and not np.isin(trigger, (0.0, 1.0)).all():
        raise ProbeProtocolError(f"{name}: a trigger is neither 0 nor 1", hint="record the trigger as a logic level")
    return TraceFile(
        rate_hz, columns["current_a"], None if trigger is None else trigger.astype(bool), columns.get("vdd_v")
    )


def _even(rows: Iterable[list[str]], width: int, name: str) -> list[list[str]]:
    found: list[list[str]] = []
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != width:
            raise ProbeProtocolError(
                f"{name}:{number}: {len(row)} columns, the header has {width}", hint="record again: the file is cut"
            )
        found.append(row)
    return found


def _rate_hz(time_s: NDArray[np.float64], name: str) -> float:
    steps = np.diff(time_s)
    step_s = float(np.median(steps))
    if not step_s > 0.0:
        raise ProbeProtocolError(
            f"{name}: time does not go on (step {step_s:g} s)", hint="time_s in seconds, ascending"
        )
    # Against an even grid, not step by step, so that rounding does not add up.
    even_s = (time_s[-1] - time_s[0]) / steps.size
    off = np.abs(time_s - time_s[0] - even_s * np.arange(time_s.size)) > _JITTER * step_s * max(1.0, steps.size * 1e-5)
    gaps = np.flatnonzero(np.abs(steps - step_s) > 0.5 * step_s)
    if gaps.size or off.any():
        at = int(gaps[0]) if gaps.size else int(np.flatnonzero(off)[0])
        raise SamplesLost(
            f"{name}:{at + 2}: the samples are {format_si(step_s, 's')} apart, but not here ({format_si(float(steps[min(at, steps.size - 1)]), 's')})",
            hint="export evenly spaced samples; the recording may have lost some",
        )
    return float(1.0 / even_s)


class CsvTrace(CurrentProbe):
    """The driver."""

    spec: ProbeSpec = ProbeSpec(
        model="a recorded trace (nothing is measured here)",
        min_current_a=1e-9,
        max_current_a=10.0,
        max_sample_rate_hz=100e3,
        bandwidth_hz=50e3,
        ranges=same_limits((10.0,), _UNCERTAINTY, 0.0),
        vdd_error=0.1,
        timebase_error=100e-6,
        vdd_range_v=(1.6, 5.5),
        source="stated by the user for the instrument that recorded the file; the supply is the board's own, taken to be within 10 % of the "
        "station's vdd; a crystal's 100 ppm as time base and half of the sample rate as bandwidth are assumed",
    )

    def __init__(self, url: str) -> None:
        target, options = split_url(url, ("uncertainty",))
        self._path = Path(target)
        self.spec = replace(self.spec, ranges=same_limits((10.0,), share(options, "uncertainty", _UNCERTAINTY), 0.0))
        self._vdd_v = 0.0
        self._armed: CaptureRequest | None = None

    def open(self) -> None:
        """Read the file once, to say at once what is wrong with it, and that nothing is measured."""
        self._read()
        logger.warning("the current is read from %s, not measured here", self._path)

    def power_on(self, vdd_v: float) -> None:
        """Remember ``vdd_v``: the board is supplied by its own regulator. Raises as the base says."""
        self._vdd_v = check_supply(self.spec, vdd_v) / 1e3

    def power_off(self) -> None:
        """The supply is not ours."""
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Remember what is wanted."""
        self._armed = request

    def collect(self) -> Capture:
        """Read the file and return what it holds from the window's start on, at the file's own rate. Raises as the base says."""
        request, self._armed = self._armed, None
        if request is None:
            raise ParameterError("collect without arm", hint="call arm first")
        trace = self._read()
        self.spec = replace(self.spec, sees_window=trace.trigger is not None)
        return cut(trace, request, self.spec, self._vdd_v, str(self._path))

    def close(self) -> None:
        """Nothing to let go of."""
        self._armed = None

    def _read(self) -> TraceFile:
        try:
            if self._path.stat().st_size > _MAX_BYTES:
                raise ProbeProtocolError(f"{self._path} is larger than 1 GiB", hint="export only the window")
            text = self._path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ProbeDisconnected(
                f"cannot read the trace {self._path}: {error}", hint="check the path in the station's current_probe.url"
            ) from error
        except UnicodeDecodeError as error:
            raise ProbeProtocolError(f"{self._path} is no text: {error}", hint="export the trace as CSV") from error
        return parse_trace(text, str(self._path))


def cut(trace: TraceFile, request: CaptureRequest, spec: ProbeSpec, vdd_v: float, name: str) -> Capture:
    """Return the capture of ``request`` from ``trace``.

    Raises ProbeTimeout (no trigger, or it does not fall), ProbeProtocolError (several), SamplesLost (too short), ProbeSaturated, ParameterError.
    """
    rate_hz = trace.sample_rate_hz
    if trace.trigger is None:
        if request.planned_fall_s is None:
            raise ParameterError(
                f"{name} has no trigger column, and no window is planned", hint="record the trigger pin"
            )
        start, fall_s = 0, request.planned_fall_s
        resolution_s = 2 * PLAN_ERROR * fall_s
    else:
        edges = np.flatnonzero(np.diff(np.concatenate(([False], trace.trigger, [False])).astype(np.int8)))
        if not edges.size:
            raise ProbeTimeout(f"{name}: the trigger is 0 all the time", hint="check the wire to the trigger pin")
        if edges.size > 2:
            raise ProbeProtocolError(
                f"{name}: the trigger rises {edges.size // 2} times",
                hint="record one window, or check the trigger wire",
            )
        if edges[1] == trace.trigger.size:
            raise ProbeTimeout(f"{name}: the trigger does not fall before the trace ends", hint="record for longer")
        start, fall_s, resolution_s = int(edges[0]), float(edges[1] - edges[0]) / rate_hz, 1.0 / rate_hz
    count = round(request.duration_s * rate_hz)
    current_a = trace.current_a[start : start + count]
    if current_a.size < count:
        raise SamplesLost(
            f"{name} holds {format_si(current_a.size / rate_hz, 's')} from the window's start on, {format_si(request.duration_s, 's')} are needed",
            hint="record for longer, or use a shorter --window",
        )
    highest_a = float(np.abs(current_a).max(initial=0.0))
    if highest_a > spec.max_current_a:
        raise ProbeSaturated(
            f"{name}: {format_si(highest_a, 'A')} is no plausible supply current", hint="current_a is in ampere"
        )
    return Capture(
        sample_rate_hz=rate_hz,
        current_a=current_a.astype(np.float32),
        trigger_fall_s=fall_s,
        trigger_resolution_s=resolution_s,
        vdd_v=vdd_v if trace.vdd_v is None else float(trace.vdd_v[start : start + count].mean()),
        vdd_measured=trace.vdd_v is not None,
        temperature_degc=None,
    )
