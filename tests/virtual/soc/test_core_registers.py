"""Private peripheral bus: system control, NVIC, cycle counter, breakpoints, halting debug."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import AccessFault
from tests.virtual.soc.soc_fixture import Chip

DHCSR, DCRSR, DCRDR, DEMCR = 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC
KEY = 0xA05F0000
DWT_CTRL, CYCCNT = 0xE0001000, 0xE0001004
FP_CTRL, FP_COMP0 = 0xE0002000, 0xE0002008
AIRCR = 0xE000ED0C
S_HALT, S_RESET_ST, S_RETIRE_ST = 1 << 17, 1 << 25, 1 << 24


def halt(chip: Chip) -> None:
    chip.soc.debug_write(DHCSR, 4, KEY | 3)


def test_cycle_counter_counts_only_when_enabled_and_traced(chip: Chip) -> None:
    chip.write(DWT_CTRL, 1)
    chip.core.cycles += 100
    assert chip.read(CYCCNT) == 0, "TRCENA is off"
    chip.write(DEMCR, 1 << 24)
    chip.write(DWT_CTRL, 1)
    chip.core.cycles += 100
    assert chip.read(CYCCNT) == 100
    chip.write(DEMCR, 0)
    chip.core.cycles += 100
    chip.write(DEMCR, 1 << 24)
    assert chip.read(CYCCNT) == 100
    chip.write(CYCCNT, 0xFFFFFFFF)
    chip.core.cycles += 3
    assert chip.read(CYCCNT) == 2, "wraps"
    chip.write(DWT_CTRL, 0)
    chip.core.cycles += 5
    assert chip.read(CYCCNT) == 2


def test_watchpoints_are_refused(chip: Chip) -> None:
    with pytest.raises(AccessFault):
        chip.write(0xE0001028, 5)


def test_breakpoint_comparators(chip: Chip) -> None:
    chip.write(FP_CTRL, 3)
    chip.write(FP_COMP0, 0x08000100 | 1 << 30 | 1)
    chip.write(FP_COMP0 + 4, 0x08000104 | 2 << 30 | 1)
    assert chip.core.breakpoints == {0x08000100, 0x08000106}
    chip.write(FP_COMP0, 0)
    assert chip.core.breakpoints == {0x08000106}
    chip.write(FP_CTRL, 2)
    assert chip.core.breakpoints == set()
    assert chip.read(FP_CTRL) == 0x260


def test_nvic_bits(chip: Chip) -> None:
    chip.write(0xE000E100, 1 << 28)
    chip.write(0xE000E204, 1 << (50 - 32))
    assert chip.core.system.enabled == {16 + 28}
    assert chip.core.system.pending == {16 + 50}
    assert chip.read(0xE000E180) == 1 << 28
    chip.write(0xE000E180, 1 << 28)
    chip.write(0xE000E284, 1 << (50 - 32))
    assert not chip.core.system.enabled
    assert not chip.core.system.pending
    chip.soc.write(0xE000E400 + 28, 1, 0xFF)
    assert chip.core.system.priority[16 + 28] == 0xF0, "four priority bits"
    assert chip.read(0xE000E004) == 3


def test_fault_status_is_cleared_by_one(chip: Chip) -> None:
    chip.core.system.cfsr = 0x8200
    chip.core.system.hfsr = 1 << 30
    assert chip.read(0xE000ED28) == 0x8200
    chip.write(0xE000ED28, 0x200)
    chip.write(0xE000ED2C, 1 << 30)
    assert chip.read(0xE000ED28) == 0x8000
    assert chip.read(0xE000ED2C) == 0


def test_system_control(chip: Chip) -> None:
    assert chip.read(0xE000ED00) == 0x410FC241
    chip.write(0xE000ED08, 0x20000200)
    assert chip.core.system.vtor == 0x20000200
    chip.write(0xE000ED88, 0xF << 20)
    assert chip.core.system.cpacr == 0xF << 20
    for address, value in ((0xE000ED08, 0x20000100), (0xE000ED10, 4), (0xE000E010, 1), (0xE000ED94, 1)):
        with pytest.raises(AccessFault):
            chip.write(address, value)


def test_software_reset(chip: Chip) -> None:
    resets = chip.core.resets
    chip.write(AIRCR, 0x05FA0004)
    assert chip.core.resets == resets + 1
    assert chip.read(0x40023874) & 1 << 28
    chip.write(AIRCR, 0x00000004)
    assert chip.core.resets == resets + 1, "without the key nothing happens"


def test_halt_registers_resume(chip: Chip) -> None:
    halt(chip)
    assert chip.soc.debug.halted
    assert chip.core.halting_debug
    chip.core.registers["pc"] = 0x08000123
    chip.soc.debug_write(DCRSR, 4, 15)
    assert chip.soc.debug_read(DCRDR, 4) == 0x08000123
    chip.soc.debug_write(DCRDR, 4, 7)
    chip.soc.debug_write(DCRSR, 4, 1 << 16 | 3)
    assert chip.core.registers["r3"] == 7
    chip.soc.debug_write(DCRDR, 4, 0x02_00_40_01)
    chip.soc.debug_write(DCRSR, 4, 1 << 16 | 20)
    assert [chip.core.registers[name] for name in ("primask", "basepri", "faultmask", "control")] == [1, 0x40, 0, 2]
    chip.soc.debug_write(DHCSR, 4, KEY | 1)
    assert not chip.soc.debug.halted


def test_the_core_cannot_halt_itself_and_the_key_is_needed(chip: Chip) -> None:
    chip.write(DHCSR, KEY | 3)
    chip.soc.debug_write(DHCSR, 4, 3)
    assert not chip.soc.debug.enabled


def test_step_does_one_instruction_without_interrupts(chip: Chip) -> None:
    halt(chip)
    chip.core.system.enable(44)
    chip.soc.debug_write(DHCSR, 4, KEY | 0b1101)
    assert chip.soc.debug.step_requested
    chip.soc.debug.step()
    assert chip.core.instructions == 1
    assert chip.soc.debug.halted
    assert chip.core.system.enabled == {44}
    assert chip.soc.debug_read(DHCSR, 4) & S_RETIRE_ST
    assert not chip.soc.debug_read(DHCSR, 4) & S_RETIRE_ST


def test_reset_catch_and_sticky_reset(chip: Chip) -> None:
    halt(chip)
    chip.soc.debug_write(DEMCR, 4, 1)
    chip.soc.debug_write(DHCSR, 4, KEY | 1)
    chip.soc.debug_write(AIRCR, 4, 0x05FA0004)
    assert chip.soc.debug.halted
    status = chip.soc.debug_read(DHCSR, 4)
    assert status & S_HALT
    assert status & S_RESET_ST
    assert not chip.soc.debug_read(DHCSR, 4) & S_RESET_ST


def test_letting_go_resumes(chip: Chip) -> None:
    halt(chip)
    chip.soc.debug_write(DHCSR, 4, KEY)
    assert not chip.soc.debug.halted
    assert not chip.soc.debug.enabled


def test_a_debugger_trying_addresses_leaves_no_diagnosis(chip: Chip) -> None:
    with pytest.raises(AccessFault):
        chip.soc.debug_read(0x40026000, 4)
    assert chip.log.texts == []


def test_rom_table_lists_what_exists(chip: Chip) -> None:
    entries = [chip.read(0xE00FF000 + 4 * i) for i in range(7)]
    bases = [(0xE00FF000 + (entry & 0xFFFFF000)) & 0xFFFFFFFF for entry in entries if entry & 1]
    assert bases == [0xE000E000, 0xE0001000, 0xE0002000]
    for base in (*bases, 0xE00FF000):
        cidr = sum(chip.read(base + 0xFF0 + 4 * i) << 8 * i for i in range(4))
        assert cidr & 0xFFFF0FFF == 0xB105000D
