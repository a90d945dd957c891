"""Supply current of a virtual microcontroller from its operating state and from what its core executes.

    I = static + PLL + core voltage / reference voltage * (charges of what happens in a second)

What happens: clock cycles, instructions, floating-point operations on top, flash lines read. The charges of a microcontroller are in
``supply_data/``, made by ``benchmarks/supply_fit.py``; docs/supply-current.md says from what, and how good they are.

The core is fed by a linear regulator: its input current is the core's own, so it is proportional to the core voltage (a power would be to
its square) and hardly depends on VDD. As charges are summed, the energy of a window does not depend on how finely it is looked at.

Estimates, not fitted: sleep (the core's clock gated, flash and buses on), reset, a debugger attached, and the cost of the DBGMCU low-power
bits (an observation published for other STM32).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Protocol

from bench.virtual.cpu import Activity as Work
from bench.virtual.cpu import InstructionClass


class Activity(Enum):
    """What the core is doing."""

    RUN = "run"
    SLEEP = "sleep"
    HALTED = "halted"
    RESET = "reset"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class OperatingState:
    """All that the supply current depends on but the code. Clocks in Hz; ``voltage_scale`` as the MCU numbers its scales or ranges (1 is fast);
    ``over_drive`` also stands for an L4+'s boost; ``flash_cache`` = all caches on."""

    activity: Activity
    hclk_hz: float
    source: str
    voltage_scale: int
    over_drive: bool
    wait_states: int
    prefetch: bool
    flash_cache: bool
    debug_powered: bool
    low_power_debug: bool


@dataclass(frozen=True, slots=True)
class Mix:
    """What happens in one core cycle, on average: instructions, floating-point operations among them, flash lines fetched for code and reads for data,
    and bytes of code (for where lines are not followed)."""

    instructions: float
    float_operations: float
    instruction_fills: float
    data_fills: float
    code_bytes: float

    @classmethod
    def of(cls, work: Work) -> Mix:
        """The mix of ``work``. Raises ValueError where no cycle has passed."""
        if work.cycles <= 0:
            raise ValueError(f"{work.cycles} cycles have no mix of instructions")
        floats = sum(
            work[kind] for kind in (InstructionClass.FP, InstructionClass.FP_MULTIPLY, InstructionClass.FP_DIVIDE)
        )
        counts = (
            work.instructions,
            floats,
            work.instruction_fills,
            work.data_fills,
            work[InstructionClass.FETCHED_BYTES],
        )
        return cls(*(count / work.cycles for count in counts))


#: For a state without a history: a loop over arrays.
TYPICAL = Mix(instructions=0.63, float_operations=0.0, instruction_fills=0.0, data_fills=0.0, code_bytes=2.0)


class CurrentModel(Protocol):
    """Gives the mean supply current over a span of constant state."""

    def current_a(self, state: OperatingState, mix: Mix = TYPICAL) -> float:
        """Return the supply current [A] drawn in ``state``, the core running ``mix``."""
        ...


@dataclass(frozen=True, slots=True)
class Charges:
    """One microcontroller's coefficients: currents [A], charges [C] at ``reference_v`` volts on the core.

    ``fill_c`` is what a code line that misses costs, with all the prefetch reads around it; ``slow_fill_c`` the same up to
    ``slow_wait_states`` wait states; ``read_c`` one plain read of a flash line, of ``line_bytes``. ``core_v`` is by voltage scale, with
    "boost" appended to it where a boost raises the voltage.
    """

    static_a: float
    pll_a: float
    cycle_c: float
    instruction_c: float
    float_c: float
    fill_c: float
    slow_fill_c: float
    read_c: float
    sleep_static_a: float
    sleep_cycle_c: float
    reset_a: float
    debug_a: float
    low_power_debug_a: float
    slow_wait_states: int
    line_bytes: int
    reference_v: float
    core_v: Mapping[str, float]

    def __post_init__(self) -> None:
        negative = [name for name in self.__slots__ if name != "core_v" and getattr(self, name) < 0]
        if negative:
            raise ValueError(f"supply coefficients {', '.join(negative)} are negative; currents and charges are not")

    def volts(self, state: OperatingState) -> float:
        """The core voltage in ``state``."""
        boosted = f"{state.voltage_scale}boost"
        return self.core_v[boosted if state.over_drive and boosted in self.core_v else str(state.voltage_scale)]


@dataclass(frozen=True, slots=True)
class ChargeModel:
    """The model described at the top of this module; it has no state."""

    charges: Charges

    def current_a(self, state: OperatingState, mix: Mix = TYPICAL) -> float:
        """Return the supply current [A] drawn in ``state``, the core running ``mix`` where it runs."""
        charges = self.charges
        if state.activity is Activity.OFF:
            return 0.0
        extra_a = charges.debug_a * state.debug_powered + charges.low_power_debug_a * state.low_power_debug
        if state.activity is Activity.RESET:
            return charges.reset_a + extra_a
        extra_a += charges.pll_a * state.source.startswith("pll")
        scaled_hz = state.hclk_hz * charges.volts(state) / charges.reference_v
        if state.activity is not Activity.RUN:
            return charges.sleep_static_a + charges.sleep_cycle_c * scaled_hz + extra_a
        return charges.static_a + self.cycle_c(state, mix) * scaled_hz + extra_a

    def cycle_c(self, state: OperatingState, mix: Mix) -> float:
        """Charge [C] of a mean cycle of ``mix``, at the reference voltage."""
        charges = self.charges
        core_c = charges.cycle_c + charges.instruction_c * mix.instructions + charges.float_c * mix.float_operations
        return core_c + self._flash_c(state, mix)

    def _flash_c(self, state: OperatingState, mix: Mix) -> float:
        charges = self.charges
        data_c = charges.read_c * mix.data_fills
        if not state.flash_cache:  # every line is read; without wait states nobody counts them
            lines = mix.instruction_fills if state.wait_states else mix.code_bytes / charges.line_bytes
            return data_c + charges.read_c * lines
        if state.wait_states <= charges.slow_wait_states:
            return data_c + charges.slow_fill_c * mix.instruction_fills
        fill_c = charges.fill_c if state.prefetch else min(charges.fill_c, charges.read_c)
        return data_c + fill_c * mix.instruction_fills


@cache
def charges_of(mcu: str) -> Charges:
    """The coefficients of ``mcu``, a file in ``supply_data``. Raises FileNotFoundError where there is none."""
    text = files("bench.virtual").joinpath("supply_data", f"{mcu}.toml").read_text(encoding="utf-8")
    return Charges(**tomllib.loads(text))


def model_of(mcu: str) -> ChargeModel:
    """The current model of ``mcu``, for instance ``stm32f446``."""
    return ChargeModel(charges_of(mcu))
