"""Exceptions that are asked for: SVC, interrupts, their return, and sleep."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import StopReason
from bench.virtual.cpu.system import Hfsr
from tests.virtual.cpu.machine import CODE, ENABLE_FPU, FLASH, FOREVER, PLAIN, STACK, Machine

HANDLER, OTHER = FLASH + 0x1000, FLASH + 0x1400
IRQ = 16 + 5


def with_handler(source: str, handler: str, number: int = IRQ) -> Machine:
    machine = Machine(source, {number: HANDLER, 3: OTHER})
    machine.put(handler, HANDLER)
    machine.put("bkpt", OTHER)
    machine.cpu.system.enable(number)
    return machine


def test_supervisor_call_returns_behind_itself() -> None:
    machine = with_handler(
        "movs r0, #7\n svc #1\n adds r0, #1\n wfi",
        "mrs r4, ipsr\n ldr r1, [sp]\n adds r1, #1\n str r1, [sp]\n bx lr",
        11,
    )
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r0"), machine.register("r4")) == (9, 11)
    assert machine.register("sp") == STACK
    assert machine.register("xpsr") & 0x1FF == 0


def test_supervisor_call_with_masked_interrupts_escalates() -> None:
    machine = with_handler("cpsid i\n svc #1\n wfi", "bx lr", 11)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.hfsr == Hfsr.FORCED


@pytest.mark.parametrize(
    "leave", ["bx lr", "push {lr}\n pop {pc}", "push {r4, lr}\n pop {r4, pc}", "push {lr}\n ldr pc, [sp], #4"]
)
def test_interrupt_keeps_registers_and_flags(leave: str) -> None:
    machine = with_handler(
        "movs r0, #0\n movs r1, #1\n cmp r1, r1\n wfi\n it eq\n addeq r0, #5\n wfi",
        f"movs r0, #99\n movs r1, #98\n {leave}",
    )
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    machine.cpu.pend_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r0"), machine.register("r1")) == (5, 1)
    assert machine.cpu.system.active == set()


def test_process_stack_and_nested_interrupts() -> None:
    source = "ldr r0, =0x20002000\n msr psp, r0\n movs r0, #2\n msr control, r0\n isb\n wfi\n mov r5, sp\n wfi"
    machine = with_handler(source, "mrs r6, ipsr\n mov r7, sp\n svc #0\n bx lr")
    machine.vector(11, OTHER | 1)
    machine.put("mrs r8, ipsr\n mov r9, lr\n bx lr", OTHER)
    machine.cpu.system.priority[IRQ] = 0x80
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    machine.cpu.pend_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    names = ("r5", "r6", "r7", "r8", "r9")
    assert [machine.register(name) for name in names] == [0x2000_2000, IRQ, STACK, 11, 0xFFFF_FFF1]
    assert machine.register("control") & 2


def test_fpu_context_is_kept() -> None:
    machine = with_handler(
        ENABLE_FPU + "vmov.f32 s0, #2.0\n vmov.f32 s15, #3.0\n svc #0\n vadd.f32 s0, s0, s15\n vmov r4, s0\n wfi",
        "vmov.f32 s0, #1.0\n vmov.f32 s15, #1.0\n mov r5, lr\n mov r6, sp\n bx lr",
        11,
    )
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r4") == 0x40A0_0000
    assert machine.register("r5") == 0xFFFF_FFE9
    assert machine.register("r6") == STACK - 26 * 4
    assert machine.register("sp") == STACK


def test_sleep_counts_no_cycles_and_an_interrupt_ends_it() -> None:
    machine = with_handler("wfi\n movs r0, #1\n wfi", "movs r7, #3\n bx lr")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    spent = machine.cpu.cycles
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.cpu.step() is StopReason.SLEEP
    assert machine.cpu.sleeping
    assert machine.cpu.cycles == spent
    machine.cpu.pend_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r0"), machine.register("r7")) == (1, 3)


def test_masked_interrupt_wakes_without_its_handler() -> None:
    machine = with_handler("cpsid i\n wfi\n movs r0, #1\n wfi", "movs r7, #3\n bx lr")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    machine.cpu.pend_irq(5)
    machine.cpu.run(3)
    assert (machine.register("r0"), machine.register("r7")) == (1, 0)


def test_disabled_interrupt_does_not_wake() -> None:
    machine = with_handler("wfi\n movs r0, #1\n wfi", "bx lr")
    machine.cpu.system.disable(IRQ)
    machine.cpu.run(FOREVER)
    machine.cpu.pend_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 0


def test_pending_interrupt_is_taken_when_unmasked() -> None:
    machine = with_handler(
        "cpsid i\n 1: adds r0, #1\n cmp r0, #50\n bne 1b\n cpsie i\n movs r1, #1\n wfi",
        "mov r6, r0\n mov r7, r1\n bx lr",
    )
    machine.cpu.run(10)
    machine.cpu.pend_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r6"), machine.register("r7"), machine.register("r1")) == (50, 0, 1)


def test_interrupt_pended_by_the_bus_is_taken_behind_the_access() -> None:
    machine = with_handler(f"ldr r1, ={PLAIN:#x}\n str r0, [r1]\n movs r2, #1\n wfi", "mov r6, r2\n bx lr")
    original = machine.write

    def write(address: int, size: int, value: int) -> None:
        original(address, size, value)
        machine.cpu.pend_irq(5)

    machine.write = write  # type: ignore[method-assign]
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r6"), machine.register("r2")) == (0, 1)


def test_cleared_interrupt_is_not_taken() -> None:
    machine = with_handler("cpsid i\n nop\n nop\n cpsie i\n wfi", "movs r7, #3\n bx lr")
    machine.cpu.step()
    machine.cpu.pend_irq(5)
    machine.cpu.clear_irq(5)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r7") == 0


def test_wait_for_event() -> None:
    machine = Machine("sev\n wfe\n movs r0, #1\n wfe\n movs r0, #2\n wfi")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 1
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    machine.cpu.send_event()
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 2


def test_bad_exception_return_is_a_fault() -> None:
    machine = with_handler("svc #0\n wfi", "ldr r0, =0xFFFFFFF5\n bx r0", 11)
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    assert machine.cpu.system.cfsr == 1 << 18


def test_missing_vector_is_a_hard_fault() -> None:
    machine = with_handler("svc #0\n wfi", "nop", 11)
    machine.cpu.system.vtor = 0x3000_0000
    assert machine.cpu.run(FOREVER) is StopReason.LOCKUP
    assert machine.cpu.system.hfsr & Hfsr.VECTTBL


def test_entry_latency_is_charged() -> None:
    machine = with_handler("svc #0\n wfi", "bx lr", 11)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.cpu.cycles == 1 + 12 + 1 + 10 + 1
    assert CODE  # SVC, entry, BX, return, WFI
