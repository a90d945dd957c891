"""What was done, by class of instruction; divisions and flash caches at run time."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.virtual.cpu import (
    CodeBlock,
    CoreTiming,
    CortexM4Timing,
    Cpu,
    DivideTiming,
    EdgeCost,
    FlashAccelerator,
    InstructionClass,
    StopReason,
)
from bench.virtual.cpu.activity import INSTRUCTION_CLASSES
from tests.virtual.cpu.machine import ENABLE_FPU, FOREVER, PLAIN, Machine

LOOP = f"""{ENABLE_FPU}
    movs r0, #10
    ldr r1, =0x20000100
1:  ldr r2, [r1]
    muls r2, r0
    str r2, [r1]
    vadd.f32 s0, s1, s2
    vmul.f32 s3, s1, s2
    vdiv.f32 s4, s1, s2
    push {{r0, r2}}
    pop {{r0, r2}}
    udiv r3, r2, r0
    subs r0, #1
    bne 1b
    wfi"""


def test_classes_of_a_loop() -> None:
    machine = Machine(LOOP)
    before = machine.cpu.activity
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    done = machine.cpu.activity - before
    kinds = InstructionClass
    expected = {kinds.MULTIPLY: 10, kinds.DIVIDE: 10, kinds.LOAD: 11, kinds.LOAD_LITERAL: 2, kinds.STORE: 11}
    expected |= {kinds.STORE_MULTIPLE: 10, kinds.LOAD_MULTIPLE: 10, kinds.BRANCH: 10, kinds.FP: 10}
    expected |= {kinds.FP_MULTIPLY: 10, kinds.FP_DIVIDE: 10, kinds.SYSTEM: 2, kinds.ALU: 2 + 10 + 1}
    assert {kind: done[kind] for kind in INSTRUCTION_CLASSES if done[kind]} == expected
    assert done.instructions == machine.cpu.instructions == sum(expected.values())
    assert done[kinds.WORDS_LOADED] == 2 + 1 + 10 + 20
    assert done[kinds.WORDS_STORED] == 1 + 10 + 20
    assert done.cycles == machine.cpu.cycles


@given(slices=st.lists(st.integers(1, 60), max_size=30))
@settings(max_examples=15, deadline=None)
def test_slicing_and_bus_accesses_do_not_change_the_counts(slices: list[int]) -> None:
    source = (
        f"ldr r6, ={PLAIN:#x}\n movs r0, #20\n1: ldr r5, [r6]\n adds r1, #1\n str r5, [r6]\n subs r0, #1\n bne 1b\n wfi"
    )
    whole, cut = Machine(source), Machine(source)
    whole.cpu.run(FOREVER)
    for cycles in slices:
        cut.cpu.run(cycles)
    cut.cpu.step()
    cut.cpu.run(FOREVER)
    assert cut.cpu.activity == whole.cpu.activity


def test_counts_survive_code_that_is_forgotten() -> None:
    machine = Machine("movs r0, #3\n1: subs r0, #1\n bne 1b\n bkpt\n wfi")
    machine.cpu.run(FOREVER)
    before = machine.cpu.activity
    machine.cpu.write_memory(machine.cpu.read_register("pc") + 2, b"\x30\xbf")
    machine.cpu.write_register("pc", machine.cpu.read_register("pc") + 2)
    machine.cpu.run(FOREVER)
    assert (machine.cpu.activity - before).instructions == 1


@pytest.mark.parametrize("name", ["udiv", "sdiv"])
@pytest.mark.parametrize(
    ("dividend", "divisor"), [(0, 3), (5, 7), (100, 7), (0xFFFF_FFF0, 3), (0x8000_0000, 1), (9, 0)]
)
def test_divisions_cost_what_their_operands_make_them(name: str, dividend: int, divisor: int) -> None:
    source = f"ldr r1, ={dividend:#x}\n ldr r2, ={divisor:#x}\n movs r4, #1\n {{}}\n wfi"
    cost = []
    for instruction in (f"{name} r3, r1, r2", "add.w r3, r1, r2"):
        machine = Machine(source.format(instruction))
        machine.cpu.run(FOREVER)
        cost.append(machine.cpu.cycles)

    def magnitude(value: int) -> int:
        return 2**32 - value if name == "sdiv" and value >> 31 else value

    assert cost[0] - cost[1] == DivideTiming().cycles(magnitude(dividend), magnitude(divisor)) - 1


def stream(accelerator: FlashAccelerator, stride: int, wait_states: int) -> tuple[Cpu, int]:
    """Read 64 words from flash, ``stride`` bytes apart."""
    machine = Machine(
        f"ldr r1, =0x08001000\n movs r0, #64\n1: ldr r2, [r1]\n add r1, #{stride}\n subs r0, #1\n bne 1b\n wfi"
    )
    cpu = Cpu(machine.memories, machine.regions, machine, CortexM4Timing(accelerator=accelerator))
    cpu.set_flash_access(wait_states, icache=True, dcache=True, prefetch=True)
    assert cpu.run(FOREVER) is StopReason.SLEEP
    return cpu, cpu.cycles


@pytest.mark.parametrize(("line_bytes", "stride", "fills"), [(16, 4, 16), (16, 480, 64), (8, 4, 32), (8, 480, 64)])
def test_streamed_weights_cost_a_line_each_when_read_by_column(line_bytes: int, stride: int, fills: int) -> None:
    """Row by row a line serves its words; column by column (a row of 120 floats apart) each word brings a line of its own."""
    accelerator = FlashAccelerator(line_bytes=line_bytes)
    cpu, slow = stream(accelerator, stride, 5)
    assert slow - stream(accelerator, stride, 4)[1] == pytest.approx(fills, abs=6)  # and the code's own lines
    assert fills <= cpu.activity.data_fills <= fills + 2


def test_a_set_associative_cache_thrashes_where_a_full_one_holds() -> None:
    """Five lines that fall into one set of four ways, again and again."""
    source = "movs r3, #20\n2: ldr r1, =0x08001000\n movs r0, #5\n1: ldr r2, [r1]\n add r1, #512\n subs r0, #1\n bne 1b\n subs r3, #1\n bne 2b\n wfi"
    fills = []
    for ways in (0, 4):
        machine = Machine(source)
        accelerator = FlashAccelerator(line_bytes=32, data_lines=64, data_ways=ways, fill_cycles=3)
        cpu = Cpu(machine.memories, machine.regions, machine, CortexM4Timing(accelerator=accelerator))
        cpu.set_flash_access(5, icache=True, dcache=True, prefetch=False)
        cpu.run(FOREVER)
        fills.append(cpu.activity.data_fills)
    assert fills[0] <= 7
    assert fills[1] >= 100


class _Predicting:
    """The M4's timing with a branch that costs 10 cycles when a two-bit counter was wrong."""

    def __init__(self) -> None:
        self._m4 = CortexM4Timing()

    def __getattr__(self, name: str) -> object:
        return getattr(self._m4, name)

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        cost = self._m4.edge(previous, block)
        return replace(cost, mispredict_cycles=10, taken=previous is not None and block.address != previous.end)


def test_wrong_predictions_cost_what_the_model_says() -> None:
    """A loop of twenty: its counter starts at never taken, so it is wrong twice at the begin and once at the end."""
    spent = []
    for timing in (CortexM4Timing(), cast("CoreTiming", _Predicting())):
        machine = Machine("movs r0, #20\n1: subs r0, #1\n bne 1b\n wfi")
        cpu = Cpu(machine.memories, machine.regions, machine, timing)
        cpu.run(FOREVER)
        spent.append(cpu.cycles)
    assert spent[1] - spent[0] == 10 * 3
