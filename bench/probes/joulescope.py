"""Jetperch Joulescope JS220 and JS110: an ammeter and voltmeter in the target's own supply.

Ref: pyjoulescope_driver 2.2 (topics: its metadata, record.py and the JS110's and JS220's entry points); JS220 and JS110 user's guides. Wiring: the supply to IN+ and IN-, OUT+ to
the MCU side of the IDD jumper, OUT- to GND, general purpose input 0 to the trigger pin. The host driver streams from a thread of its own; what it hands over is
checked in bench.probes.joulescope_stream. The instrument always runs at its full rate here, where both edges of the trigger are known to one or half a microsecond, and is averaged
to the rate asked for. Not tried on hardware.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from bench.errors import (
    ConfigurationError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeSaturated,
    ProbeTimeout,
)
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, ProbeSpec, check_supply
from bench.probes.joulescope_stream import TriggeredStreams
from bench.probes.url_options import split_url, stated_limits
from bench.stats.accuracy import CurrentRange, with_limits
from bench.units import format_si

_SOURCE = (
    "the currents' full scale and the sample rate are those of the user's guide; its accuracy by range was not at hand: 1 % + 0.02 % of the range are assumed, 0.5 % of "
    "the voltage and a crystal's 100 ppm; VDD is the user's own supply, measured"
)


def _ranges(*tops_a: float) -> tuple[CurrentRange, ...]:
    return tuple(CurrentRange(top_a, 0.01, 2e-4 * top_a) for top_a in tops_a)


@dataclass(frozen=True, slots=True)
class Model:
    """What tells one model from another: its figures, its full rate, and the topic of the current's range with its two values."""

    spec: ProbeSpec
    full_rate_hz: int
    range_topic: str


_JS220 = Model(
    ProbeSpec(
        model="Joulescope JS220",
        min_current_a=1e-6,
        max_current_a=3.0,
        max_sample_rate_hz=1e6,
        bandwidth_hz=300e3,
        ranges=_ranges(18e-6, 180e-6, 1.8e-3, 18e-3, 180e-3, 10.0),
        vdd_error=0.005,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 15.0),
        source=_SOURCE,
    ),
    1_000_000,
    "s/i/range/mode",
)
_JS110 = Model(
    replace(
        _JS220.spec,
        model="Joulescope JS110",
        max_sample_rate_hz=2e6,
        bandwidth_hz=250e3,
        ranges=_ranges(18e-6, 180e-6, 1.8e-3, 18e-3, 180e-3, 2.0, 10.0),
    ),
    2_000_000,
    "s/i/range/select",
)
MODELS = {"js220": _JS220, "js110": _JS110}

_SIGNALS = {"current": "s/i", "voltage": "s/v", "trigger": "s/gpi/0"}
_REMOVED = "@/!remove"
_STALL_TIMEOUT_S = 1.0
_LONGEST_S = 100.0
_LEAST_VDD_V = 0.5


class HostDriver(Protocol):
    """What of ``pyjoulescope_driver.Driver`` is used."""

    def device_paths(self) -> list[str]: ...
    def open(self, device_prefix: str, mode: str) -> object: ...
    def close(self, device_prefix: str) -> None: ...
    def publish(self, topic: str, value: Any) -> None: ...
    def subscribe(self, topic: str, flags: str, fn: Callable[[str, Any], None]) -> None: ...
    def unsubscribe_all(self, fn: Callable[[str, Any], None]) -> None: ...
    def finalize(self) -> None: ...


def host_driver() -> HostDriver:
    """Return a new instance of Jetperch's driver. Raises ConfigurationError where it is not installed."""
    try:
        from pyjoulescope_driver import Driver  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise ConfigurationError(
            f"the Joulescope's host driver cannot be loaded: {error}", hint="pip install 'mcu-bench[joulescope]'"
        ) from error
    driver: HostDriver = Driver()
    return driver


class Joulescope(CurrentProbe):
    """The driver. ``url``: the end of the instrument's path, its serial number or ``js220/001234``; or ``any`` where one is connected;
    and options: ``?gain=0.3%&offset=5uA``, limits of error of this very instrument in all ranges, instead of those assumed.
    """

    spec: ProbeSpec = _JS220.spec

    def __init__(self, url: str) -> None:
        self.url, options = split_url(url, ("gain", "offset"))
        self._limits = stated_limits(options)
        self._driver: HostDriver | None = None
        self._path = ""
        self._model = _JS220
        self._vdd_v = 0.0
        self._armed: CaptureRequest | None = None
        self._messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        # The host driver knows a callback by its identity, and a bound method is a new object every time.
        self._receiver = self._receive

    def open(self) -> None:
        """Find the instrument and take it as it is; the target's supply does not change."""
        with self._errors("opening"):
            self._driver = host_driver()
        try:
            with self._errors("opening") as driver:
                self._path = self._find(driver.device_paths())
                self._model = MODELS[self._path.split("/")[-2]]
                self.spec = replace(self._model.spec, ranges=with_limits(self._model.spec.ranges, *self._limits))
                driver.open(self._path, "restore")
                driver.subscribe(_REMOVED, "pub", self._receiver)
        except BaseException:
            self.close()
            raise

    def power_on(self, vdd_v: float) -> None:
        """Close the way through the ammeter, ranges automatic. ``vdd_v`` is what the user's supply is taken to give until it is measured."""
        self._vdd_v = check_supply(self.spec, vdd_v) / 1e3
        self._publish(self._model.range_topic, "auto")
        self._publish("s/v/range/select", "15 V")

    def power_off(self) -> None:
        """Open the way through the ammeter."""
        self._publish(self._model.range_topic, "off")
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Start the streams. Raises ParameterError, and as the base says."""
        share = self._model.full_rate_hz / request.sample_rate_hz
        if share < 1 or share != int(share):
            raise ParameterError(
                f"{self.spec.model} does not sample at {format_si(request.sample_rate_hz, 'Hz')}",
                hint=f"use a whole part of {format_si(self._model.full_rate_hz, 'Hz')}",
            )
        if not 1e-3 <= request.duration_s <= _LONGEST_S:
            raise ParameterError(
                f"{self.spec.model} is read for 1 ms to {_LONGEST_S:g} s, not {format_si(request.duration_s, 's')}",
                hint="choose a length in between",
            )
        if not self._vdd_v:
            raise ParameterError(f"{self.spec.model}: arm without power_on", hint="call power_on first")
        self._stop()
        self._messages = queue.SimpleQueue()
        with self._errors("starting its streams") as driver:
            for topic in _SIGNALS.values():
                driver.subscribe(f"{self._path}/{topic}/!data", "pub", self._receiver)
            driver.publish(f"{self._path}/h/fs", self._model.full_rate_hz)
            # The trigger last: whatever is seen of it, the current is there already.
            for topic in _SIGNALS.values():
                driver.publish(f"{self._path}/{topic}/ctrl", 1)
        self._armed = request

    def collect(self) -> Capture:
        """Wait for the window in the streams and return it. Raises as the base says."""
        request, self._armed = self._armed, None
        if request is None:
            raise ParameterError("collect without arm", hint="call arm first")
        streams = TriggeredStreams(request.sample_rate_hz, request.duration_s)
        try:
            self._stream(streams, request)
            return self._capture(streams)
        finally:
            with suppress(CurrentProbeError):
                self._stop()

    def close(self) -> None:
        """Stop the streams and let go; the supply stays as it is. Never raises."""
        if self._driver is None:
            return
        if self._path:
            with suppress(CurrentProbeError):
                self._stop()
        driver, self._driver, self._armed = self._driver, None, None
        if self._path:
            with suppress(Exception):
                driver.close(self._path)
        with suppress(Exception):
            driver.finalize()

    def _stream(self, streams: TriggeredStreams, request: CaptureRequest) -> None:
        names = {f"{self._path}/{topic}/!data": name for name, topic in _SIGNALS.items()}
        # What the instrument sends says how much time has passed: silence is one matter, a trigger that does not come another.
        budget = round((request.trigger_timeout_s + _STALL_TIMEOUT_S) * self._model.full_rate_hz)
        first: int | None = None
        while not streams.complete:
            try:
                topic, message = self._messages.get(timeout=_STALL_TIMEOUT_S)
            except queue.Empty:
                raise ProbeTimeout(
                    f"{self.spec.model} {self._path} sent nothing for {_STALL_TIMEOUT_S:g} s",
                    hint="re-plug the probe, then measure again",
                ) from None
            if topic == _REMOVED:
                if message == self._path:
                    raise self._gone("it was unplugged")
                continue
            streams.feed(names[topic], message)
            if streams.rise is None and names[topic] == "trigger":
                number = int(message["sample_id"])
                first = number if first is None else first
                if (number - first) * self._model.full_rate_hz > budget * int(message["sample_rate"]):
                    state = "was high all the time" if streams.always_high else "did not rise"
                    raise ProbeTimeout(
                        f"{self.spec.model}: input 0 {state} for {format_si(request.trigger_timeout_s, 's')}",
                        hint="check the trigger wire from the board's trigger pin to input 0, its ground, and the inputs' voltage",
                    )

    def _capture(self, streams: TriggeredStreams) -> Capture:
        window = streams.window()
        limit_a = self.spec.max_current_a
        high = int(np.count_nonzero(np.abs(window.current_a) > limit_a))
        if high:
            raise ProbeSaturated(
                f"{high} of {window.current_a.size} samples beyond {format_si(limit_a, 'A')}, the limit of {self.spec.model}",
                hint="check for a short circuit",
            )
        if not window.vdd_v > _LEAST_VDD_V:
            raise CurrentProbeError(
                f"{self.spec.model} measures {format_si(window.vdd_v, 'V')} at the target",
                hint="connect the supply to IN and the target to OUT, and check the polarity",
            )
        return Capture(
            sample_rate_hz=window.sample_rate_hz,
            current_a=window.current_a,
            trigger_fall_s=window.fall_s,
            trigger_resolution_s=window.resolution_s,
            vdd_v=window.vdd_v,
            vdd_measured=True,
            temperature_degc=None,
        )

    def _find(self, paths: list[str]) -> str:
        known = [path for path in paths if len(path.split("/")) == 3 and path.split("/")[1] in MODELS]
        found = [path for path in known if self.url in ("any", path) or path.endswith(f"/{self.url}")]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(known) or "none"
        if found:
            raise ConfigurationError(
                f"{len(found)} Joulescopes are called {self.url!r}", hint=f"name one by its serial number: {listed}"
            )
        raise ProbeDisconnected(
            f"Joulescope {self.url!r} is not connected", hint=f"connected: {listed}; on Linux its udev rules are needed"
        )

    def _receive(self, topic: str, value: Any) -> None:
        """Called by the host driver, on its thread."""
        self._messages.put((topic, value))

    def _publish(self, topic: str, value: Any) -> None:
        with self._errors(f"setting {topic}") as driver:
            driver.publish(f"{self._path}/{topic}", value)

    def _stop(self) -> None:
        with self._errors("stopping its streams") as driver:
            driver.unsubscribe_all(self._receiver)
            for topic in _SIGNALS.values():
                driver.publish(f"{self._path}/{topic}/ctrl", 0)
            driver.subscribe(_REMOVED, "pub", self._receiver)

    def _gone(self, what: object) -> ProbeDisconnected:
        return ProbeDisconnected(
            f"{self.spec.model} {self._path or self.url}: {what}", hint="check the cable, then run again"
        )

    @contextmanager
    def _errors(self, doing: str) -> Iterator[HostDriver]:
        """Turn what the host driver raises into errors of the bench. It has no classes of its own: a time-out, else a RuntimeError."""
        try:
            if self._driver is None and doing != "opening":
                raise self._gone("it is not open")
            yield self._driver  # type: ignore[misc]
        except TimeoutError as error:
            raise ProbeTimeout(
                f"{self.spec.model} {self._path or self.url} did not answer while {doing}: {error}",
                hint="re-plug the probe, then run again",
            ) from error
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise self._gone(f"{doing} failed: {error}") from error
