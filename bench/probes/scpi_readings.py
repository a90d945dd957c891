"""Readings as SCPI instruments send them, and what must hold before they are a trace. Pure.

Ref: SCPI-1999, volume 1, 7.2 (numeric data): 9.9E37 is infinity, i.e. overflow, 9.91E37 is not a number.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from bench.errors import ProbeProtocolError, ProbeSaturated, SamplesLost
from bench.units import format_si

_OVERFLOW = 9.9e37
_NOT_A_NUMBER = 9.91e37
_NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_READINGS = re.compile(rb"\s*" + _NUMBER + rb"(?:\s*,\s*" + _NUMBER + rb")*\s*")
_ODD = re.compile(rb"[^0-9eE+\-., \r\n]")
_SHAPE = re.compile(rb"\s*[+-]?\d+\.?(\d*)(?:[eE][+-]?(\d+))?")
_STEP_JITTER = 0.5
_HINT = "measure again; if it persists, power-cycle the instrument, try another cable or interface"


def parse_readings(answer: bytes, expected: int, name: str) -> NDArray[np.float64]:
    """Return the ``expected`` numbers in ``answer``, (expected,).

    Raises ProbeProtocolError (no list of numbers, or too many), SamplesLost (too few, or one that the instrument calls not a number), ProbeSaturated (one it calls
    an overflow).
    """
    # One pass for the form: numpy alone would take "nan", "1_0" and "0x1" for numbers.
    if not _READINGS.fullmatch(answer):
        odd = _ODD.search(answer)
        at = odd.start() if odd else len(answer)
        raise ProbeProtocolError(
            f"{name} sent no readings but {answer[max(at - 8, 0) : at + 16]!r} at byte {at} of {len(answer)}",
            hint=_HINT,
        )
    _refuse_uneven(answer, name)
    values = np.array(answer.split(b","), dtype=np.float64)
    if values.size < expected:
        raise SamplesLost(f"{values.size} of {expected} readings arrived from {name}", hint=_HINT)
    if values.size > expected:
        raise ProbeProtocolError(f"{name} sent {values.size} readings, {expected} were asked for", hint=_HINT)
    refuse_unreal(values, name)
    return values


def _refuse_uneven(answer: bytes, name: str) -> None:
    """Raise ProbeProtocolError where a reading has other digits than the first: one that has lost a byte is a number still."""
    shape = _SHAPE.match(answer)
    if shape is None:
        raise ProbeProtocolError(f"{name} sent no readings but {answer[:24]!r}", hint=_HINT)
    digits = rb"\.?\d{%d}" % len(shape[1])
    # With an exponent there is one digit before the point.
    one = rb"[+-]?\d" + digits + rb"[eE][+-]?\d{%d}" % len(shape[2]) if shape[2] else rb"[+-]?\d+" + digits
    # What stands for overflow or no number may be written in short.
    one = rb"\s*(?:%s|[+-]?9\.9\d*[eE]\+?37)\s*" % one
    if not re.fullmatch(one + rb"(?:,%s)*" % one, answer):
        raise ProbeProtocolError(
            f"{name} sent readings of different numbers of digits: bytes were lost or added", hint=_HINT
        )


def refuse_unreal(values: NDArray[np.float64], name: str) -> None:
    """Raise for readings that stand for something else: SamplesLost, ProbeSaturated."""
    magnitude = np.abs(values)
    if not magnitude.max(initial=0.0) >= _OVERFLOW / 10:
        return
    missing = np.flatnonzero(np.isclose(magnitude, _NOT_A_NUMBER, rtol=1e-4))
    if missing.size:
        raise SamplesLost(f"{name}: reading {missing[0]} is not a number, by its own account", hint=_HINT)
    over = np.flatnonzero(magnitude >= _OVERFLOW / 10)
    raise ProbeSaturated(
        f"{name}: {over.size} of {values.size} readings overflow the range, the first is number {over[0]}",
        hint="use a larger ?range=, another probe, or a slower clock",
    )


def refuse_beyond(current_a: NDArray[np.float64], limit_a: float, name: str) -> None:
    """Raise ProbeSaturated where a reading is beyond ``limit_a``."""
    high = int(np.count_nonzero(np.abs(current_a) > limit_a))
    if high:
        raise ProbeSaturated(
            f"{name}: {high} of {current_a.size} readings beyond {format_si(limit_a, 'A')} "
            f"(highest {format_si(float(np.abs(current_a).max()), 'A')})",
            hint="use a larger ?range=, another probe, or a slower clock",
        )


def even(
    current_a: NDArray[np.float64], time_s: NDArray[np.float64], duration_s: float, name: str
) -> tuple[NDArray[np.float64], float]:
    """Return readings at ``time_s`` (n,) on an even grid from the first on, for ``duration_s``, and the rate of that grid in Hz.

    For instruments that keep no exact rate but tell when they read. Raises ProbeProtocolError where time does not go on, SamplesLost where there is a gap or the
    readings end too early.
    """
    steps = np.diff(time_s)
    if steps.size < 2 or not (steps > 0).all():
        raise ProbeProtocolError(f"{name}: the times of the readings do not go on", hint=_HINT)
    step_s = float(np.median(steps))
    gap = np.flatnonzero(np.abs(steps - step_s) > _STEP_JITTER * step_s)
    if gap.size:
        raise SamplesLost(
            f"{name}: {format_si(float(steps[gap[0]]), 's')} between readings {gap[0]} and {gap[0] + 1}, {format_si(step_s, 's')} elsewhere",
            hint=_HINT,
        )
    count = math.floor(duration_s / step_s)
    if count < 1 or (time_s[-1] - time_s[0]) < (count - 1) * step_s:
        raise SamplesLost(
            f"{name} read for {format_si(float(time_s[-1] - time_s[0]), 's')}, {format_si(duration_s, 's')} were asked for",
            hint=_HINT,
        )
    grid_s = time_s[0] + step_s * np.arange(count)
    return np.interp(grid_s, time_s, current_a), 1.0 / step_s
