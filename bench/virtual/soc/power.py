"""Power control (PWR) of the STM32F446: regulator voltage scale and over-drive.

Registers: RM0390 rev 6 section 5.4. Over-drive sequence: section 5.1.4. Stop and Standby are not modelled.
"""

from __future__ import annotations

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40007000

_VOS = 3 << 14
_ODEN = 1 << 16
_ODSWEN = 1 << 17
_VOSRDY = 1 << 14
_ODRDY = 1 << 16
_ODSWRDY = 1 << 17
_DBP = 1 << 8
_PLAIN = _DBP | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 20 | 1 << 21
"""DBP, FPDS, LPUDS, MRUDS, ADCDC1, FMSSR, FISSR: stored, they act in modes that are not modelled."""

VOS_READY_S = 40e-6
OD_READY_S = 45e-6
OD_SWITCH_S = 45e-6
"""Regulator times: DS10693 rev 10 tables 20 and 21, rounded."""


class Power:
    """PWR. ``voltage_scale`` and ``over_drive`` are what the core gets now, not what was asked for."""

    def __init__(self, time: Time, diagnoses: Diagnoses) -> None:
        self._time = time
        self._diagnoses = diagnoses
        self._pll_on_s: float | None = None
        self._od_s: float | None = None
        self._odsw_s: float | None = None
        self.system_runs_on_pll = False
        self._cr = Register("CR", 0x0000C000, on_write=self._write_cr)
        self._csr = Register("CSR", 0, writable=1 << 8 | 1 << 9, on_read=self._read_csr)
        self.peripheral = Peripheral("PWR", BASE, [(0x00, self._cr), (0x04, self._csr)])

    def reset(self) -> None:
        """System reset: scale 1 asked for, over-drive off."""
        self.peripheral.reset()
        self._pll_on_s = self._od_s = self._odsw_s = None
        self.system_runs_on_pll = False

    def pll_switched(self, on: bool) -> None:
        """The main PLL was turned on or off: the voltage scale asked for is active only while it is on (RM0390 5.1.3)."""
        self._pll_on_s = self._time.now_s if on else None

    @property
    def voltage_scale(self) -> int:
        """The regulator's scale now: 1, 2 or 3; 3 while the PLL is off or the regulator has not settled."""
        if not self._passed(self._pll_on_s, VOS_READY_S):
            return 3
        return {1: 3, 2: 2, 3: 1}[(self._cr.value & _VOS) >> 14]

    @property
    def over_drive(self) -> bool:
        """Whether the regulator is in over-drive now."""
        return self._passed(self._odsw_s, OD_SWITCH_S)

    def _passed(self, since_s: float | None, delay_s: float) -> bool:
        return since_s is not None and self._time.now_s >= since_s + delay_s

    def _read_csr(self, stored: int) -> int:
        value = stored
        if self._passed(self._pll_on_s, VOS_READY_S):
            value |= _VOSRDY
        if self._passed(self._od_s, OD_READY_S):
            value |= _ODRDY
        if self.over_drive:
            value |= _ODSWRDY
        return value

    def _write_cr(self, old: int, new: int) -> int:
        changed = old ^ new
        if changed & ~(_VOS | _ODEN | _ODSWEN | _PLAIN | 0xC):
            self._diagnoses.refuse(
                f"PWR_CR = {new:#010x}: a low-power mode, PVD or under-drive bit that is not modelled (RM0390 5.4.1)"
            )
        if changed & _VOS:
            if self._pll_on_s is not None:
                self._diagnoses.refuse(
                    "PWR_CR.VOS written while the PLL is on; it can be changed only while the PLL is off (RM0390 5.4.1)"
                )
            if not new & _VOS:
                self._diagnoses.refuse("PWR_CR.VOS = 00 is reserved (RM0390 5.4.1)")
        if changed & (_ODEN | _ODSWEN) and self.system_runs_on_pll:
            self._diagnoses.refuse(
                "over-drive switched while the PLL is the system clock; select HSI or HSE first (RM0390 5.1.4)"
            )
        if changed & _ODEN:
            self._od_s = self._time.now_s if new & _ODEN else None
        if changed & _ODSWEN:
            if new & _ODSWEN and not self._passed(self._od_s, OD_READY_S):
                self._diagnoses.refuse("PWR_CR.ODSWEN set before PWR_CSR.ODRDY (RM0390 5.1.4)")
            self._odsw_s = self._time.now_s if new & _ODSWEN else None
        elif new & _ODSWEN and not new & _ODEN:
            self._diagnoses.refuse("PWR_CR.ODEN cleared while ODSWEN is set; clear both at once (RM0390 5.1.4)")
        return new & (_VOS | _ODEN | _ODSWEN | _PLAIN)
