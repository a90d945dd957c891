"""Reset and clock control (RCC) of the STM32F446: oscillators, main PLL, clock switch, bus prescalers, peripheral clock gates.

Registers: RM0390 rev 6 section 6.3. The board feeds 8 MHz into OSC_IN (from the ST-LINK's MCO): HSE gets ready in bypass only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.limits import F446, ChipLimits, pll_problem
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40023800
HSI_HZ = 16e6

_HSION, _HSIRDY = 1 << 0, 1 << 1
_HSEON, _HSERDY, _HSEBYP = 1 << 16, 1 << 17, 1 << 18
_PLLON, _PLLRDY = 1 << 24, 1 << 25
_CR_READY = _HSIRDY | _HSERDY | _PLLRDY
_CR_OTHER = 1 << 19 | 1 << 26 | 1 << 28
"""CSSON, PLLI2SON, PLLSAION: not modelled."""

HSI_READY_S = 2.2e-6
HSE_READY_S = 64e-6
PLL_LOCK_S = 150e-6
"""DS10693 rev 10 tables 37-41: HSI start-up typical; the HSE in bypass counts 512 clocks at 8 MHz; PLL lock within its 75-300 us."""

SOURCES = ("hsi", "hse", "pll", "pll_r")
_AHB = {0b1000 + i: d for i, d in enumerate((2, 4, 8, 16, 64, 128, 256, 512))}
_APB = {0b100 + i: d for i, d in enumerate((2, 4, 8, 16))}

_RESET_FLAGS = 0x0E000000
_PINRST, _PORRST, _SFTRST = 1 << 26, 1 << 27, 1 << 28


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks [Hz] as they are now. Timers run at their bus clock, doubled when its prescaler divides (RM0390 6.2)."""

    source: str
    sysclk_hz: float
    hclk_hz: float
    pclk1_hz: float
    pclk2_hz: float
    timer1_hz: float


class Rcc:
    """RCC. ``changed`` is called after every write that may have changed a clock; it may raise AccessFault when a limit is broken."""

    limits: ClassVar[ChipLimits] = F446
    sources: ClassVar[tuple[str, ...]] = SOURCES
    gates: ClassVar[tuple[tuple[int, str, int, int], ...]] = (
        (0x30, "AHB1ENR", 0, 0x606410FF),
        (0x40, "APB1ENR", 0, 0x3FFFC9FF),
        (0x44, "APB2ENR", 0, 0x00C77F33),
    )
    """Offset, name, reset value and writable bits of the clock enable registers."""

    def __init__(self, time: Time, diagnoses: Diagnoses, hse_hz: float, pll_switched: Callable[[bool], None],
                 changed: Callable[[], None]) -> None:  # fmt: skip
        self._time = time
        self._diagnoses = diagnoses
        self._hse_hz = hse_hz
        self._pll_switched = pll_switched
        self._changed = changed
        self._ready_s: dict[int, float | None] = {_HSIRDY: 0.0, _HSERDY: None, _PLLRDY: None}
        self._cr = Register("CR", 0x00000083, on_read=self._read_cr, on_write=self._write_cr)
        self._pllcfgr = Register("PLLCFGR", 0x24003010, on_write=self._write_pllcfgr)
        self._cfgr = Register("CFGR", 0, on_write=self._write_cfgr)
        gates = [(offset, Register(name, reset, writable=bits)) for offset, name, reset, bits in self.gates]
        self.ahb1enr, self.apb1enr = (
            next(gate for _, gate in gates if gate.name == name) for name in ("AHB1ENR", "APB1ENR")
        )
        self._csr = Register("CSR", _RESET_FLAGS, on_write=self._write_csr)
        self.peripheral = Peripheral(
            "RCC", BASE,
            [(0x00, self._cr), (0x04, self._pllcfgr), (0x08, self._cfgr), (0x0C, Register("CIR", 0, writable=0x7F00)),
             *gates, (0x74, self._csr)],
        )  # fmt: skip

    def reset(self, *, software: bool, power_on: bool = False) -> None:
        """System reset: HSI, everything else off. The reset flags in CSR add up until RMVF (RM0390 6.3.21)."""
        flags = _RESET_FLAGS if power_on else self._csr.value | _PINRST | (_SFTRST if software else 0)
        self.peripheral.reset()
        self._csr.value = flags
        self._ready_s = {_HSIRDY: 0.0, _HSERDY: None, _PLLRDY: None}
        if power_on:
            self._ready_s[_HSIRDY] = self._time.now_s

    @property
    def clocks(self) -> Clocks:
        """The clocks that the registers give now."""
        cfgr = self._cfgr.value
        source = self.sources[cfgr & 3]
        sysclk_hz = {"hsi": HSI_HZ, "hse": self._hse_hz}.get(source) or self._pll_hz(source)
        hclk_hz = sysclk_hz / _AHB.get(cfgr >> 4 & 15, 1)
        div1, div2 = _APB.get(cfgr >> 10 & 7, 1), _APB.get(cfgr >> 13 & 7, 1)
        pclk1_hz = hclk_hz / div1
        return Clocks(source, sysclk_hz, hclk_hz, pclk1_hz, hclk_hz / div2, pclk1_hz * (1 if div1 == 1 else 2))

    def _pll_factors(self) -> tuple[float, int, int, int, int, int]:
        value = self._pllcfgr.value
        input_hz = self._hse_hz if value >> 22 & 1 else HSI_HZ
        return input_hz, value >> 6 & 0x1FF, value & 0x3F, 2 * (value >> 16 & 3) + 2, value >> 24 & 15, value >> 28 & 7

    def _pll_hz(self, source: str) -> float:
        input_hz, n, m, p, _, r = self._pll_factors()
        return input_hz / m * n / (r if source == "pll_r" else p)

    def _is_ready(self, flag: int) -> bool:
        ready_s = self._ready_s[flag]
        return ready_s is not None and self._time.now_s >= ready_s

    def _read_cr(self, stored: int) -> int:
        return stored | sum(flag for flag in self._ready_s if self._is_ready(flag))

    def _write_cr(self, old: int, new: int) -> int:
        changed = old ^ new
        refuse = self._diagnoses.refuse
        if new & _CR_OTHER:
            refuse(f"RCC_CR = {new:#010x}: CSS, PLLI2S and PLLSAI are not modelled (RM0390 6.3.1)")
        source = self.sources[self._cfgr.value & 3]
        runs_on_pll = source in ("pll", "pll_r")
        if changed & _HSEBYP and old & _HSEON:
            refuse("RCC_CR.HSEBYP written while the HSE is on (RM0390 6.3.1)")
        pll_input = _HSEON if self._pllcfgr.value >> 22 & 1 else _HSION
        for bit, name, used in (
            (_HSION, "HSI", source == "hsi"),
            (_HSEON, "HSE", source == "hse"),
            (_PLLON, "PLL", runs_on_pll),
        ):
            if changed & bit and not new & bit and (used or (runs_on_pll and bit == pll_input)):
                refuse(f"RCC_CR.{name}ON cleared while the system clock needs it (RM0390 6.3.1)")
        now_s = self._time.now_s
        if changed & _HSION:
            self._ready_s[_HSIRDY] = now_s + HSI_READY_S if new & _HSION else None
        if changed & _HSEON:
            self._ready_s[_HSERDY] = self._hse_start(now_s, new) if new & _HSEON else None
        if changed & _PLLON:
            self._ready_s[_PLLRDY] = self._pll_start(now_s) if new & _PLLON else None
            self._pll_switched(bool(new & _PLLON))
        stored = (old & 0xFF00) | (new & 0x010500F9)
        self._cr.value = stored
        self._changed()
        return stored

    hse_present: Callable[[], bool] = staticmethod(lambda: True)
    """Whether the clock reaches OSC_IN."""

    def _hse_start(self, now_s: float, cr: int) -> float | None:
        if not self.hse_present():
            self._diagnoses.note("RCC_CR.HSEON, but no clock comes in at OSC_IN; HSERDY never comes (RM0390 6.2.1)")
            return None
        if not cr & _HSEBYP:
            self._diagnoses.note(
                "RCC_CR.HSEON without HSEBYP: the board has no crystal, 8 MHz come from the ST-LINK; HSERDY never comes (RM0390 6.2.1)"
            )
            return None
        return now_s + HSE_READY_S

    def _pll_start(self, now_s: float) -> float | None:
        problem = pll_problem(*self._pll_factors(), self.limits)
        input_flag = _HSERDY if self._pllcfgr.value >> 22 & 1 else _HSIRDY
        if problem is None and not self._is_ready(input_flag):
            problem = "the PLL was turned on before its input clock was ready (RM0390 6.2.3)"
        if problem:
            self._diagnoses.note(f"{problem}; PLLRDY never comes")
            return None
        return now_s + PLL_LOCK_S

    def _write_pllcfgr(self, _: int, new: int) -> int:
        if self._cr.value & _PLLON:
            self._diagnoses.refuse("RCC_PLLCFGR written while the PLL is on (RM0390 6.3.2)")
        return new & 0x7F437FFF

    def _write_cfgr(self, old: int, new: int) -> int:
        new_source = new & 3
        if new_source != old & 3:
            flag = (_HSIRDY, _HSERDY, _PLLRDY, _PLLRDY)[new_source]
            if not self._is_ready(flag):
                self._diagnoses.refuse(
                    f"RCC_CFGR.SW selects {self.sources[new_source].upper()} before it is ready (RM0390 6.3.3; the switch would hang or glitch)"
                )
        self._cfgr.value = (new & 0xFFFFFCF0) | new_source | new_source << 2
        self._changed()
        return self._cfgr.value

    def _write_csr(self, old: int, new: int) -> int:
        if new & 1:
            self._diagnoses.refuse("RCC_CSR.LSION: the LSI is not modelled (RM0390 6.3.21)")
        return 0 if new & 1 << 24 else old
