"""SCPI instruments for pyvisa-sim: device files with the commands of each manual, and readings of one window. An unknown command goes into the error queue,
as it does in the instruments.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

RESOURCE = "TCPIP0::192.0.2.7::inst0::INSTR"
RATE_HZ, ACTIVE, COUNT = 10_000.0, 300, 500
NO_ERROR = '+0,"No error"'


def window(active_a: float = 25e-3, idle_a: float = 4e-3, count: int = COUNT) -> list[float]:
    """The current of one window of ACTIVE samples, then asleep."""
    random = np.random.default_rng(7)
    levels = np.where(np.arange(count) < ACTIVE, active_a, idle_a)
    return [float(value) for value in levels * (1 + 1e-3 * random.standard_normal(count))]


def text(values: list[float]) -> str:
    """Readings as instruments send them."""
    return ",".join(f"{value:+.8E}" for value in values)


def setter(command: str, low: float, high: float, default: float) -> dict[str, Any]:
    """A setting with its limits; whatever is outside is an error."""
    return {"default": default, "setter": {"q": command}, "specs": {"min": low, "max": high, "type": "float"}}


@dataclass
class Sim:
    """One instrument: what it is called, the commands that set something, those with fixed words, and its answers."""

    identity: str
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    answers: dict[str, str | None] = field(default_factory=dict)

    def write(self, folder: Path) -> str:
        """Write the device file into ``folder`` and return the driver's URL for it."""
        answers = {"*IDN?": self.identity, "*OPC?": "1"} | self.answers
        device = {
            "eom": {"TCPIP INSTR": {"q": "\n", "r": "\n"}},
            "error": {
                "error_queue": [
                    {
                        "q": "SYST:ERR?",
                        "default": NO_ERROR,
                        "command_error": '-113,"Undefined header"',
                        "query_error": '-222,"Parameter data out of range"',
                    }
                ],
            },
            "dialogues": [
                *({"q": word} for word in ("*CLS", *self.words)),
                *({"q": query, "r": answer} for query, answer in answers.items() if answer is not None),
            ],
            "properties": self.settings,
        }
        path = folder / "instrument.yaml"
        content = {"spec": "1.1", "devices": {"it": device}, "resources": {RESOURCE: {"device": "it"}}}
        path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        return f"{RESOURCE}?library={path}@sim"


KEITHLEY_WORDS = [
    ':TRIG:LOAD "Empty"',
    ':TRIG:BLOC:BUFF:CLEAR 1, "defbuffer1"',
    ":INIT",
    ":ABOR",
    ":FORM:DATA ASC",
    ":FORM:ASC:PREC 8",
]


def dmm6500() -> Sim:
    return Sim(
        "KEITHLEY INSTRUMENTS,MODEL DMM6500,04412345,1.7.12b",
        {
            "range": setter(":SENS:DIG:CURR:RANG {}", 1e-4, 3, 1),
            "rate": setter(":SENS:DIG:CURR:SRAT {}", 1000, 1e6, 1000),
            "points": setter(':TRAC:POIN {}, "defbuffer1"', 10, 1e7, 100),
            "block": setter(':TRIG:BLOC:MDIG 3, "defbuffer1", {}', 1, 1e7, 1),
        },
        [*KEITHLEY_WORDS, ':SENS:DIG:FUNC "CURR"', ":TRIG:EXT:IN:EDGE RIS", ":TRIG:BLOC:WAIT 2, EXT, ENT"],
        {f':TRAC:DATA? 1, {COUNT}, "defbuffer1", READ': text(window())},
    )


def k2450() -> Sim:
    values = window(count=625)
    pairs = [number for index, value in enumerate(values) for number in (value, index / RATE_HZ)]
    return Sim(
        "KEITHLEY INSTRUMENTS,MODEL 2450,04098765,1.7.12b",
        {
            "range": setter(":SENS:CURR:RANG {}", 1e-8, 1, 1),
            "points": setter(':TRAC:POIN {}, "defbuffer1"', 10, 1e7, 100),
            "block": setter(':TRIG:BLOC:MDIG 3, "defbuffer1", {}', 1, 1e7, 1),
            "volts": setter(":SOUR:VOLT {}", -210, 210, 0),
            "limit": setter(":SOUR:VOLT:ILIM {}", 1e-9, 1.05, 1e-4),
        },
        [
            *KEITHLEY_WORDS,
            ':SENS:FUNC "CURR"',
            ":SENS:CURR:NPLC 0.01",
            ":SENS:CURR:AZER OFF",
            ":SOUR:FUNC VOLT",
            ":OUTP ON",
            ":OUTP OFF",
            ":DIG:LINE1:MODE TRIG, IN",
            ":TRIG:DIG1:IN:EDGE RIS",
            ":TRIG:BLOC:WAIT 2, DIG1",
        ],
        {':TRAC:DATA? 1, 125, "defbuffer1", READ, REL': text(pairs[:250])},
    )


def k34465a() -> Sim:
    return Sim(
        "Keysight Technologies,34465A,MY54501234,A.03.01-03.15-03.01-00.52-03-02",
        {
            "range": setter("CONF:CURR:DC {}", 1e-6, 10, 1),
            "aperture": setter("CURR:DC:APER {}", 20e-6, 1, 0.1),
            "timer": setter("SAMP:TIM {}", 20e-6, 3600, 1),
            "count": setter("SAMP:COUN {}", 1, 1e6, 1),
        },
        [
            "CURR:DC:ZERO:AUTO OFF",
            "FORM:DATA ASC",
            "TRIG:SOUR EXT",
            "TRIG:SLOP POS",
            "TRIG:DEL 0",
            "SAMP:SOUR TIM",
            "INIT",
            "ABOR",
        ],
        {"FETC?": text(window())},
    )


def n6705() -> Sim:
    return Sim(
        "Agilent Technologies,N6705B,MY50001234,D.03.08",
        {
            "range": setter("SENS:CURR:RANG {},(@2)", 0, 3, 1),
            "interval": setter("SENS:SWE:TINT {},(@2)", 5.12e-6, 40000, 1),
            "points": setter("SENS:SWE:POIN {},(@2)", 1, 524288, 1),
            "volts": setter("VOLT {},(@2)", 0, 20, 0),
            "limit": setter("CURR {},(@2)", 0, 3, 0),
        },
        [
            "SENS:FUNC:CURR ON,(@2)",
            "SENS:SWE:OFFS:POIN 0,(@2)",
            "FORM ASC",
            "DIG:PIN1:FUNC TINP",
            "DIG:PIN1:POL POS",
            "TRIG:ACQ:SOUR PIN1,(@2)",
            "INIT:ACQ (@2)",
            "ABOR:ACQ (@2)",
            "OUTP ON,(@2)",
            "OUTP OFF,(@2)",
        ],
        {"MEAS:VOLT? (@2)": "+3.30110E+00", "FETC:ARR:CURR? (@2)": text(window(count=489))},
    )
