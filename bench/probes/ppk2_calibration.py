"""The calibration of a Nordic PPK2, and currents from its raw samples. Pure.

Ref: Nordic's Power Profiler application (NordicSemiconductor/pc-nrfconnect-ppk, src/device/serialDevice.ts) for the metadata's keys,
the conversion and the spike filter. The instrument tells its constants as text lines ``key: value``, closed by ``END``:
``R`` shunt [ohm], ``O`` offset [ADC counts], ``GS`` and ``GI`` gain, ``S`` offset per supply voltage [A/V], ``I`` offset [A], ``UG`` the user's
gain, each for the ranges 0 (finest) to 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.errors import ProbeProtocolError

RANGES = 5
NOMINAL_SHUNTS_OHM = (1031.64, 101.65, 10.15, 0.94, 0.043)
ADC_FULL_SCALE = 0x3FFF
ADC_STEP = 4
"""The ADC's 14 bits count in steps of four of what the constants refer to."""
VOLT_PER_COUNT = 1.8 / 163840

FILTER_SAMPLES = 3
_WEIGHT, _WEIGHT_TOP = 0.18, 0.06
_HELD = 2
"""In the top range the first samples after a change do not enter the average at all."""
HISTORY = 256
"""So many samples back the moving average still feels anything: 0.94^256 is 1e-7."""

_HINT = (
    "re-plug the probe; if it persists, its calibration memory is damaged (nRF Connect Power Profiler shows it, too)"
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants of one instrument, five each, range 0 first. Raises ProbeProtocolError for values that no instrument has."""

    r: tuple[float, ...]
    gs: tuple[float, ...]
    gi: tuple[float, ...]
    o: tuple[float, ...]
    s: tuple[float, ...]
    i: tuple[float, ...]
    ug: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("r", "gs", "gi", "o", "s", "i", "ug"):
            for number, value in enumerate(getattr(self, name)):
                if not math.isfinite(value):
                    raise ProbeProtocolError(f"calibration constant {name.upper()}{number} is {value}", hint=_HINT)
        for number, nominal in enumerate(NOMINAL_SHUNTS_OHM):
            for name, value, usual in (
                ("R", self.r[number], nominal),
                ("GI", self.gi[number], 1.0),
                ("UG", self.ug[number], 1.0),
            ):
                if not usual / 2 <= value <= usual * 2:
                    raise ProbeProtocolError(
                        f"calibration constant {name}{number} is {value:g}, an instrument has about {usual:g}",
                        hint=_HINT,
                    )


def parse_metadata(text: str) -> Calibration:
    """Return the constants in ``text``, which ends in ``END``.

    Keys that are no constants (HW, IA, VDD, mode ...) are passed over; a missing UG is 1. ``Calibrated: 0`` means nothing: instruments
    with constants of their own say so, too. Raises ProbeProtocolError for a line that is none, a constant that is missing, told twice
    or no number, or text without its end.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[-1] != "END":
        raise ProbeProtocolError(
            f"the metadata stops at {text[-24:]!r}, before its END", hint="re-plug the probe, then run again"
        )
    found: dict[str, float] = {}
    wanted = {f"{name}{number}" for name in ("R", "GS", "GI", "O", "S", "I", "UG") for number in range(RANGES)}
    for line in lines[:-1]:
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not key.isprintable():
            raise ProbeProtocolError(f"no line of metadata: {line[:40]!r}", hint="check that the port is the probe's")
        name = key.upper()
        if name not in wanted:
            continue
        if name in found:
            raise ProbeProtocolError(
                f"calibration constant {name} is told twice", hint="re-plug the probe, then run again"
            )
        try:
            found[name] = float(value)
        except ValueError:
            raise ProbeProtocolError(f"calibration constant {name} is {value[:24]!r}, no number", hint=_HINT) from None
    found = {f"UG{number}": 1.0 for number in range(RANGES)} | found
    if missing := sorted(wanted - found.keys()):
        raise ProbeProtocolError(f"the metadata lacks {', '.join(missing)}", hint=_HINT)
    columns = {
        name: tuple(found[f"{name.upper()}{number}"] for number in range(RANGES))
        for name in ("r", "gs", "gi", "o", "s", "i", "ug")
    }
    return Calibration(**columns)


def convert(
    adc: NDArray[np.uint32], ranges: NDArray[np.uint32], calibration: Calibration, vdd_v: float
) -> NDArray[np.float64]:
    """Return the currents [A] (n,) of ADC counts ``adc`` (n,) 0..16383 in ``ranges`` (n,) 0..4 at a supply of ``vdd_v``."""

    def of(values: tuple[float, ...]) -> NDArray[np.float64]:
        return np.asarray(values)[ranges]

    raw = (ADC_STEP * adc.astype(np.float64) - of(calibration.o)) * VOLT_PER_COUNT / of(calibration.r)
    linear = raw * (of(calibration.gs) * raw + of(calibration.gi))
    current: NDArray[np.float64] = of(calibration.ug) * (linear + of(calibration.s) * vdd_v + of(calibration.i))
    return current


def filter_spikes(current_a: NDArray[np.float64], ranges: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return ``current_a`` (n,) with the three samples after each change of range replaced by a moving average of all before.

    Switching shunts makes them too high. The average is exponential, of weight 0.18, and 0.06 in range 4.
    """
    out = current_a.copy()
    changes = np.flatnonzero(np.diff(ranges.astype(np.int64))) + 1
    for change, following in pairwise([*changes.tolist(), current_a.size]):
        top = ranges[change] == RANGES - 1
        weight = _WEIGHT_TOP if top else _WEIGHT
        average = _average(current_a[max(0, change - HISTORY) : change], weight)
        for offset in range(min(FILTER_SAMPLES, following - change)):
            if not (top and offset < _HELD):
                average += weight * (float(current_a[change + offset]) - average)
            out[change + offset] = average
    return out


def _average(history_a: NDArray[np.float64], weight: float) -> float:
    """Return the exponential moving average at the end of ``history_a``, which it starts from the first value of."""
    ages = np.arange(history_a.size - 1, -1, -1)
    weights = weight * (1 - weight) ** ages
    weights[0] /= weight
    return float(np.dot(weights, history_a))
