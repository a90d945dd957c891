"""Cycle counts seen by the running code, by the bus, and by whoever slices the run."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.virtual.cpu import StopReason
from bench.virtual.cpu.decode import decode_block
from bench.virtual.cpu.timing_m4 import sequence_cycles
from tests.virtual.cpu.machine import CODE, CYCCNT, ENABLE_FPU, FLASH, FOREVER, PLAIN, Machine, assemble

MIDDLES = [
    "",
    "adds r1, #1",
    "adds r1, #1\n muls r1, r2\n udiv r3, r2, r1",
    "ldr r3, [sp]\n ldr r4, [sp, #4]\n str r3, [sp, #8]",
    "movs r3, #0\n it eq\n addeq r3, #1\n push {r1, r2, r3}\n pop {r1, r2, r3}",
    "vadd.f32 s0, s1, s2\n vfma.f32 s3, s0, s0\n vldr s4, [sp]\n vdiv.f32 s5, s1, s2",
]


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("second", ["r6", "r7"])
def test_counter_reads_in_one_block_differ_by_the_rules(middle: str, second: str) -> None:
    between = f"ldr r5, [r6]\n {middle}\n"
    source = f"{ENABLE_FPU} sub sp, #32\n movs r2, #3\n ldr r6, ={CYCCNT:#x}\n mov r7, r6\n .align 2\n nop\n {between} ldr r8, [{second}]\n wfi"
    machine = Machine(source)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (
        machine.register("r8") - machine.register("r5")
        == sequence_cycles(decode_block(CODE, assemble("nop\n" + between))) - 1
    )


def test_counter_reads_in_a_loop_are_one_period_apart() -> None:
    machine = Machine(
        f"ldr r6, ={CYCCNT:#x}\n movs r0, #20\n1: ldr r5, [r6]\n adds r1, #1\n subs r0, #1\n bne 1b\n wfi"
    )
    machine.cpu.run(FOREVER)
    times = [cycles for _, cycles in machine.reads]
    assert len(times) == 20
    assert {after - before for before, after in pairwise(times)} == {2 + 1 + 1 + 2}


def test_bus_sees_writes_at_the_storing_instruction() -> None:
    machine = Machine(f"ldr r6, ={PLAIN:#x}\n nop\n nop\n str r0, [r6]\n nop\n str r0, [r6, #4]\n nop\n wfi")
    machine.cpu.run(FOREVER)
    assert [cycles for *_, cycles in machine.writes] == [
        2 + 0 + 1,
        2 + 0 + 1 + 1 + 1,
    ]  # the first NOP hides behind the load


PROGRAM = (
    ENABLE_FPU
    + f"""
    ldr r6, ={CYCCNT:#x}
    ldr r7, =0x20000100
    movs r4, #30
1:  ldr r5, [r6]
    str r5, [r7], #4
    mov r0, r4
    bl function
    ldr r5, [r6]
    ands r1, r4, #3
    it ne
    strne r5, [r7], #4
    vldr s0, value
    vldr s1, [r7, #-4]
    vfma.f32 s2, s0, s1
    subs r4, #1
    bne 1b
    wfi
    .align 2
value: .word 0x40400000
    .rept 200
    nop
    .endr
function:
    push {{r4, r5, lr}}
    ldr r5, =0x08000200
2:  ldmia r5!, {{r1, r2}}
    eor r3, r1, r2, ror #3
    .rept 9
    adds r3, r3, r1
    .endr
    subs r0, #1
    bgt 2b
    pop {{r4, r5, pc}}
"""
)


def outcome(machine: Machine) -> tuple[int, int, bytes, list[tuple[int, int]]]:
    return machine.cpu.cycles, machine.cpu.instructions, bytes(machine.ram), machine.reads


def run_whole(
    wait_states: int, caches: bool, *, direct_registers: bool = True
) -> tuple[int, int, bytes, list[tuple[int, int]]]:
    machine = Machine(PROGRAM, direct_registers=direct_registers)
    machine.cpu.set_flash_access(wait_states, icache=caches, dcache=caches, prefetch=caches)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    return outcome(machine)


@pytest.mark.parametrize(("wait_states", "caches"), [(0, False), (5, False), (5, True)])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_slices_do_not_change_the_outcome(wait_states: int, caches: bool, seed: int) -> None:
    rng = random.Random(seed)
    machine = Machine(PROGRAM)
    machine.cpu.set_flash_access(wait_states, icache=caches, dcache=caches, prefetch=caches)
    reason = StopReason.CYCLES
    while reason is StopReason.CYCLES:
        before = machine.cpu.cycles
        budget = rng.choice([0, 1, 3, 17, 100, 1000])
        reason = machine.cpu.run(budget)
        assert reason is StopReason.SLEEP or before + budget <= machine.cpu.cycles <= before + budget + 200
    assert outcome(machine) == run_whole(wait_states, caches)


@pytest.mark.parametrize(("wait_states", "caches"), [(0, False), (5, False), (5, True)])
def test_single_steps_do_not_change_the_outcome(wait_states: int, caches: bool) -> None:
    machine = Machine(PROGRAM)
    machine.cpu.set_flash_access(wait_states, icache=caches, dcache=caches, prefetch=caches)
    steps = 0
    rng = random.Random(1)
    reason = StopReason.CYCLES
    while reason is not StopReason.SLEEP:
        if rng.random() < 0.7:
            before = machine.cpu.instructions
            reason = machine.cpu.step()
            assert before < machine.cpu.instructions <= before + 2  # IT takes the instruction with it that it skips
            steps += 1
        else:
            reason = machine.cpu.run(rng.choice([5, 200, 400]))
    assert steps > 50
    assert outcome(machine) == run_whole(wait_states, caches)


def test_copied_registers_give_the_same_outcome() -> None:
    assert run_whole(5, True, direct_registers=False) == run_whole(5, True)


def test_two_runs_are_identical() -> None:
    assert run_whole(5, True) == run_whole(5, True)


def test_long_straight_line_code_is_charged_once_however_it_is_entered() -> None:
    """The emulator cuts such code into blocks by its own buffer's size, elsewhere when it single-steps."""
    body = "".join("ldmia r0, {r1-r5}\n" + ("ldr r7, [r6]\n" if n % 16 == 5 else "") for n in range(64))
    source = f"ldr r0, =0x20000000\n ldr r6, ={CYCCNT:#x}\n{body} wfi"
    whole = Machine(source)
    whole.cpu.run(FOREVER)
    stepped = Machine(source)
    reason = StopReason.STEP
    while reason is not StopReason.SLEEP:
        reason = stepped.cpu.step()
    assert (whole.cpu.cycles, whole.reads) == (stepped.cpu.cycles, stepped.reads)
    assert whole.cpu.instructions == stepped.cpu.instructions == 2 + 64 + 4 + 1


def test_flash_alias_runs_the_same_code() -> None:
    machine = Machine("ldr pc, =lower - 0x08000000 + 1\nlower: adr r0, lower\n wfi")
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") < FLASH
