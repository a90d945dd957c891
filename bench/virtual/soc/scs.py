"""System control space of an Armv7-M core as registers: SCB, NVIC, SysTick, FPU context, over the core's SystemControl state.

Armv7-M Architecture Reference Manual DDI 0403E: SCB B3.2, SysTick B3.3, NVIC B3.4; feature registers: Cortex-M4 TRM DDI 0439 table 4-1.
SysTick exists but cannot count: firmware under measurement runs without it, and enabling it is refused. There is no MPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bench.virtual.cpu import SystemControl
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.debug_components import identification
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0xE000E000
IRQ_WORDS = 4
"""STM32F446: 97 interrupts (RM0390 10.1.3), so four words of 32."""

_PENDSV, _SYSTICK, _NMI = 14, 15, 2
_VECTKEY = 0x05FA
_SLEEPDEEP = 1 << 2
_RO = 0


class Core(Protocol):
    """What the system control space needs of the core."""

    system: SystemControl

    def read_register(self, name: str | int) -> int:
        """Read a core register."""
        ...


class SystemControlSpace:
    """SCS registers except the debug ones, which `bench.virtual.soc.core_debug` adds to the same block."""

    def __init__(self, core: Core, diagnoses: Diagnoses, system_reset: Callable[[], None], core_reset: Callable[[], None],
                 debug_registers: list[tuple[int, Register]], cpuid: int, features: Mapping[int, int]) -> None:  # fmt: skip
        self._core = core
        self._system = core.system
        self._diagnoses = diagnoses
        self._system_reset = system_reset
        self._core_reset = core_reset
        registers = self._nvic() + self._scb() + self._systick() + debug_registers
        registers.append((0xD00, Register("CPUID", cpuid, writable=_RO)))
        registers += [(offset, Register(f"ID_{offset:03X}", value, writable=_RO)) for offset, value in features.items()]
        self.peripheral = Peripheral("SCS", BASE, [*registers, *identification(0x00000004_000BB00C)])

    def _state(self, name: str, attribute: str, *, clear_by_one: bool = False) -> Register:
        """A register that is an attribute of the core's system control."""

        def write(_: int, new: int) -> int:
            setattr(self._system, attribute, getattr(self._system, attribute) & ~new if clear_by_one else new)
            return 0

        return Register(name, on_read=lambda _: int(getattr(self._system, attribute)), on_write=write)

    def _members(self, name: str, word: int, members: str, on_ones: Callable[[int], None] | None) -> Register:
        """One word of an interrupt bit set; ``on_ones`` is called with the exception number of every bit written as 1."""
        first = 16 + 32 * word

        def read(_: int) -> int:
            return sum(1 << number - first for number in getattr(self._system, members) if first <= number < first + 32)

        def write(_: int, new: int) -> int:
            for bit in range(32):
                if on_ones is not None and new >> bit & 1:
                    on_ones(first + bit)
            return 0

        return Register(name, on_read=read, on_write=write)

    def _priorities(self, name: str, first: int) -> Register:
        """Four priority bytes from exception number ``first`` on; only the implemented upper bits are kept."""
        mask = (0xFF << (8 - self._system.priority_bits) & 0xFF) * 0x01010101

        def write(_: int, new: int) -> int:
            self._system.priority[first : first + 4] = (new & mask).to_bytes(4, "little")
            self._system.on_change()
            return new & mask

        return Register(
            name, on_read=lambda _: int.from_bytes(self._system.priority[first : first + 4], "little"), on_write=write
        )

    def _nvic(self) -> list[tuple[int, Register]]:
        system = self._system
        registers = [
            (0x004, Register("ICTR", IRQ_WORDS - 1, writable=_RO)),
            (0x008, Register("ACTLR", 0, writable=0x307)),
        ]
        for word in range(IRQ_WORDS):
            registers += [
                (0x100 + 4 * word, self._members(f"ISER{word}", word, "enabled", system.enable)),
                (0x180 + 4 * word, self._members(f"ICER{word}", word, "enabled", system.disable)),
                (0x200 + 4 * word, self._members(f"ISPR{word}", word, "pending", system.pend)),
                (0x280 + 4 * word, self._members(f"ICPR{word}", word, "pending", system.unpend)),
                (0x300 + 4 * word, self._members(f"IABR{word}", word, "active", None)),
            ]
        registers += [(0x400 + 4 * i, self._priorities(f"IPR{i}", 16 + 4 * i)) for i in range(8 * IRQ_WORDS)]
        registers.append((0xF00, Register("STIR", on_read=lambda _: 0, on_write=self._write_stir)))
        return registers

    def _scb(self) -> list[tuple[int, Register]]:
        return [
            (0xD04, Register("ICSR", on_read=self._read_icsr, on_write=self._write_icsr)),
            (0xD08, Register("VTOR", on_read=lambda _: self._system.vtor, on_write=self._write_vtor)),
            (
                0xD0C,
                Register(
                    "AIRCR", on_read=lambda _: 0xFA050000 | self._system.prigroup << 8, on_write=self._write_aircr
                ),
            ),
            (0xD10, Register("SCR", on_read=lambda _: self._system.scr, on_write=self._write_scr)),
            (0xD14, self._state("CCR", "ccr")),
            (0xD18, self._priorities("SHPR1", 4)),
            (0xD1C, self._priorities("SHPR2", 8)),
            (0xD20, self._priorities("SHPR3", 12)),
            (0xD24, self._state("SHCSR", "shcsr")),
            (0xD28, self._state("CFSR", "cfsr", clear_by_one=True)),
            (0xD2C, self._state("HFSR", "hfsr", clear_by_one=True)),
            (0xD30, self._state("DFSR", "dfsr", clear_by_one=True)),
            (0xD34, self._state("MMFAR", "mmfar")),
            (0xD38, self._state("BFAR", "bfar")),
            (0xD3C, Register("AFSR", 0, writable=_RO)),
            (0xD88, self._state("CPACR", "cpacr")),
            (0xF34, self._state("FPCCR", "fpccr")),
            (0xF38, self._state("FPCAR", "fpcar")),
            (0xF3C, self._state("FPDSCR", "fpdscr")),
        ]

    def _systick(self) -> list[tuple[int, Register]]:
        return [
            (0x010, Register("SYST_CSR", 4, on_write=self._write_systick)),
            (0x014, Register("SYST_RVR", 0, writable=0xFFFFFF)),
            (0x018, Register("SYST_CVR", 0, on_write=lambda *_: 0)),
            (0x01C, Register("SYST_CALIB", 0x40000000 | 18750, writable=_RO)),
        ]

    def _write_systick(self, _: int, new: int) -> int:
        if new & 3:
            self._diagnoses.refuse(
                "SysTick is not modelled and must stay off: a running tick disturbs every measurement (DDI 0403E B3.3)"
            )
        return new & 4

    def _write_stir(self, _: int, new: int) -> int:
        self._system.pend(16 + (new & 0x1FF))
        return 0

    def _read_icsr(self, _: int) -> int:
        pending = self._system.pending
        external = any(number >= 16 for number in pending)
        value = self._core.read_register("xpsr") & 0x1FF
        value |= min(pending, default=0) << 12 | external << 22
        return value | (_SYSTICK in pending) << 26 | (_PENDSV in pending) << 28 | (_NMI in pending) << 31

    def _write_icsr(self, _: int, new: int) -> int:
        for set_bit, clear_bit, number in ((28, 27, _PENDSV), (26, 25, _SYSTICK), (31, None, _NMI)):
            if new >> set_bit & 1:
                self._system.pend(number)
            elif clear_bit is not None and new >> clear_bit & 1:
                self._system.unpend(number)
        return 0

    def _write_vtor(self, _: int, new: int) -> int:
        if new & 0x1FF:
            self._diagnoses.refuse(
                f"SCB_VTOR = {new:#010x}: 113 vectors need an alignment of 512 bytes (DDI 0403E B3.2.5)"
            )
        self._system.vtor = new
        return 0

    def _write_scr(self, _: int, new: int) -> int:
        if new & _SLEEPDEEP:
            self._diagnoses.refuse("SCB_SCR.SLEEPDEEP: Stop and Standby are not modelled (RM0390 5.3)")
        self._system.scr = new & 0x1E
        return 0

    def _write_aircr(self, _: int, new: int) -> int:
        if new >> 16 != _VECTKEY:
            return 0
        self._system.prigroup = new >> 8 & 7
        if new & 1 << 1:
            self._system.active.clear()
            self._system.on_change()
        if new & 1 << 2:
            self._system_reset()
        elif new & 1 << 0:
            self._core_reset()
        return 0
