"""Clock configurations: everything that decides how fast, and at which cost per cycle, a core runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from bench.errors import ParameterError


class Oscillator(StrEnum):
    """Where the clock comes from. ``HSE_BYPASS`` is an external clock fed into OSC_IN (NUCLEO: the ST-LINK's MCO)."""

    HSI = "hsi"
    HSE = "hse"
    HSE_BYPASS = "hsebyp"
    MSI = "msi"


class Accelerator(StrEnum):
    """Memory accelerators that a clock configuration switches on.

    ``ICACHE`` and ``DCACHE`` are caches of the flash interface (F4, L4), ``ART`` is the one cache of the F7's ITCM flash port,
    ``L1I`` and ``L1D`` are the core's own caches (Cortex-M7).
    """

    PREFETCH = "prefetch"
    ICACHE = "icache"
    DCACHE = "dcache"
    ART = "art"
    L1I = "l1i"
    L1D = "l1d"


_LETTER = {
    Accelerator.PREFETCH: "p",
    Accelerator.ICACHE: "i",
    Accelerator.DCACHE: "d",
    Accelerator.ART: "a",
    Accelerator.L1I: "1i",
    Accelerator.L1D: "1d",
}
_LETTERS = re.compile("1.|.")


@dataclass(frozen=True, slots=True)
class Pll:
    """PLL factors: output = input / m * n / r, where r is the divider of the SYSCLK output (PLLP on F4 and F7, PLLR on L4)."""

    m: int
    n: int
    r: int

    def __post_init__(self) -> None:
        if min(self.m, self.n, self.r) < 1:
            raise ParameterError(f"PLL factors must be positive, got m={self.m} n={self.n} r={self.r}")

    def input_hz(self, oscillator_hz: int) -> Fraction:
        """Phase detector frequency."""
        return Fraction(oscillator_hz, self.m)

    def vco_hz(self, oscillator_hz: int) -> Fraction:
        """VCO frequency."""
        return self.input_hz(oscillator_hz) * self.n

    def output_hz(self, oscillator_hz: int) -> Fraction:
        """SYSCLK output frequency."""
        return self.vco_hz(oscillator_hz) / self.r


REGULATOR_NAME = "[a-z]+[0-9][a-z]*"

_ID = re.compile(
    r"(?P<osc>hsi|hsebyp|hse|msi)(?P<mhz>[0-9.]+)"
    r"(?:-m(?P<m>\d+)n(?P<n>\d+)r(?P<r>\d+))?"
    r"-ahb(?P<ahb>\d+)-apb(?P<apb1>\d+)\.(?P<apb2>\d+)"
    rf"-(?P<regulator>{REGULATOR_NAME})-ws(?P<ws>\d+)-(?P<acc>none|(?!$)p?i?d?a?(?:1i)?(?:1d)?)"
)


@dataclass(frozen=True, slots=True)
class ClockConfiguration:
    """One whole clock configuration. Its ``id`` keys look-up tables, because two configurations of equal MHz cost differently.

    ``regulator`` is the voltage scale or range with its boost: ``scale1``, ``scale1od``, ``range1``, ``range1boost`` ...
    Frequencies are exact integers in Hz where they come in, exact fractions inside, floats in the public properties.
    """

    oscillator: Oscillator
    oscillator_hz: int
    pll: Pll | None
    ahb_div: int
    apb1_div: int
    apb2_div: int
    regulator: str
    flash_wait_states: int
    accelerators: frozenset[Accelerator]

    def __post_init__(self) -> None:
        if self.oscillator_hz <= 0 or min(self.ahb_div, self.apb1_div, self.apb2_div) < 1 or self.flash_wait_states < 0:
            raise ParameterError(f"not a clock configuration: {self!r}")

    @property
    def sysclk_exact_hz(self) -> Fraction:
        """SYSCLK, before the AHB prescaler."""
        return Fraction(self.oscillator_hz) if self.pll is None else self.pll.output_hz(self.oscillator_hz)

    @property
    def hclk_exact_hz(self) -> Fraction:
        """The core clock."""
        return self.sysclk_exact_hz / self.ahb_div

    @property
    def hclk_hz(self) -> float:
        """The core clock (HCLK), what look-up tables call ``sysclk_hz``."""
        return float(self.hclk_exact_hz)

    @property
    def pclk1_hz(self) -> float:
        """APB1 clock."""
        return float(self.hclk_exact_hz / self.apb1_div)

    @property
    def pclk2_hz(self) -> float:
        """APB2 clock."""
        return float(self.hclk_exact_hz / self.apb2_div)

    @property
    def timer1_hz(self) -> float:
        """Clock of the timers on APB1: PCLK1, or twice that when APB1 is divided (RM0390 section 6.2)."""
        return self.pclk1_hz * (1 if self.apb1_div == 1 else 2)

    @property
    def id(self) -> str:
        """The configuration as one word; ``parse`` is its inverse."""
        pll = f"-m{self.pll.m}n{self.pll.n}r{self.pll.r}" if self.pll else ""
        accelerators = "".join(_LETTER[a] for a in Accelerator if a in self.accelerators) or "none"
        return (
            f"{self.oscillator}{_mhz(self.oscillator_hz)}{pll}-ahb{self.ahb_div}-apb{self.apb1_div}.{self.apb2_div}"
            f"-{self.regulator}-ws{self.flash_wait_states}-{accelerators}"
        )

    def __str__(self) -> str:
        return self.id

    @classmethod
    def parse(cls, text: str) -> ClockConfiguration:
        """Return the configuration that ``text`` (an ``id``) names. Raises ParameterError."""
        match = _ID.fullmatch(text)
        if match is None:
            raise ParameterError(
                f"{text!r} is not a clock id",
                hint="a clock id looks like hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid",
            )
        part = match.groupdict()
        letters = [] if part["acc"] == "none" else _LETTERS.findall(part["acc"])
        try:
            oscillator_hz = Fraction(part["mhz"]) * 1_000_000
        except ValueError:
            raise ParameterError(f"{text!r}: {part['mhz']!r} is not a frequency in MHz") from None
        if oscillator_hz.denominator != 1:
            raise ParameterError(f"{text!r}: the oscillator is not a whole number of Hz")
        return cls(
            oscillator=Oscillator(part["osc"]),
            oscillator_hz=int(oscillator_hz),
            pll=Pll(int(part["m"]), int(part["n"]), int(part["r"])) if part["m"] else None,
            ahb_div=int(part["ahb"]),
            apb1_div=int(part["apb1"]),
            apb2_div=int(part["apb2"]),
            regulator=part["regulator"],
            flash_wait_states=int(part["ws"]),
            accelerators=frozenset(a for a in Accelerator if _LETTER[a] in letters),
        )


def _mhz(hz: int) -> str:
    """Return ``hz`` in MHz, exactly, without trailing zeros."""
    whole, rest = divmod(hz, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") if rest else str(whole)
