"""Reset and clock control (RCC) of the STM32L4: MSI, HSI16, HSE, main PLL, clock switch, bus prescalers, peripheral clock gates.

Registers: RM0351 rev 9 section 6.4, RM0432 rev 9 section 6.4. LSI, LSE, HSI48, the SAI PLLs and the clock security system are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.limits_l4 import MHZ, Limits, pll_problem
from bench.virtual.soc.rcc import Clocks
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40021000
HSI_HZ = 16e6
MSI_HZ = (100e3, 200e3, 400e3, 800e3, 1e6, 2e6, 4e6, 8e6, 16e6, 24e6, 32e6, 48e6)
RESET_HZ = MSI_HZ[6]

_MSION, _MSIRDY, _MSIPLLEN, _MSIRGSEL, _MSIRANGE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 0xF << 4
_HSION, _HSIRDY = 1 << 8, 1 << 10
_HSEON, _HSERDY, _HSEBYP = 1 << 16, 1 << 17, 1 << 18
_PLLON, _PLLRDY = 1 << 24, 1 << 25
_CR_STORED = _MSION | _MSIRGSEL | _MSIRANGE | _HSION | _HSEON | _HSEBYP | _PLLON
_CR_READY = _MSIRDY | _HSIRDY | _HSERDY | _PLLRDY
_CR_RESET = 0x00000061
_PLLREN = 1 << 24

_MSI_READY_S = (20e-6, 10e-6, 8e-6, 7e-6, 6e-6, 6e-6, 6e-6, 6e-6, 6e-6, 6e-6, 6e-6, 6e-6)
HSI_READY_S = 1.2e-6
HSE_BYPASS_READY_S = 64e-6
HSE_CRYSTAL_READY_S = 2e-3
PLL_LOCK_S = 40e-6
"""DS11585 rev 11: MSI start-up by range (greatest), HSI16 start-up, 512 clocks of 8 MHz, crystal start-up, PLL lock (greatest)."""

SOURCES = ("msi", "hsi", "hse", "pll")
_READY = {"msi": _MSIRDY, "hsi": _HSIRDY, "hse": _HSERDY, "pll": _PLLRDY}
_AHB = {0b1000 + i: d for i, d in enumerate((2, 4, 8, 16, 64, 128, 256, 512))}
_APB = {0b100 + i: d for i, d in enumerate((2, 4, 8, 16))}
_HPRE = 0xF << 4

MEDIUM_HZ = 80e6
TRANSITION_S = 1e-6
"""L4+: a switch to or from an HCLK above 80 MHz passes through half of it for at least 1 us (RM0432 6.2.9)."""

_RESET_FLAGS = 1 << 26 | 1 << 27
_PINRST, _SFTRST = 1 << 26, 1 << 28
_MSISRANGE_RESET = 6 << 8


@dataclass(frozen=True, slots=True)
class ExternalClock:
    """What the board has at OSC_IN: a clock to be taken in bypass, or a crystal."""

    hz: float
    bypass: bool


class Rcc:
    """RCC. ``changed`` is called after every write that may have changed a clock; it may raise AccessFault when a limit is broken."""

    def __init__(self, time: Time, diagnoses: Diagnoses, limits: Limits, external: ExternalClock,
                 changed: Callable[[], None]) -> None:  # fmt: skip
        self._time = time
        self._diagnoses = diagnoses
        self._limits = limits
        self._external = external
        self._changed = changed
        self._ready_s: dict[int, float | None] = {}
        self._fast_since_s = 0.0
        self._cr = Register("CR", _CR_RESET, on_read=self._read_cr, on_write=self._write_cr)
        self._cfgr = Register("CFGR", 0, on_write=self._write_cfgr)
        self._pllcfgr = Register("PLLCFGR", 0x00001000, on_write=self._write_pllcfgr)
        self.ahb2enr = Register("AHB2ENR", 0)
        self.apb1enr1 = Register("APB1ENR1", 1 << 10)
        self._csr = Register("CSR", _RESET_FLAGS | _MSISRANGE_RESET, on_write=self._write_csr)
        self.peripheral = Peripheral(
            "RCC", BASE,
            [(0x00, self._cr), (0x08, self._cfgr), (0x0C, self._pllcfgr), (0x48, Register("AHB1ENR", 1 << 8)), (0x4C, self.ahb2enr),
             (0x58, self.apb1enr1), (0x60, Register("APB2ENR", 0)), (0x94, self._csr)],
        )  # fmt: skip
        self._start(0.0)

    def _start(self, now_s: float) -> None:
        self._ready_s = {_MSIRDY: now_s, _HSIRDY: None, _HSERDY: None, _PLLRDY: None}

    def reset(self, *, software: bool, power_on: bool = False) -> None:
        """System reset: MSI at 4 MHz, everything else off. The reset flags in CSR add up until RMVF (section 6.4.29)."""
        flags = _RESET_FLAGS if power_on else self._csr.value & ~0xFFF | _PINRST | (_SFTRST if software else 0)
        self.peripheral.reset()
        self._csr.value = flags | _MSISRANGE_RESET
        self._start(self._time.now_s)

    # What the registers give

    @property
    def clocks(self) -> Clocks:
        """The clocks that the registers give now."""
        cfgr = self._cfgr.value
        source = SOURCES[cfgr & 3]
        sysclk_hz = self._pll_hz if source == "pll" else self._oscillator_hz(source)
        hclk_hz = sysclk_hz / _AHB.get(cfgr >> 4 & 15, 1)
        div1, div2 = _APB.get(cfgr >> 8 & 7, 1), _APB.get(cfgr >> 11 & 7, 1)
        pclk1_hz = hclk_hz / div1
        return Clocks(source, sysclk_hz, hclk_hz, pclk1_hz, hclk_hz / div2, pclk1_hz * (1 if div1 == 1 else 2))

    @property
    def vco_hz(self) -> float | None:
        """The PLL's VCO; None while it is off."""
        if not self._cr.value & _PLLON:
            return None
        input_hz, m, n, _ = self._pll_factors()
        return input_hz / m * n

    def _msi_range(self, cr: int) -> int:
        return cr >> 4 & 15 if cr & _MSIRGSEL else self._csr.value >> 8 & 15

    def _oscillator_hz(self, name: str) -> float:
        return {"msi": MSI_HZ[self._msi_range(self._cr.value)], "hsi": HSI_HZ, "hse": self._external.hz}[name]

    def _pll_source(self) -> str | None:
        return (None, "msi", "hsi", "hse")[self._pllcfgr.value & 3]

    def _pll_factors(self) -> tuple[float, int, int, int]:
        value = self._pllcfgr.value
        source = self._pll_source()
        m = (value >> 4 & 15) + 1
        return self._oscillator_hz(source) if source else 0.0, m, value >> 8 & 0x7F, 2 * (value >> 25 & 3) + 2

    @property
    def _pll_hz(self) -> float:
        input_hz, m, n, r = self._pll_factors()
        return input_hz / m * n / r

    def _is_ready(self, flag: int) -> bool:
        ready_s = self._ready_s[flag]
        return ready_s is not None and self._time.now_s >= ready_s

    # CR

    def _read_cr(self, stored: int) -> int:
        return stored | sum(flag for flag in self._ready_s if self._is_ready(flag))

    def _write_cr(self, old: int, new: int) -> int:
        manual = self._limits.manual
        new = new & ~_CR_READY | old & _MSIRGSEL  # a zero written to MSIRGSEL has no effect
        if new & ~_CR_STORED:
            self._diagnoses.refuse(
                f"RCC_CR = {new:#010x}: MSIPLLEN, HSIKERON, HSIASFS, CSSON and the SAI PLLs are not modelled ({manual} 6.4.1)"
            )
        changed = old ^ new
        self._refuse_stopping(changed & ~new)
        if changed & _HSEBYP and old & _HSEON:
            self._diagnoses.refuse(f"RCC_CR.HSEBYP written while the HSE is on ({manual} 6.4.1)")
        now_s = self._time.now_s
        self._write_msi(old, new, now_s)
        if changed & _HSION:
            self._ready_s[_HSIRDY] = now_s + HSI_READY_S if new & _HSION else None
        if changed & _HSEON:
            self._ready_s[_HSERDY] = self._hse_start(now_s, new) if new & _HSEON else None
        if changed & _PLLON:
            self._ready_s[_PLLRDY] = self._pll_start(now_s) if new & _PLLON else None
        self._cr.value = new
        self._changed()
        return new

    def _refuse_stopping(self, stopped: int) -> None:
        source = SOURCES[self._cfgr.value & 3]
        pll_input = self._pll_source() if source == "pll" else None
        for bit, name in ((_MSION, "msi"), (_HSION, "hsi"), (_HSEON, "hse"), (_PLLON, "pll")):
            if stopped & bit and name in (source, pll_input):
                self._diagnoses.refuse(
                    f"RCC_CR.{name.upper()}ON cleared while the system clock needs it ({self._limits.manual} 6.4.1)"
                )

    def _write_msi(self, old: int, new: int, now_s: float) -> None:
        manual = self._limits.manual
        if (old ^ new) & _MSIRANGE:
            if new >> 4 & 15 >= len(MSI_HZ):
                self._diagnoses.refuse(f"RCC_CR.MSIRANGE = {new >> 4 & 15} is not allowed ({manual} 6.4.1)")
            if old & _MSION and not self._is_ready(_MSIRDY):
                self._diagnoses.refuse(
                    f"RCC_CR.MSIRANGE written while the MSI is on and not ready; wait for MSIRDY ({manual} 6.4.1)"
                )
        moved = self._msi_range(old) != self._msi_range(new)
        if moved and self._cr.value & _PLLON and self._pll_source() == "msi":
            self._diagnoses.refuse(
                f"the MSI's range changed while it feeds the PLL; turn the PLL off first ({manual} 6.2.3)"
            )
        if not new & _MSION:
            self._ready_s[_MSIRDY] = None
        elif moved or not old & _MSION:
            self._ready_s[_MSIRDY] = now_s + _MSI_READY_S[self._msi_range(new)]

    def _hse_start(self, now_s: float, cr: int) -> float | None:
        if bool(cr & _HSEBYP) != self._external.bypass:
            there = (
                "an external clock, to be taken with HSEBYP set"
                if self._external.bypass
                else "a crystal, not a clock for bypass"
            )
            self._diagnoses.note(
                f"RCC_CR.HSEON: the board has {there}; HSERDY never comes ({self._limits.manual} 6.2.1)"
            )
            return None
        return now_s + (HSE_BYPASS_READY_S if self._external.bypass else HSE_CRYSTAL_READY_S)

    def _pll_start(self, now_s: float) -> float | None:
        source = self._pll_source()
        input_hz, m, n, _ = self._pll_factors()
        if source is None:
            problem: str | None = f"the PLL was turned on without a source (PLLSRC = 0, {self._limits.manual} 6.4.4)"
        elif not self._is_ready(_READY[source]):
            problem = f"the PLL was turned on before its input clock was ready ({self._limits.manual} 6.2.5)"
        else:
            problem = pll_problem(input_hz, m, n, self._limits)
        if problem:
            self._diagnoses.note(f"{problem}; PLLRDY never comes")
            return None
        return now_s + PLL_LOCK_S

    def _write_pllcfgr(self, old: int, new: int) -> int:
        manual = self._limits.manual
        outputs = _PLLREN | 1 << 20 | 1 << 16
        if self._cr.value & _PLLON and (old ^ new) & ~outputs:
            self._diagnoses.refuse(f"RCC_PLLCFGR written while the PLL is on ({manual} 6.4.4)")
        if SOURCES[self._cfgr.value & 3] == "pll" and not new & _PLLREN:
            self._diagnoses.refuse(f"RCC_PLLCFGR.PLLREN cleared while the PLL is the system clock ({manual} 6.4.4)")
        return new

    # CFGR

    def _write_cfgr(self, old: int, new: int) -> int:
        source, before = SOURCES[new & 3], self.clocks
        if (old ^ new) & 3:
            self._refuse_unready(source)
        self._cfgr.value = (new & ~0xF) | (new & 3) | (new & 3) << 2
        after = self.clocks
        if self._limits.manual == "RM0432":
            self._check_transition(old, new, before.hclk_hz, after)
        self._changed()
        return self._cfgr.value

    def _refuse_unready(self, source: str) -> None:
        manual = self._limits.manual
        if not self._is_ready(_READY[source]):
            self._diagnoses.refuse(
                f"RCC_CFGR.SW selects {source.upper()} before it is ready ({manual} 6.4.3; the switch would hang or glitch)"
            )
        if source == "pll" and not self._pllcfgr.value & _PLLREN:
            self._diagnoses.refuse(f"RCC_CFGR.SW selects the PLL while its output is off (PLLREN, {manual} 6.4.4)")

    def _check_transition(self, old: int, new: int, before_hz: float, after: Clocks) -> None:
        advice = f"pass through half of it (HPRE = /2) for {TRANSITION_S * 1e6:g} us (RM0432 6.2.9)"
        if (old ^ new) & 3:
            for hz in (before_hz, after.hclk_hz):
                if hz > MEDIUM_HZ:
                    self._diagnoses.refuse(f"the clock switched directly to or from HCLK {hz / MHZ:g} MHz; {advice}")
            self._fast_since_s = self._time.now_s
        elif (old ^ new) & _HPRE and after.hclk_hz > MEDIUM_HZ and self._time.now_s < self._fast_since_s + TRANSITION_S:
            passed_us = (self._time.now_s - self._fast_since_s) * 1e6
            self._diagnoses.refuse(
                f"HCLK raised to {after.hclk_hz / MHZ:g} MHz {passed_us:.2g} us after the switch; {advice}"
            )

    def _write_csr(self, old: int, new: int) -> int:
        if new & 1:
            self._diagnoses.refuse(f"RCC_CSR.LSION: the LSI is not modelled ({self._limits.manual} 6.4.29)")
        return _MSISRANGE_RESET if new & 1 << 23 else old
