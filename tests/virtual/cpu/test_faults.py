"""Every fault is a real exception: frame, status registers, escalation, lockup."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import Cfsr, CortexM4Timing, Hfsr, StopReason
from bench.virtual.cpu.system import CCR_DIV_0_TRP, CCR_UNALIGN_TRP
from bench.virtual.cpu.timing_m7 import CortexM7Timing
from tests.virtual.cpu.machine import (
    CODE,
    ENABLE_FPU,
    FLASH,
    FOREVER,
    RAM_BYTES,
    REFUSED,
    STACK,
    Machine,
    assemble,
)

HANDLER = FLASH + 0x1000
HARD, MEM, BUS, USAGE, SVC = 3, 4, 5, 6, 11
LATE = "nop\n nop\n"


def faulting(source: str, *, enable: bool = True, handler: str = "bkpt", ccr: int = 0) -> Machine:
    machine = Machine(source, dict.fromkeys((HARD, MEM, BUS, USAGE, SVC), HANDLER))
    machine.put(handler, HANDLER)
    machine.cpu.system.shcsr = 0x0007_0000 if enable else 0
    machine.cpu.system.ccr |= ccr
    return machine


def frame(machine: Machine) -> list[int]:
    pointer = machine.register("sp")
    return [machine.word(pointer + 4 * number) for number in range(8)]


SOURCES = {
    "undefined": ("udf #1", USAGE, Cfsr.UNDEFINSTR, None),
    "coprocessor": ("mcr p15, 0, r0, c1, c0, 0", USAGE, Cfsr.NOCP, None),
    "fpu off": ("vadd.f32 s0, s0, s0", USAGE, Cfsr.NOCP, None),
    "fpu load off": ("vldr s0, [sp]", USAGE, Cfsr.NOCP, None),
    "bus refuses a read": ("ldr r0, [r1, #4]!", BUS, Cfsr.PRECISERR | Cfsr.BFARVALID, REFUSED),
    "bus refuses a write": ("str r0, [r2], #4", BUS, Cfsr.PRECISERR | Cfsr.BFARVALID, REFUSED),
    "unmapped read": ("ldrb r0, [r3]", BUS, Cfsr.PRECISERR | Cfsr.BFARVALID, 0x3000_0000),
    "unmapped write": ("strh r0, [r3]", BUS, Cfsr.PRECISERR | Cfsr.BFARVALID, 0x3000_0000),
    "write to flash": ("str r0, [r4]", BUS, Cfsr.PRECISERR | Cfsr.BFARVALID, FLASH),
    "multiple over the end of RAM": (
        "stm r5, {r0, r1, r2}",
        BUS,
        Cfsr.PRECISERR | Cfsr.BFARVALID,
        0x2000_0000 + RAM_BYTES,
    ),
    "unaligned device": ("ldr r0, [r6]", USAGE, Cfsr.UNALIGNED, None),
    "unaligned LDRD": ("ldrd r0, r1, [r7]", USAGE, Cfsr.UNALIGNED, None),
    "unaligned STRD": ("strd r0, r1, [r7]", USAGE, Cfsr.UNALIGNED, None),
    "unaligned LDM": ("ldm r7, {r0, r1}", USAGE, Cfsr.UNALIGNED, None),
    "unaligned STM": ("stm r7!, {r0, r1}", USAGE, Cfsr.UNALIGNED, None),
    "unaligned LDREX": ("ldrex r0, [r7]", USAGE, Cfsr.UNALIGNED, None),
}
SET_UP = f"""ldr r1, ={REFUSED - 4:#x}
 ldr r2, ={REFUSED:#x}
 ldr r3, =0x30000000
 ldr r4, ={FLASH:#x}
 ldr r5, ={0x2000_0000 + RAM_BYTES - 4:#x}
 ldr r6, =0x40001235
 ldr r7, =0x20000002
 {LATE}"""


DOUBLE = ".fpu fpv5-d16\n"
"""The assembler is told of an FPU that the chips do not have."""
CORES: dict[str, type[CortexM4Timing] | type[CortexM7Timing]] = {"M4": CortexM4Timing, "M7": CortexM7Timing}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "operation",
    ["vadd.f64 d0, d1, d2", "vmov.f64 d0, d1", "vcmp.f64 d0, d1", "vcvt.f64.f32 d0, s2", "vfma.f64 d0, d1, d2",
     "vdiv.f64 d0, d1, d2", "vmov.f64 d0, #1.0", "vcvt.s32.f64 s0, d1", "vmaxnm.f64 d0, d1, d2"],
)  # fmt: skip
def test_double_precision_is_undefined(core: str, operation: str) -> None:
    machine = Machine(
        f"{DOUBLE} {ENABLE_FPU} nop\n here: {operation}\n adr r0, here\n wfi", {USAGE: HANDLER}, timing=CORES[core]()
    )
    machine.put("bkpt", HANDLER)
    machine.cpu.system.shcsr = 0x0007_0000
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == Cfsr.UNDEFINSTR
    at = machine.word(machine.register("sp") + 24)
    assert machine.cpu.read_memory(at, 4) == assemble(f"{DOUBLE} {operation}")[:4]


@pytest.mark.parametrize("core", CORES)
def test_any_fpu_moves_doubles_about(core: str) -> None:
    source = (
        f"{DOUBLE} {ENABLE_FPU} movs r0, #1\n movs r1, #2\n vmov d0, r0, r1\n vpush {{d0}}\n vldr d1, [sp]\n"
        " vmov.32 r4, d1[1]\n movs r2, #1\n it eq\n vaddeq.f64 d0, d0, d0\n vmov r5, s0\n wfi"
    )
    machine = Machine(source, timing=CORES[core]())
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP  # the addition is skipped
    assert (machine.register("r4"), machine.register("r5")) == (2, 1)


def test_an_fpu_with_doubles_computes_them() -> None:
    source = f"{DOUBLE} {ENABLE_FPU} vmov.f64 d0, #1.5\n vadd.f64 d0, d0, d0\n vcvt.s32.f64 s4, d0\n vmov r4, s4\n wfi"
    machine = Machine(source, timing=CortexM7Timing(), double_precision=True)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r4") == 3


@pytest.mark.parametrize("enable", [True, False])
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_fault(name: str, enable: bool) -> None:
    source, number, bits, address = SOURCES[name]
    machine = faulting(f"{SET_UP} here: {source}\n adr r0, here\n wfi", enable=enable)
    before = {register: machine.register(register) for register in ("r0",)}
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    system = machine.cpu.system
    assert system.cfsr == bits
    assert system.hfsr == (0 if enable else Hfsr.FORCED)
    assert machine.register("xpsr") & 0x1FF == (number if enable else HARD)
    assert machine.register("lr") == 0xFFFF_FFF9
    if address is not None:
        assert system.bfar == address
    stacked = frame(machine)
    assert stacked[0] == before["r0"]  # nothing was done
    assert stacked[1] == REFUSED - 4
    assert stacked[2] == REFUSED
    assert stacked[6] == CODE + 5 * 2 + 2 * 4 + 2 * 2  # five literal loads, two MOV.W, two NOPs
    assert stacked[7] & 1 << 24
    assert machine.register("sp") == STACK - 32


@pytest.mark.parametrize(
    "source", ["vldr s0, [r7]", "vstr s0, [r7]", "vldmia r7!, {s0, s1}", "vstmia r7!, {s0}", "vldr d0, [r7]"]
)
@pytest.mark.parametrize(
    "derived", ["", "adds r7, #4\n", "str r7, [sp]\n ldr r7, [sp]\n", "movs r0, #0\n it eq\n addeq r7, #4\n"]
)
def test_unaligned_fpu_access(source: str, derived: str) -> None:
    machine = faulting(f"{ENABLE_FPU} sub sp, #8\n ldr r7, =0x20000002\n {derived} here: {source}\n wfi")
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == Cfsr.UNALIGNED


def test_unaligned_only_late_in_a_loop() -> None:
    source = f"{ENABLE_FPU} ldr r7, =0x20000000\n movs r1, #0\n 1: vldr s0, [r7]\n adds r1, #1\n cmp r1, #100\n it eq\n addeq r7, #1\n b 1b"
    machine = faulting(source)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == Cfsr.UNALIGNED
    assert machine.register("r1") == 100


def test_skipped_unaligned_access_does_not_fault() -> None:
    source = "ldr r7, =0x20000002\n movs r3, #20\n 1: movs r0, #1\n ite eq\n ldrdeq r4, r5, [r7]\n movne r6, #9\n subs r3, #1\n bne 1b\n wfi"
    machine = faulting(source)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r6") == 9
    assert machine.cpu.system.cfsr == 0


def test_skipped_fpu_instruction_does_not_fault_when_the_fpu_is_off() -> None:
    machine = faulting("movs r0, #1\n it eq\n vaddeq.f32 s0, s0, s0\n wfi")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP


def test_fault_handler_may_enable_the_fpu_and_return() -> None:
    machine = faulting("vmov.f32 s0, #2.0\n vadd.f32 s0, s0, s0\n vmov r4, s0\n wfi", handler=ENABLE_FPU + "bx lr")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r4") == 0x4080_0000


@pytest.mark.parametrize(
    "source", ["ldr r0, [r7]", "str r0, [r7]", "ldrh r0, [r7, #1]", "strh r0, [r7, #1]", "ldrsh r0, [r7, #1]"]
)
def test_plain_unaligned_access_faults_only_when_told(source: str) -> None:
    code = f"ldr r7, =0x20000002\n {source}\n wfi"
    assert faulting(code).cpu.run(FOREVER) is StopReason.SLEEP
    machine = faulting(code, ccr=CCR_UNALIGN_TRP)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == Cfsr.UNALIGNED


@pytest.mark.parametrize("operation", ["udiv", "sdiv"])
def test_division_by_zero(operation: str) -> None:
    code = f"movs r1, #5\n movs r2, #0\n movs r0, #7\n {operation} r0, r1, r2\n wfi"
    machine = faulting(code)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 0
    machine = faulting(code, ccr=CCR_DIV_0_TRP)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == Cfsr.DIVBYZERO
    assert frame(machine)[0] == 7


def test_division_that_does_not_trap_goes_on() -> None:
    machine = faulting(
        "movs r3, #50\n movs r1, #100\n 1: udiv r0, r1, r3\n subs r3, #1\n bne 1b\n wfi", ccr=CCR_DIV_0_TRP
    )
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 100


@pytest.mark.parametrize(
    ("target", "number", "bits"),
    [
        (CODE + 8, USAGE, Cfsr.INVSTATE),
        (0x3000_0001, BUS, Cfsr.IBUSERR),
        (0x4000_0001, MEM, Cfsr.IACCVIOL),
        (0xFFFF_FFF9, MEM, Cfsr.IACCVIOL),
    ],
)
@pytest.mark.parametrize("way", ["bx r0", "push {r0}\n pop {pc}", "push {r0}\n ldr pc, [sp]"])
def test_jump_to_where_no_code_is(target: int, number: int, bits: Cfsr, way: str) -> None:
    machine = faulting(f"ldr r0, ={target:#x}\n {way}")
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == bits
    assert machine.register("xpsr") & 0x1FF == number
    assert frame(machine)[6] == target & ~1


def test_stack_overflow_reaches_hard_fault_with_a_stacking_error() -> None:
    machine = faulting("ldr r0, =0x20000010\n mov sp, r0\n 1: push {r0-r7}\n b 1b", enable=False)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr & (Cfsr.PRECISERR | Cfsr.STKERR) == Cfsr.PRECISERR | Cfsr.STKERR
    assert machine.register("xpsr") & 0x1FF == HARD


def test_fault_in_hard_fault_locks_up_until_reset() -> None:
    machine = faulting("udf #0", enable=False, handler="udf #1")
    assert machine.cpu.run(FOREVER) is StopReason.LOCKUP
    assert machine.cpu.locked_up
    spent = machine.cpu.cycles
    assert machine.cpu.run(FOREVER) is StopReason.LOCKUP
    assert machine.cpu.step() is StopReason.LOCKUP
    assert machine.cpu.cycles == spent
    machine.cpu.reset()
    assert not machine.cpu.locked_up
    assert machine.register("pc") == CODE


def test_erased_flash_locks_up() -> None:
    machine = Machine()
    machine.flash[:8] = b"\xff" * 8
    machine.cpu.reset()
    assert machine.cpu.run(FOREVER) is StopReason.LOCKUP


def test_breakpoint_without_debugger_is_a_hard_fault() -> None:
    machine = faulting("nop\n bkpt #1", handler="wfi")
    machine.cpu.halting_debug = False
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.cpu.system.hfsr == Hfsr.DEBUGEVT
    assert frame(machine)[6] == CODE + 2


def test_vector_catch_stops_at_the_handler() -> None:
    machine = faulting("udf #0", enable=False)
    machine.cpu.vector_catch = 1 << 10
    assert machine.cpu.run(FOREVER) is StopReason.HALT_REQUEST
    assert machine.register("pc") == HANDLER


def test_cycles_and_instructions_behind_a_fault_are_not_counted() -> None:
    machine = faulting("movs r0, #0\n adds r0, #1\n udf #0\n " + "nop\n" * 20 + "wfi")
    machine.cpu.run(FOREVER)
    assert machine.cpu.instructions == 2  # BKPT in the handler has not been done
    assert machine.cpu.cycles == 2 + 12
