"""The 32-bit general-purpose timers TIM2 and TIM5 of the STM32F446 as plain up-counters (RM0390 rev 6 section 17.4)."""

from __future__ import annotations

from collections.abc import Callable

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.registers import WORD, Peripheral, Register

_CEN, _UDIS, _URS, _OPM, _ARPE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 7
_MODELLED = _CEN | _UDIS | _URS | _OPM | _ARPE
_UIF = 1 << 0

_ROUNDING = 0.02
"""Timer clocks: the count is exact to a whole HCLK cycle (1/8 timer clock at the least), time is a float."""


class Timer32:
    """One timer. Its count is worked out from virtual time when somebody looks, and ``next_update_s`` says when to look.

    ``rate_hz`` returns the timer clock; ``sync`` must be called before it changes. ``interrupt(True | False)`` drives the NVIC line.
    """

    def __init__(self, name: str, base: int, time: Time, diagnoses: Diagnoses, rate_hz: Callable[[], float],
                 interrupt: Callable[[bool], None], rescheduled: Callable[[], None]) -> None:  # fmt: skip
        self._name = name
        self._time = time
        self._diagnoses = diagnoses
        self._rate_hz = rate_hz
        self._interrupt = interrupt
        self._rescheduled = rescheduled
        self._clocks = 0.0
        self._synced_s = 0.0
        self._psc_active = 0
        self._arr_active = WORD
        self._cr1 = Register("CR1", 0, on_write=self._write_cr1)
        self._dier = Register("DIER", 0, on_write=self._write_dier)
        self._sr = Register("SR", 0, on_read=self._read_sr, on_write=self._write_sr)
        self._cnt = Register("CNT", 0, on_read=self._read_cnt, on_write=self._write_cnt)
        self._psc = Register("PSC", 0, writable=0xFFFF)
        self._arr = Register("ARR", WORD, on_write=self._write_arr)
        self.peripheral = Peripheral(
            name, base,
            [(0x00, self._cr1), (0x0C, self._dier), (0x10, self._sr),
             (0x14, Register("EGR", 0, on_read=lambda _: 0, on_write=self._write_egr)),
             (0x24, self._cnt), (0x28, self._psc), (0x2C, self._arr)],
        )  # fmt: skip

    def reset(self) -> None:
        """System reset: stopped at 0."""
        self.peripheral.reset()
        self._clocks = 0.0
        self._synced_s = self._time.now_s
        self._psc_active, self._arr_active = 0, WORD

    @property
    def next_update_s(self) -> float | None:
        """When the next update event comes that raises an interrupt; None if none does."""
        if not self._cr1.value & _CEN or self._cr1.value & _UDIS or not self._dier.value & 1 or not self._arr_active:
            return None
        return self._synced_s + (self._period - self._clocks) / self._rate_hz()

    @property
    def _period(self) -> int:
        """Timer clocks from one update to the next."""
        return (self._arr_active + 1) * (self._psc_active + 1)

    def sync(self) -> None:
        """Bring the count, and the update flag, up to now."""
        now_s = self._time.now_s
        elapsed_s, self._synced_s = now_s - self._synced_s, now_s
        if not self._cr1.value & _CEN or not self._arr_active:
            return
        self._clocks += elapsed_s * self._rate_hz()
        if abs(self._clocks - round(self._clocks)) < _ROUNDING:
            self._clocks = float(round(self._clocks))
        if self._clocks < self._period:
            return
        if self._cr1.value & _OPM:
            self._clocks = 0.0
            self._cr1.value &= ~_CEN
        else:
            self._clocks %= self._period
        self._update()

    def _update(self) -> None:
        if self._cr1.value & _UDIS:
            return
        self._psc_active, self._arr_active = self._psc.value, self._arr.value
        self._sr.value |= _UIF
        self._drive()

    def _drive(self) -> None:
        self._interrupt(bool(self._sr.value & self._dier.value & _UIF))

    def _write_cr1(self, _: int, new: int) -> int:
        self.sync()
        if new & ~_MODELLED:
            self._diagnoses.refuse(f"{self._name}_CR1 = {new:#x}: only an up-counter is modelled (RM0390 17.4.1)")
        self._cr1.value = new
        self._rescheduled()
        return new

    def _write_dier(self, _: int, new: int) -> int:
        self.sync()
        if new & ~_UIF:
            self._diagnoses.refuse(
                f"{self._name}_DIER = {new:#x}: only the update interrupt is modelled (RM0390 17.4.4)"
            )
        self._dier.value = new
        self._drive()
        self._rescheduled()
        return new

    def _read_sr(self, _: int) -> int:
        self.sync()
        return self._sr.value

    def _write_sr(self, _: int, new: int) -> int:
        self.sync()
        self._sr.value &= new
        self._drive()
        return self._sr.value

    def _write_egr(self, _: int, new: int) -> int:
        self.sync()
        if new & 1:
            self._clocks = 0.0
            if self._cr1.value & _URS:
                self._psc_active, self._arr_active = self._psc.value, self._arr.value
            else:
                self._update()
            self._rescheduled()
        return 0

    def _read_cnt(self, _: int) -> int:
        self.sync()
        return int(self._clocks / (self._psc_active + 1))

    def _write_cnt(self, _: int, new: int) -> int:
        self.sync()
        self._clocks = float(new * (self._psc_active + 1))
        self._rescheduled()
        return new

    def _write_arr(self, _: int, new: int) -> int:
        self.sync()
        if not self._cr1.value & _ARPE:
            self._arr_active = new
            self._rescheduled()
        return new
