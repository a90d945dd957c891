"""What a current probe is: six methods, and the values that pass through them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.errors import ParameterError, ProbeRangeError
from bench.stats.accuracy import CurrentRange, ProbeAccuracy
from bench.units import format_si


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """Data-sheet figures of a probe in the mode its driver uses; ``source`` names the documents.

    ``ranges``: those of the current with the limits of each, finest first, the last up to ``max_current_a`` or beyond; a driver that fixes the range
    at ``open`` tells that one alone. ``vdd_error`` of the supply voltage and ``timebase_error`` of the sample clock (both relative) are
    limits, not standard deviations: treat them as the half-widths of rectangular distributions.

    ``average_s``: of an instrument that gives averages over so long each instead of samples; it needs the windows of ``LEAST_AVERAGED_S``.
    ``average_resolution``: half of the last digit of such a reading, relative at most; no noise makes up for it.
    ``sees_window``: whether it tells the length of the window; a source that goes by the plan does not. Raises ParameterError.
    """

    model: str
    min_current_a: float
    max_current_a: float
    max_sample_rate_hz: float
    bandwidth_hz: float
    ranges: tuple[CurrentRange, ...]
    vdd_error: float
    timebase_error: float
    vdd_range_v: tuple[float, float]
    source: str
    average_s: float = 0.0
    average_resolution: float = 0.0
    sees_window: bool = True

    def __post_init__(self) -> None:
        if self.accuracy.ranges[-1].top_a < self.max_current_a:
            raise ParameterError(
                f"{self.model} measures to {self.max_current_a} A, its last range to {self.ranges[-1].top_a} A"
            )

    @property
    def accuracy(self) -> ProbeAccuracy:
        """What the data sheet promises, for the uncertainty budget."""
        return ProbeAccuracy(
            self.ranges,
            self.vdd_error,
            self.timebase_error,
            average_s=self.average_s,
            average_resolution=self.average_resolution,
            sees_window=self.sees_window,
        )

    @property
    def gain_error(self) -> float:
        """The largest gain error of all ranges, relative."""
        return max(each.gain_error for each in self.ranges)

    @property
    def offset_error_a(self) -> float:
        """The largest offset error of all ranges."""
        return max(each.offset_error_a for each in self.ranges)


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What to acquire: ``duration_s`` from the rising edge of the trigger input on.

    The edge must come within ``trigger_timeout_s``. ``tail_s``: for so long at most the target may draw its active current after the
    trigger has fallen (the way into sleep); only a probe that cannot see the falling edge and takes the end of the window from the
    current needs it, and ``fall_between_s``: the earliest and the latest time at which the trigger falls, where nothing is wrong.
    ``planned_fall_s``: when it falls by plan; only a source that is not wired to the target goes by it.
    """

    sample_rate_hz: float
    duration_s: float
    trigger_timeout_s: float
    tail_s: float = 0.0
    planned_fall_s: float | None = None
    fall_between_s: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "duration_s", "trigger_timeout_s"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ParameterError(f"{name} is {value}, must be positive and finite", hint=f"give a positive {name}")
        if not 0.0 <= self.tail_s < self.duration_s:
            raise ParameterError(
                f"tail_s is {self.tail_s}, must be at least 0 and less than the {self.duration_s} s captured",
                hint="capture for longer",
            )
        if self.planned_fall_s is not None and not 0.0 < self.planned_fall_s < self.duration_s:
            raise ParameterError(
                f"planned_fall_s is {self.planned_fall_s}, must lie within the {self.duration_s} s captured",
                hint="capture for longer",
            )
        if self.fall_between_s is not None:
            earliest_s, latest_s = self.fall_between_s
            if not 0.0 <= earliest_s < latest_s < self.duration_s:
                raise ParameterError(
                    f"fall_between_s is {earliest_s} to {latest_s}, must lie in order within the {self.duration_s} s captured",
                    hint="capture for longer",
                )


@dataclass(frozen=True, slots=True)
class Averages:
    """What an instrument tells that averages instead of sampling: readings in ampere that lie wholly within the window (two or more), and
    such while the core sleeps after it (one or more). ``elapsed_s``: so much time at least has passed since the trigger's rise.
    """

    active_a: tuple[float, ...]
    idle_a: tuple[float, ...]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Capture:
    """One triggered acquisition, complete and checked.

    ``current_a`` (n,) float32: sample k is the mean over [k, k + 1] / ``sample_rate_hz`` after the rising edge, by the
    probe's clock. ``trigger_fall_s``: when the trigger input fell again, seconds after the rise by the probe's clock.
    Each of the two edges is known to within half of ``trigger_resolution_s`` either way. ``vdd_v`` was measured by the probe in this capture
    when ``vdd_measured``, else it is what was set. ``temperature_degc``: the probe's own, where it tells. ``averages``: of an instrument that
    does not sample; ``current_a`` is empty then.
    """

    sample_rate_hz: float
    current_a: NDArray[np.float32]
    trigger_fall_s: float
    trigger_resolution_s: float
    vdd_v: float
    vdd_measured: bool
    temperature_degc: float | None
    averages: Averages | None = None

    @property
    def captured_s(self) -> float:
        """So much time has passed since the trigger's rise, by the samples or as the probe tells."""
        return self.averages.elapsed_s if self.averages is not None else len(self.current_a) / self.sample_rate_hz


class PortInfo(Protocol):
    """What an operating system tells of a serial port; pyserial's ``ListPortInfo`` is one. None: it does not tell."""

    @property
    def device(self) -> str: ...
    @property
    def vid(self) -> int | None: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def interface(self) -> str | None: ...


class CurrentProbe(ABC):
    """Supplies the target through its IDD jumper and samples the current, triggered by a pin of the target.

    The order of calls is open, power_on, then any number of arm + collect, power_off, close. Every method raises a
    CurrentProbeError (ProbeTimeout, ProbeProtocolError, ProbeDisconnected; collect also ProbeSaturated and SamplesLost)
    and leaves the probe ready for another ``arm`` unless it is gone. No method returns a doubtful number.
    """

    spec: ProbeSpec
    """Of the class; a driver for several instruments has that of the one at hand from ``open`` on."""

    @staticmethod
    def recognises(port: PortInfo) -> bool:  # noqa: ARG004
        """Tell by USB ids and description whether this driver's instrument is at ``port``. Pure; a driver that cannot tell says no."""
        return False

    def rate_for(self, wanted_hz: float, duration_s: float) -> float:  # noqa: ARG002
        """Return the rate at which to sample for ``duration_s``: ``wanted_hz``, or the instrument's highest where that is lower; less where
        a driver spares memory in long windows.
        """
        return min(wanted_hz, self.spec.max_sample_rate_hz)

    @abstractmethod
    def open(self) -> None:
        """Connect and set up; does not change the target's supply."""

    @abstractmethod
    def power_on(self, vdd_v: float) -> None:
        """Supply the target with ``vdd_v``. Raises ParameterError outside ``spec.vdd_range_v``."""

    def look(self) -> None:  # noqa: B027 (most read nothing)
        """Read anew what ``power_on`` reads beside switching: the voltage that is supplied, the probe's temperature. Before every image, not armed."""

    @abstractmethod
    def power_off(self) -> None:
        """Cut the target's supply."""

    @abstractmethod
    def arm(self, request: CaptureRequest) -> None:
        """Be ready for the next rising edge of the trigger input. Raises ParameterError for what it cannot do."""

    @abstractmethod
    def collect(self) -> Capture:
        """Wait for the armed acquisition to end and return it."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; the target's supply stays as it is. Never raises, may be called twice."""


_LARGER_PROBES: tuple[tuple[str, float], ...] = (
    ("X-NUCLEO-LPM01A", 0.05),  # UM2243, dynamic mode
    ("X-NUCLEO-LPM01A (static mode)", 0.2),  # UM2243; driver lpm01a_static
    ("STLINK-V3PWR", 0.55),  # data brief: four ranges up to 550 mA
    ("Nordic PPK2", 1.0),  # PPK2 user guide: source and ampere mode
    ("Joulescope JS220", 3.0),  # JS220 user's guide: 3 A continuous
)

LEAST_WINDOW_SAMPLES = 50
"""A window of fewer samples than that says little about its mean, and its end, where it is taken from the current, is known to 4 % at best."""
LEAST_WINDOW_TIME_CONSTANTS = 20
"""A window must outlast the probe's filter, which blurs both of its ends."""
LEAST_AVERAGED_S = (3.0, 2.5)
"""What an averaging instrument needs: of the window, which begins some tenths of a second after it was armed and is to hold some readings of a
quarter of a second and their commands, and of the core's sleep after it."""
MOST_OF_AVERAGE = 0.1
"""A call may be so much of an averaging instrument's reading at most: it holds a part of a call, and which one nobody knows."""
_FASTER_PROBES = "X-NUCLEO-LPM01A, STLINK-V3PWR, Nordic PPK2 (100 kS/s), Joulescope JS220 (1 MS/s)"


def check_supply(spec: ProbeSpec, vdd_v: float) -> int:
    """Return ``vdd_v`` in whole millivolts. Raises ParameterError where the probe cannot supply it."""
    low_v, high_v = spec.vdd_range_v
    if not low_v - 5e-4 < vdd_v < high_v + 5e-4:
        raise ParameterError(
            f"VDD of {vdd_v} V is outside {low_v} to {high_v} V of {spec.model}", hint="choose a VDD in this range"
        )
    return round(vdd_v * 1e3)


def check_range(spec: ProbeSpec, expected_current_a: float) -> None:
    """Raise ProbeRangeError when ``expected_current_a``, allowing for the gain error, is outside the probe's range.

    To be asked before a point is measured; the error names probes that can.
    """
    if spec.min_current_a <= expected_current_a and expected_current_a * (1 + spec.gain_error) <= spec.max_current_a:
        return
    others = [
        f"{name} (to {format_si(limit_a, 'A')})"
        for name, limit_a in _LARGER_PROBES
        if limit_a > max(spec.max_current_a, expected_current_a) and name != spec.model
    ]
    if expected_current_a < spec.min_current_a:
        hint = "use a probe with a lower range, or a clock at which the target draws more"
    elif others:
        hint = f"use another probe: {', '.join(others)}; or a slower clock"
    else:
        hint = "no known probe goes that far; use a slower clock"
    raise ProbeRangeError(
        f"expected {format_si(expected_current_a, 'A')}, but {spec.model} measures "
        f"{format_si(spec.min_current_a, 'A')} to {format_si(spec.max_current_a, 'A')} "
        f"(gain error up to {spec.gain_error:.1%})",
        hint=hint,
    )


def check_averaging(spec: ProbeSpec, call_s: float) -> None:
    """Raise ProbeRangeError when one call of ``call_s`` is too long for the averages of the probe. To be asked before a point is measured."""
    if call_s > MOST_OF_AVERAGE * spec.average_s:
        raise ProbeRangeError(
            f"one call takes {format_si(call_s, 's')}, and {spec.model} averages over {format_si(spec.average_s, 's')}: "
            f"a reading would hold a part of a call only",
            hint=f"use a probe that samples: {_FASTER_PROBES}; or a smaller workload, or a faster clock",
        )


def check_sampling(spec: ProbeSpec, sample_rate_hz: float, window_s: float) -> None:
    """Raise ProbeRangeError when a window of ``window_s`` at ``sample_rate_hz`` is too short for the probe.

    To be asked before a point is measured; the error names the least window, and probes that sample faster.
    """
    least_s = max(
        LEAST_WINDOW_SAMPLES / sample_rate_hz, LEAST_WINDOW_TIME_CONSTANTS / (2 * math.pi * spec.bandwidth_hz)
    )
    if window_s < least_s:
        raise ProbeRangeError(
            f"a window of {format_si(window_s, 's')} is too short for {spec.model} at {format_si(sample_rate_hz, 'Hz')} "
            f"(bandwidth {format_si(spec.bandwidth_hz, 'Hz')}): it needs {format_si(least_s, 's')}",
            hint=f"use --window {format_si(least_s, 's').replace(' ', '')} or longer, or a faster probe: {_FASTER_PROBES}",
        )
