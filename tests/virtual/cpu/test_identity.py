"""The emulated core is a Cortex-M4F, not something later with the same name."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import Cfsr, CortexM4Timing, Cpu, Memory, Region, StopReason, allocate
from tests.virtual.cpu.machine import ENABLE_FPU, FOREVER, Machine

V8M_OR_DOUBLE = {
    "LDA (Armv8-M)": ".inst.w 0xe8d10faf",
    "TT (Armv8-M)": ".inst.w 0xe841f200",
    "SG (Armv8-M)": ".inst.w 0xe97fe97f",
    "VADD.F64": ".inst.w 0xee300b00",
    "VRINTA.F32 (FPv5)": ".inst.w 0xfeb80a40",
    "VSELEQ.F32 (FPv5)": ".inst.w 0xfe000a00",
}


@pytest.mark.parametrize("name", sorted(V8M_OR_DOUBLE))
def test_what_an_m4_lacks_is_undefined(name: str) -> None:
    machine = Machine(f"{ENABLE_FPU} ldr r1, =0x20000000\n {V8M_OR_DOUBLE[name]}\n wfi")
    assert machine.cpu.run(FOREVER) is StopReason.LOCKUP  # no handler in the vector table
    assert machine.cpu.system.cfsr & (Cfsr.UNDEFINSTR | Cfsr.NOCP)


def test_what_an_m4_has_works() -> None:
    source = """
        movs r1, #100
        movs r2, #7
        sdiv r3, r1, r2
        udiv r4, r1, r2
        movw r5, #0x8001
        smulbb r5, r5, r2
        usad8 r6, r1, r2
        mov r7, #3
        vmov s0, r7
        vcvt.f32.s32 s0, s0
        vmov.f32 s1, #2.0
        vfma.f32 s1, s0, s0
        vcvt.s32.f32 s1, s1
        vmov r8, s1
        wfi"""
    machine = Machine(ENABLE_FPU + source)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    values = [machine.register(f"r{number}") for number in (3, 4, 5, 6, 8)]
    assert values == [14, 14, (-32767 * 7) % 2**32, 93, 11]


def test_registers_are_what_the_debugger_expects() -> None:
    cpu = Machine().cpu
    cpu.write_register("s31", 0x3F80_0000)
    cpu.write_register(12, 7)
    assert (cpu.read_register("s31"), cpu.read_register("r12"), cpu.read_register("r15")) == (
        0x3F80_0000,
        7,
        cpu.read_register("pc"),
    )
    assert cpu.read_register("xpsr") == 1 << 24
    for unknown in ("d0", "r16", 16, -1):
        with pytest.raises(KeyError):
            cpu.read_register(unknown)


def test_overlapping_memories_are_refused() -> None:
    ram = allocate(0x1000)
    memory = Memory(0x2000_0000, 0x1000, True, True, ram, "ram")
    with pytest.raises(ValueError, match="overlap"):
        Cpu([memory], [Region(0x2000_0000, 0x400)], Machine(), CortexM4Timing())
    with pytest.raises(ValueError, match="multiple"):
        Memory(0x2000_0010, 0x1000, True, True, ram, "ram")
    with pytest.raises(ValueError, match="size"):
        Memory(0x2000_0000, 0x2000, True, True, ram, "ram")


def test_the_vector_table_may_be_elsewhere_at_reset() -> None:
    machine = Machine("movs r0, #7\n wfi")
    flash = Memory(0x0800_0000, len(machine.flash), True, False, machine.flash, "flash", aliases=(0x0020_0000,))
    ram = Memory(0x2000_0000, 0x8000, True, True, machine.ram, "ram")
    cpu = Cpu([flash, ram], machine.regions, machine, CortexM4Timing(), boot_address=0x0020_0000)
    assert cpu.run(FOREVER) is StopReason.SLEEP
    assert (cpu.read_register("r0"), cpu.system.vtor) == (7, 0x0020_0000)
