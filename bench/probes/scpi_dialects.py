"""What the SCPI instruments are told, one dialect each. Data alone; bench.probes.scpi is the driver.

Ref: Keithley DMM6500 reference manual (DMM6500-901-01) and 2450 reference manual (2450-901-01), sections SCPI command reference and trigger model; Keysight 34460A/61A/65A/70A operating
and service guide, sections SENSe, SAMPle, TRIGger, FETCh?; Keysight N6705 programmer's reference, sections SENSe:SWEep, TRIGger:ACQuire, DIGital. All of them sample on
their own clock from the rising edge of a trigger input; none reports its fall, so the end of the window is taken from the current. Readings
are asked for as text: slower than binary, but most damage shows, as all readings must have the same digits. Not tried on hardware.

In commands: {range_a}, {rate_hz}, {period_s}, {aperture_s}, {count}, {vdd_v}, {limit_a}, {channel}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.probes.base import ProbeSpec
from bench.stats.accuracy import CurrentRange


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of instrument is set up, triggered and read.

    ``identity``: pattern of the model in the answer to ``*IDN?``. ``range_a``: the range taken when the user names none; ``spec`` is that of all, limited to it.
    ``period_step_s``: sample periods are whole multiples of it; 0 where any is. ``timed``: readings come with their times, as the instrument keeps no exact rate.
    ``power_on``, ``power_off``: empty for an ammeter, which is in the user's own supply. ``voltage``: the query for the measured supply voltage.
    """

    identity: re.Pattern[str]
    spec: ProbeSpec
    range_a: float
    max_samples: int
    trigger_input: str
    set_up: tuple[str, ...]
    arm: tuple[str, ...]
    start: str
    fetch: str
    abort: str
    done: str | None = "*OPC?"
    power_on: tuple[str, ...] = ()
    power_off: tuple[str, ...] = ()
    voltage: str | None = None
    period_step_s: float = 0.0
    timed: bool = False

    @property
    def supplies(self) -> bool:
        """The instrument supplies the target."""
        return bool(self.power_on)


def _ranges(tops_a: tuple[float, ...], gain_error: float, of_range: float) -> tuple[CurrentRange, ...]:
    return tuple(CurrentRange(top_a, gain_error, of_range * top_a) for top_a in tops_a)


_KEITHLEY_TRIGGER = (
    ':TRAC:POIN {count}, "defbuffer1"',
    ':TRIG:LOAD "Empty"',
    ':TRIG:BLOC:BUFF:CLEAR 1, "defbuffer1"',
)

DMM6500 = Dialect(
    identity=re.compile(r"DMM6500|DAQ6510|DMM7510"),
    spec=ProbeSpec(
        model="Keithley DMM6500",
        min_current_a=10e-6,
        max_current_a=0.1,
        max_sample_rate_hz=1e6,
        bandwidth_hz=100e3,
        ranges=_ranges((100e-6, 1e-3, 10e-3, 100e-3, 1.0, 3.0), 0.002, 2e-4),
        vdd_error=0.02,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 15.0),
        source="ranges and rate: DMM6500 reference manual, digitise current; accuracy of digitised current not at hand: 0.2 % + 0.02 % of the range, 100 kHz and a "
        "crystal's 100 ppm are assumed; the supply is the user's own, taken to be within 2 % of the station's vdd",
    ),
    range_a=100e-3,
    max_samples=1_000_000,
    trigger_input="EXT TRIG IN",
    set_up=(
        ':SENS:DIG:FUNC "CURR"',
        ":SENS:DIG:CURR:RANG {range_a:g}",
        ":FORM:DATA ASC",
        ":FORM:ASC:PREC 8",
        ":TRIG:EXT:IN:EDGE RIS",
    ),
    arm=(
        ":SENS:DIG:CURR:SRAT {rate_hz:.0f}",
        *_KEITHLEY_TRIGGER,
        ":TRIG:BLOC:WAIT 2, EXT, ENT",
        ':TRIG:BLOC:MDIG 3, "defbuffer1", {count}',
    ),
    start=":INIT",
    fetch=':TRAC:DATA? 1, {count}, "defbuffer1", READ',
    abort=":ABOR",
    period_step_s=1e-6,
)

_FAST_OFFSET = 5e-4
"""Of the range, over the data sheet's offset: what a reading of 0.01 power line cycles without autozero may be off; an assumption."""

K2450 = Dialect(
    identity=re.compile(r"MODEL 24(50|60|61|70)"),
    spec=ProbeSpec(
        model="Keithley 2450",
        min_current_a=1e-6,
        max_current_a=0.1,
        max_sample_rate_hz=2e3,
        bandwidth_hz=1e3,
        ranges=tuple(
            CurrentRange(top_a, gain_error, offset_a + _FAST_OFFSET * top_a)
            for top_a, gain_error, offset_a in (
                (100e-6, 0.0002, 6e-9),
                (1e-3, 0.0002, 60e-9),
                (10e-3, 0.0002, 600e-9),
                (100e-3, 0.00025, 6e-6),
                (1.0, 0.0003, 500e-6),
            )
        ),
        vdd_error=0.002,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 15.0),
        source="SPEC-2450 Rev. A (July 2013), measure current, 1 year, 23 +- 5 degC, 1 power line cycle: 0.02 to 0.03 % + 6 nA to 500 uA by range; source voltage, 20 V range: "
        "0.015 % + 2.4 mV, at most 0.2 % from 1.3 V on. At 0.01 cycles without autozero, as used here: 0.05 % of the range more is assumed, some 2000 readings a second and a "
        "crystal's 100 ppm",
    ),
    range_a=100e-3,
    max_samples=100_000,
    trigger_input="digital I/O line 1",
    set_up=(
        ':SENS:FUNC "CURR"',
        ":SENS:CURR:RANG {range_a:g}",
        ":SENS:CURR:NPLC 0.01",
        ":SENS:CURR:AZER OFF",
        ":FORM:DATA ASC",
        ":FORM:ASC:PREC 8",
        ":DIG:LINE1:MODE TRIG, IN",
        ":TRIG:DIG1:IN:EDGE RIS",
    ),
    arm=(*_KEITHLEY_TRIGGER, ":TRIG:BLOC:WAIT 2, DIG1", ':TRIG:BLOC:MDIG 3, "defbuffer1", {count}'),
    start=":INIT",
    fetch=':TRAC:DATA? 1, {count}, "defbuffer1", READ, REL',
    abort=":ABOR",
    power_on=(":SOUR:FUNC VOLT", ":SOUR:VOLT:ILIM {limit_a:g}", ":SOUR:VOLT {vdd_v:g}", ":OUTP ON"),
    power_off=(":OUTP OFF",),
    timed=True,
)

K34465A = Dialect(
    identity=re.compile(r"344(65|70)A"),
    spec=ProbeSpec(
        model="Keysight 34465A",
        min_current_a=10e-6,
        max_current_a=0.1,
        max_sample_rate_hz=40e3,
        bandwidth_hz=20e3,
        ranges=_ranges((100e-6, 1e-3, 10e-3, 100e-3, 1.0, 3.0), 0.002, 2e-4),
        vdd_error=0.02,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 15.0),
        source="ranges, sample timer and memory: 34465A guide (50,000 readings, 20 us aperture with option DIG); accuracy at short apertures not at hand: 0.2 % + 0.02 % of the range, half the "
        "rate as bandwidth and a crystal's 100 ppm are assumed; the supply is the user's own, taken to be within 2 % of the station's vdd",
    ),
    range_a=100e-3,
    max_samples=50_000,
    trigger_input="Ext Trig",
    set_up=(
        "CONF:CURR:DC {range_a:g}",
        "CURR:DC:ZERO:AUTO OFF",
        "FORM:DATA ASC",
        "TRIG:SOUR EXT",
        "TRIG:SLOP POS",
        "TRIG:DEL 0",
        "SAMP:SOUR TIM",
    ),
    arm=("CURR:DC:APER {aperture_s:.9g}", "SAMP:TIM {period_s:.9g}", "SAMP:COUN {count}"),
    start="INIT",
    fetch="FETC?",
    abort="ABOR",
    period_step_s=1e-6,
)

N6705 = Dialect(
    identity=re.compile(r"N6705[ABC]"),
    spec=ProbeSpec(
        model="Keysight N6705",
        min_current_a=10e-6,
        max_current_a=0.1,
        max_sample_rate_hz=1 / 10.24e-6,
        bandwidth_hz=10e3,
        ranges=_ranges((1e-3, 100e-3, 3.0), 0.002, 2e-4),
        vdd_error=0.002,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 6.0),
        source="time interval (10.24 us) and points: N6705 programmer's reference; with an SMU module N6781A or N6782A; its digitised accuracy not at hand: 0.2 % + 0.02 % of the "
        "range, 0.2 % of the voltage, 10 kHz and a crystal's 100 ppm are assumed",
    ),
    range_a=100e-3,
    max_samples=512 * 1024,
    trigger_input="digital control port, pin 1",
    set_up=(
        "SENS:FUNC:CURR ON,(@{channel})",
        "SENS:CURR:RANG {range_a:g},(@{channel})",
        "SENS:SWE:OFFS:POIN 0,(@{channel})",
        "FORM ASC",
        "DIG:PIN1:FUNC TINP",
        "DIG:PIN1:POL POS",
        "TRIG:ACQ:SOUR PIN1,(@{channel})",
    ),
    arm=("SENS:SWE:TINT {period_s:.9g},(@{channel})", "SENS:SWE:POIN {count},(@{channel})"),
    start="INIT:ACQ (@{channel})",
    fetch="FETC:ARR:CURR? (@{channel})",
    abort="ABOR:ACQ (@{channel})",
    power_on=("VOLT {vdd_v:g},(@{channel})", "CURR {limit_a:g},(@{channel})", "OUTP ON,(@{channel})"),
    power_off=("OUTP OFF,(@{channel})",),
    voltage="MEAS:VOLT? (@{channel})",
    period_step_s=10.24e-6,
)

DIALECTS = (DMM6500, K2450, K34465A, N6705)
