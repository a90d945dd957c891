"""Power control (PWR) of the STM32L4: voltage range of the regulator, and the boost of range 1 on the L4+.

Registers: RM0351 rev 9 section 5.4, RM0432 rev 9 section 5.4. Sequences: RM0351 5.1.7, RM0432 5.1.8. Low-power run, Stop and Standby are
not modelled.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.limits_l4 import BOOST, RANGE_1, RANGE_2
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40007000

_VOS = 3 << 9
_RANGE_1, _RANGE_2 = 1 << 9, 2 << 9
_LPMS, _DBP = 7, 1 << 8
_VOSF = 1 << 10
_R1MODE = 1 << 8

VOS_READY_S = 40e-6
"""From range 2 to range 1: DS11585 rev 11, operating conditions at power-up: t_VOST 20 us typical, 40 us at most."""


class Power:
    """PWR. ``range`` is what the core gets now, not what was asked for. ``changed`` is called after a write that may have changed it;

    it may raise AccessFault when a clock limit is broken.
    """

    def __init__(
        self, time: Time, diagnoses: Diagnoses, manual: str, changed: Callable[[], None], *, has_boost: bool
    ) -> None:
        self._time = time
        self._diagnoses = diagnoses
        self._manual = manual
        self._ready_s = 0.0
        self._cr1 = Register("CR1", _RANGE_1, on_write=self._write_cr1, after_write=changed)
        self._cr5 = Register("CR5", _R1MODE, writable=_R1MODE, after_write=changed)
        registers = [(0x00, self._cr1), (0x14, Register("SR2", 0, writable=0, on_read=self._read_sr2))]
        if has_boost:
            registers.append((0x80, self._cr5))
        self.peripheral = Peripheral("PWR", BASE, registers)

    def reset(self) -> None:
        """System reset: range 1, no boost."""
        self.peripheral.reset()
        self._ready_s = self._time.now_s

    @property
    def range(self) -> str:
        """The voltage range now; range 2 until the regulator has reached range 1."""
        if self._cr1.value & _VOS == _RANGE_2 or self._time.now_s < self._ready_s:
            return RANGE_2
        return RANGE_1 if self._cr5.value & _R1MODE else BOOST

    @property
    def voltage_scale(self) -> int:
        """The voltage range as a number."""
        return 2 if self.range == RANGE_2 else 1

    @property
    def over_drive(self) -> bool:
        """Whether range 1 is boosted."""
        return self.range == BOOST

    def _read_sr2(self, _: int) -> int:
        return _VOSF if self._time.now_s < self._ready_s else 0

    def _write_cr1(self, old: int, new: int) -> int:
        if new & ~(_VOS | _LPMS | _DBP):
            self._diagnoses.refuse(
                f"PWR_CR1 = {new:#x}: low-power run and whatever else is not VOS, DBP or LPMS is not modelled ({self._manual} 5.4.1)"
            )
        if new & _VOS not in (_RANGE_1, _RANGE_2):
            self._diagnoses.refuse(f"PWR_CR1.VOS = {(new & _VOS) >> 9:02b} is forbidden ({self._manual} 5.4.1)")
        if (old ^ new) & _VOS and new & _VOS == _RANGE_1:
            self._ready_s = self._time.now_s + VOS_READY_S
        return new
