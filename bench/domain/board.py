"""A board as the bench knows it: memory and clock limits of its MCU, how it is told apart, where the wires go.

Values come from ``boards/*.yaml``, which cites the document of every block. Nothing here knows one MCU family:
regulator levels are free strings ("scale1od", "range2"), and a level says itself what it permits.

A complaint about one value begins with its path in the board file (``levels[1].name``), so that the loader finds its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from bench.domain.clock import REGULATOR_NAME, Accelerator, Oscillator
from bench.errors import ParameterError, UnknownName


class MemoryKind(StrEnum):
    """What a region of memory is made of."""

    FLASH = "flash"
    RAM = "ram"


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """Memory at ``base`` .. ``end`` - 1. ``sectors_bytes``: sizes of a flash's erase sectors, from its base on."""

    name: str
    kind: MemoryKind
    base: int
    size_bytes: int
    sectors_bytes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.base < 0 or self.size_bytes < 1 or self.end > 1 << 32:
            raise ParameterError(
                f"memory {self.name}: {self.size_bytes} bytes at {self.base:#010x} are not in a 32-bit address space"
            )
        if self.sectors_bytes and sum(self.sectors_bytes) != self.size_bytes:
            raise ParameterError(f"sectors sum to {sum(self.sectors_bytes)} bytes, the region has {self.size_bytes}")

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.base + self.size_bytes

    def __contains__(self, address: int) -> bool:
        return self.base <= address < self.end


@dataclass(frozen=True, slots=True)
class Identity:
    """How the microcontroller says what it is.

    Bits 11:0 of the word at ``idcode_address`` (DBGMCU_IDCODE) are ``dev_id``. The unique id has 96 bits, the flash
    size is a halfword in KiB.
    """

    idcode_address: int
    dev_id: int
    unique_id_address: int
    flash_size_address: int


@dataclass(frozen=True, slots=True)
class OscillatorSpec:
    """An oscillator of the board, the frequencies it can be set to, and the greatest relative error of any of them.

    ``automatic`` is False for one that the board has only after a change (a solder bridge, a crystal): a clock id may name it, the
    solver does not take it by itself.
    """

    oscillator: Oscillator
    frequencies_hz: tuple[int, ...]
    tolerance_relative: float
    tolerance_source: str
    automatic: bool = True

    def __post_init__(self) -> None:
        if not self.frequencies_hz or min(self.frequencies_hz) < 1:
            raise ParameterError(
                f"oscillator {self.oscillator}: needs at least one positive frequency, got {self.frequencies_hz}"
            )
        if not 0 <= self.tolerance_relative < 1:
            raise ParameterError(f"oscillator {self.oscillator}: tolerance {self.tolerance_relative} is not in 0 .. 1")


@dataclass(frozen=True, slots=True)
class PllLimits:
    """The main PLL: ``m`` and ``n`` are ranges (first, last), ``r`` the dividers of the SYSCLK output.

    A regulator level may lower ``vco_max_hz``. ``input_preferred_hz`` is the phase detector frequency of least jitter.
    """

    input_min_hz: int
    input_max_hz: int
    input_preferred_hz: int
    vco_min_hz: int
    vco_max_hz: int
    output_min_hz: int
    output_max_hz: int
    m: tuple[int, int]
    n: tuple[int, int]
    r: tuple[int, ...]

    def __post_init__(self) -> None:
        ranges = {
            "input": (self.input_min_hz, self.input_max_hz),
            "vco": (self.vco_min_hz, self.vco_max_hz),
            "output": (self.output_min_hz, self.output_max_hz),
            "m": self.m,
            "n": self.n,
        }
        for name, (low, high) in ranges.items():
            if not 1 <= low <= high:
                raise ParameterError(f"{name}: {low} .. {high} is not a range of positive numbers")
        if not self.r or min(self.r) < 1:
            raise ParameterError(f"r: {self.r} are not dividers")
        if not self.input_min_hz <= self.input_preferred_hz <= self.input_max_hz:
            raise ParameterError(f"input_preferred: {self.input_preferred_hz} Hz is outside the PLL's input range")


@dataclass(frozen=True, slots=True)
class RegulatorLevel:
    """A voltage scale or range of the core regulator, with its boost, and what runs at it.

    ``max_sysclk_hz`` holds before the AHB prescaler: STM32L4 manuals bound SYSCLK, STM32F4 and F7 data sheets HCLK; as
    HCLK is never the faster one, bounding SYSCLK errs on the safe side. ``overdrive`` says that an extra mode has to
    be switched on (over-drive on F4 and F7, Range 1 boost on L4+), ``vos`` is the value of the voltage scale field
    (PWR_CR.VOS, PWR_CR1.VOS). ``vco_max_hz``: None = the PLL's own. The supply a level needs is in the flash timings:
    a level that none names for a VDD does not work there.
    """

    name: str
    max_sysclk_hz: int
    vos: int
    overdrive: bool
    apb1_max_hz: int
    apb2_max_hz: int
    vco_max_hz: int | None = None

    def __post_init__(self) -> None:
        if min(self.max_sysclk_hz, self.apb1_max_hz, self.apb2_max_hz) < 1:
            raise ParameterError(f"regulator level {self.name}: frequencies must be positive")
        if not re.fullmatch(REGULATOR_NAME, self.name):
            raise ParameterError(
                f"regulator level {self.name!r}: a name is like scale1od or range2, clock ids need it so"
            )


@dataclass(frozen=True, slots=True)
class FlashTiming:
    """Greatest HCLK for 0, 1, 2 ... wait states while ``vdd_min_v`` < VDD <= ``vdd_max_v`` at the named levels.

    The lower edge belongs to a board's lowest range only; between two ranges the slower one rules. ``prefetch`` is
    False where the manual forbids prefetching.
    """

    vdd_min_v: float
    vdd_max_v: float
    regulators: tuple[str, ...]
    max_hclk_hz: tuple[int, ...]
    prefetch: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.vdd_min_v < self.vdd_max_v:
            raise ParameterError(f"vdd: {self.vdd_min_v} .. {self.vdd_max_v} V is not a range")
        if not self.max_hclk_hz or self.max_hclk_hz[0] < 1 or any(b <= a for a, b in pairwise(self.max_hclk_hz)):
            raise ParameterError(f"max_hclk must rise with the wait states, got {self.max_hclk_hz} Hz")

    def wait_states(self, hclk_hz: float | Fraction) -> int | None:
        """Return the least wait states for ``hclk_hz``, None where it is too fast for any."""
        return next((ws for ws, limit in enumerate(self.max_hclk_hz) if hclk_hz <= limit), None)


@dataclass(frozen=True, slots=True)
class ClockLimits:
    """Everything that bounds a clock configuration. ``levels`` are in order of preference, the thriftiest first.

    ``flash_wait_states_max`` is the most that the flash's register takes. ``accelerators`` are those the MCU has,
    ``default_accelerators`` those switched on unless asked otherwise.
    """

    oscillators: tuple[OscillatorSpec, ...]
    pll: PllLimits
    levels: tuple[RegulatorLevel, ...]
    flash: tuple[FlashTiming, ...]
    flash_wait_states_max: int
    ahb_dividers: tuple[int, ...]
    apb_dividers: tuple[int, ...]
    accelerators: frozenset[Accelerator]
    default_accelerators: frozenset[Accelerator]

    def __post_init__(self) -> None:
        if not (self.oscillators and self.levels and self.flash):
            raise ParameterError("clock limits need oscillators, regulator levels and flash timings")
        for name, dividers in (("ahb_dividers", self.ahb_dividers), ("apb_dividers", self.apb_dividers)):
            if not dividers or dividers[0] < 1 or any(b <= a for a, b in pairwise(dividers)):
                raise ParameterError(f"{name} must be positive and rise, got {dividers}")
        names = [level.name for level in self.levels]
        if (index := _repeated(names)) is not None:
            raise ParameterError(f"levels[{index}].name: {names[index]} is there twice")
        for index, timing in enumerate(self.flash):
            for name in timing.regulators:
                if name not in names:
                    known = ", ".join(names)
                    raise ParameterError(f"flash[{index}].regulators: {name!r} is not a regulator level ({known})")
            if len(timing.max_hclk_hz) - 1 > self.flash_wait_states_max:
                raise ParameterError(
                    f"flash[{index}].max_hclk needs {len(timing.max_hclk_hz) - 1} wait states, "
                    f"there are at most {self.flash_wait_states_max}"
                )
        if not self.default_accelerators <= self.accelerators:
            extra = ", ".join(sorted(self.default_accelerators - self.accelerators))
            raise ParameterError(f"accelerators on by default that the MCU lacks: {extra}")

    @property
    def vdd_range_v(self) -> tuple[float, float]:
        """Least and greatest supply voltage for which anything is known."""
        return min(t.vdd_min_v for t in self.flash), max(t.vdd_max_v for t in self.flash)

    def level(self, name: str) -> RegulatorLevel:
        """Return the regulator level ``name``. Raises UnknownName."""
        for level in self.levels:
            if level.name == name:
                return level
        raise UnknownName.among("regulator level", name, [level.name for level in self.levels])

    def flash_timing(self, level: str, vdd_v: float) -> FlashTiming | None:
        """Return the timing that holds at ``level`` and ``vdd_v``, None where the flash may not be used so."""
        lowest_v = self.vdd_range_v[0]
        for timing in self.flash:
            above = timing.vdd_min_v < vdd_v or vdd_v == timing.vdd_min_v == lowest_v
            if above and vdd_v <= timing.vdd_max_v and level in timing.regulators:
                return timing
        return None

    def oscillator(self, oscillator: Oscillator) -> OscillatorSpec:
        """Return the board's ``oscillator``. Raises UnknownName."""
        for spec in self.oscillators:
            if spec.oscillator is oscillator:
                return spec
        raise UnknownName.among("oscillator", str(oscillator), [str(spec.oscillator) for spec in self.oscillators])


@dataclass(frozen=True, slots=True)
class TriggerPin:
    """The GPIO output that marks a window for the current probe: port "A" .. "K", pin 0 .. 15, and where it is."""

    port: str
    pin: int
    connector: str

    def __post_init__(self) -> None:
        if len(self.port) != 1 or self.port not in "ABCDEFGHIJK" or not 0 <= self.pin <= 15:
            raise ParameterError(f"no such GPIO: port {self.port!r}, pin {self.pin}")

    @property
    def port_index(self) -> int:
        """0 for port A, 1 for port B ..."""
        return ord(self.port) - ord("A")

    def __str__(self) -> str:
        return f"P{self.port}{self.pin}"


@dataclass(frozen=True, slots=True)
class TypicalCurrent:
    """Typical supply current of the MCU running from flash, peripherals off, as its data sheet has it."""

    hclk_hz: int
    current_a: float


@dataclass(frozen=True, slots=True)
class Board:
    """One described board. ``name`` is what the user types, ``product`` what is printed on the box.

    ``family`` picks the firmware's clock template and the virtual peripherals, ``pyocd_target`` pyOCD's target.
    ``clocks_hz`` are the clocks measured by default. ``typical_currents`` rise in ``hclk_hz``. ``documents``: (short
    name, title) pairs.
    """

    name: str
    product: str
    mcu: str
    core: str
    family: str
    pyocd_target: str
    vdd_v: float
    idd_jumper: str
    trigger_pin: TriggerPin
    identity: Identity
    memory: tuple[MemoryRegion, ...]
    limits: ClockLimits
    clocks_hz: tuple[int, ...]
    typical_currents: tuple[TypicalCurrent, ...]
    documents: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        low_v, high_v = self.limits.vdd_range_v
        if not low_v <= self.vdd_v <= high_v:
            raise ParameterError(f"vdd {self.vdd_v} V is not within {low_v} .. {high_v} V")
        names = [region.name for region in self.memory]
        if (index := _repeated(names)) is not None:
            raise ParameterError(f"memory region {names[index]} is there twice")
        by_address = sorted(self.memory, key=lambda region: region.base)
        for lower, upper in pairwise(by_address):
            if lower.end > upper.base:
                raise ParameterError(
                    f"memory.{upper.name} begins at {upper.base:#010x}, before {lower.name} ends at {lower.end:#010x}"
                )
        for needed in ("flash", "sram"):
            if needed not in names:
                raise ParameterError(f"memory has no region named {needed!r}, got {', '.join(names) or 'none'}")
        if not self.clocks_hz or min(self.clocks_hz) < 1:
            raise ParameterError(f"clocks must be positive, got {self.clocks_hz}")
        if (index := _repeated(self.clocks_hz)) is not None:
            raise ParameterError(f"clocks[{index}]: {self.clocks_hz[index]} Hz is there twice")
        currents = self.typical_currents
        if not currents or any(b.hclk_hz <= a.hclk_hz for a, b in pairwise(currents)):
            raise ParameterError("typical_currents must be there and rise in frequency")
        if any(not (math.isfinite(c.current_a) and c.current_a > 0) for c in currents):
            raise ParameterError("typical_currents must be positive")

    def region(self, name: str) -> MemoryRegion:
        """Return the memory region ``name``. Raises UnknownName."""
        for region in self.memory:
            if region.name == name:
                return region
        raise UnknownName.among("memory region", name, [region.name for region in self.memory])

    @property
    def flash(self) -> MemoryRegion:
        """The flash that code runs from."""
        return self.region("flash")

    @property
    def sram(self) -> MemoryRegion:
        """The RAM for data and stack."""
        return self.region("sram")

    @property
    def harness_ram(self) -> MemoryRegion:
        """The RAM for stack, mailbox and variables: "dtcm" where there is one, as no cache hides it from a debugger, else the SRAM."""
        return next((region for region in self.memory if region.name == "dtcm"), self.sram)

    def expected_current_a(self, hclk_hz: float) -> float:
        """Return the typical supply current at ``hclk_hz``, linear between the data sheet's points.

        Below the lowest point it is the lowest point's: meant for choosing a probe's range, not for estimates. Raises
        ParameterError above the highest point, and for anything not positive.
        """
        points = self.typical_currents
        if not 0 < hclk_hz <= points[-1].hclk_hz:
            known = f"only up to {points[-1].hclk_hz / 1e6:g} MHz"
            raise ParameterError(f"{self.name}: no typical current is known at {hclk_hz / 1e6:g} MHz, {known}")
        if hclk_hz <= points[0].hclk_hz:
            return points[0].current_a
        low, high = next((a, b) for a, b in pairwise(points) if hclk_hz <= b.hclk_hz)
        share = (hclk_hz - low.hclk_hz) / (high.hclk_hz - low.hclk_hz)
        return low.current_a + share * (high.current_a - low.current_a)


def _repeated(values: Sequence[object]) -> int | None:
    """Return the index of the first value that was there before, None where all differ."""
    return next((index for index, value in enumerate(values) if value in values[:index]), None)
