"""No probe: a current that the user states, for cycles and a rough energy without any instrument.

Nothing is measured. ``url`` is the current, ``12.5mA``, and options: ``?idle=2mA`` (asleep; the same current where it is not given) and
``uncertainty=30%`` (limits of both, 50 % where nothing is said). The window's length is taken from the plan, whose clock nothing confirms. Every run
carries the name of this driver as its probe, so that an estimate is never taken for a measurement.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from bench.errors import ParameterError, ProbeRangeError
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, ProbeSpec, check_supply
from bench.probes.url_options import quantity, share, split_url
from bench.stats.accuracy import same_limits
from bench.units import format_si, parse

PLAN_ERROR = 0.02
"""By so much (relative) a window may be off its plan: twice what an internal RC oscillator is off at 25 degC (DS10693: 1 %)."""
_UNCERTAINTY = 0.5

logger = logging.getLogger(__name__)


class Constant(CurrentProbe):
    """The driver. ``spec`` follows from the URL."""

    spec: ProbeSpec = ProbeSpec(
        model="a constant current (nothing is measured)",
        min_current_a=1e-9,
        max_current_a=10.0,
        max_sample_rate_hz=100e3,
        bandwidth_hz=100e3,
        ranges=same_limits((10.0,), _UNCERTAINTY, 0.0),
        vdd_error=0.1,
        timebase_error=PLAN_ERROR,
        vdd_range_v=(1.6, 5.5),
        source="stated by the user, not measured; the supply is the board's own, taken to be within 10 % of the station's vdd; "
        "the window's length is planned, not measured: 2 %",
        sees_window=False,
    )

    def __init__(self, url: str) -> None:
        current, options = split_url(url, ("idle", "uncertainty"))
        self._current_a = parse(current, "A")
        self._idle_a = quantity(options, "idle", "A", self._current_a)
        self.spec = replace(self.spec, ranges=same_limits((10.0,), share(options, "uncertainty", _UNCERTAINTY), 0.0))
        if not self.spec.min_current_a <= self._current_a <= self.spec.max_current_a:
            raise ProbeRangeError(
                f"a current of {format_si(self._current_a, 'A')} is no plausible supply current",
                hint="give it like 12.5mA",
            )
        if self._idle_a > self._current_a:
            raise ParameterError(
                f"idle={format_si(self._idle_a, 'A')} is more than the {format_si(self._current_a, 'A')} of the computing core",
                hint="give the current of the sleeping core, or none",
            )
        self._vdd_v = 0.0
        self._armed: CaptureRequest | None = None

    def open(self) -> None:
        """There is nothing to connect to; say so."""
        logger.warning(
            "the current is stated (%s), not measured: every energy is an estimate", format_si(self._current_a, "A")
        )

    def power_on(self, vdd_v: float) -> None:
        """Remember ``vdd_v``: the board is supplied by its own regulator. Raises as the base says."""
        self._vdd_v = check_supply(self.spec, vdd_v) / 1e3

    def power_off(self) -> None:
        """The supply is not ours."""
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Raises ParameterError where the request has no plan to go by."""
        self._armed = planned(request, self.spec.model)

    def collect(self) -> Capture:
        """Return the stated currents over the planned window."""
        request, self._armed = self._armed, None
        if request is None or request.planned_fall_s is None:
            raise ParameterError("collect without arm", hint="call arm first")
        count = round(request.duration_s * request.sample_rate_hz)
        active = min(count, round(request.planned_fall_s * request.sample_rate_hz))
        current_a = np.full(count, self._idle_a, np.float32)
        current_a[:active] = self._current_a
        return Capture(
            sample_rate_hz=request.sample_rate_hz,
            current_a=current_a,
            trigger_fall_s=request.planned_fall_s,
            trigger_resolution_s=2 * PLAN_ERROR * request.planned_fall_s,
            vdd_v=self._vdd_v,
            vdd_measured=False,
            temperature_degc=None,
        )

    def close(self) -> None:
        """Nothing to let go of."""
        self._armed = None


def planned(request: CaptureRequest, model: str) -> CaptureRequest:
    """Return ``request``. Raises ParameterError where it does not say when the window ends by plan."""
    if request.planned_fall_s is None:
        raise ParameterError(
            f"{model} sees no trigger, and the request does not say when the window ends",
            hint="set planned_fall_s, or use a current probe",
        )
    return request
