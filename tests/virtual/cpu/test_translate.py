"""Hot code translated to host code does to the unit what the emulator with its hooks does: registers, memory, cycles, counts, faults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.virtual.cpu import CoreTiming, CortexM4Timing, StopReason
from bench.virtual.cpu.timing_m7 import CortexM7Timing
from bench.virtual.cpu.translate import compile as compiling
from bench.virtual.cpu.translate import translator
from bench.virtual.cpu.translate.region import busiest, cycles_through, entries_of, hottest
from tests.virtual.cpu.fuzz import DATA, compare, eager, program, state_of
from tests.virtual.cpu.machine import CODE, CYCCNT, ENABLE_FPU, FLASH, FOREVER, PLAIN, RAM, Machine, assemble

LOOP = f"ldr r0, ={RAM + 0x100:#x}\n movs r1, #0\n ldr r2, =20000\n"


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "translated"))
    eager(monkeypatch)


def pair(source: str, handlers: dict[int, int] | None = None) -> tuple[Machine, Machine]:
    return Machine(source, handlers, translate=False), Machine(source, handlers, translate=True)


def run_both(machines: tuple[Machine, Machine], budget: int = FOREVER) -> StopReason:
    reasons = [machine.cpu.run(budget) for machine in machines]
    assert reasons[0] is reasons[1]
    assert state_of(machines[0]) == state_of(machines[1])
    assert machines[0].reads == machines[1].reads
    assert machines[0].writes == machines[1].writes
    return reasons[0]


@pytest.mark.parametrize(
    ("group", "timing", "wait_states"),
    [
        ("alu", CortexM4Timing, 0),
        ("multiply", CortexM4Timing, 5),
        ("memory", CortexM4Timing, 5),
        ("memory", CortexM7Timing, 7),
        ("floating", CortexM7Timing, 0),
    ],
)
def test_random_loops_end_alike(group: str, timing: type[CoreTiming], wait_states: int) -> None:
    seed = 20 + wait_states
    assert compare(program(seed, group), timing=timing, wait_states=wait_states, caches=bool(wait_states), seed=seed)


def test_numbers_that_are_none_and_infinite_ones() -> None:
    source = f"""{ENABLE_FPU} ldr r8, ={DATA}\n ldr r12, =400\n ldr r1, =0x7f800001\n vmov s1, r1\n ldr r1, =0x7f800000\n vmov s2, r1
    ldr r1, =0xffc12345\n vmov s3, r1\n vmov.f32 s4, #1.0\n movs r2, #0\n vmov s5, r2\n ldr r2, =0x3\n vmov s6, r2
top: vadd.f32 s7, s4, s2\n vsub.f32 s8, s2, s2\n vmul.f32 s9, s1, s3\n vfma.f32 s10, s2, s5\n vdiv.f32 s11, s4, s5\n vmul.f32 s12, s6, s6
    vcmp.f32 s1, s4\n vmrs APSR_nzcv, fpscr\n it vs\n addvs r3, #1\n vcvt.s32.f32 s13, s2\n vcvt.u32.f32 s14, s3\n vadd.f32 s4, s4, s6
    vsqrt.f32 s15, s4\n subs r12, #1\n bne.w top\n bkpt"""
    assert compare(source) == 1


@pytest.mark.parametrize("wait_states", [0, 5])
def test_the_hot_blocks_of_a_loop_are_translated_alone_and_end_alike(
    monkeypatch: pytest.MonkeyPatch, wait_states: int
) -> None:
    source = f"""ldr r0, ={DATA}\n ldr r8, =300\n movs r3, #0
outer: movs r1, #0\n movs r2, #25
inner: ldr r4, [r0, r1]\n adds r3, r4\n tst r3, #7\n beq rare\nback: adds r1, #4\n subs r2, #1\n bne inner
    bl half\n str r3, [r0]\n subs r8, #1\n bne.w outer\n bkpt
rare: eor r3, r8\n b back\nhalf: lsrs r5, r3, #1\n bcs 1f\n add r3, r5\n1: bx lr"""
    alone: list[bool] = []

    def busiest_seen(work: Mapping[int, int], part: float) -> list[int]:
        found = busiest(work, part)
        alone.append(len(found) < len(work))
        return found

    monkeypatch.setattr(translator, "busiest", busiest_seen)
    monkeypatch.setattr(translator, "_HOT", 0.8)
    monkeypatch.setattr(translator, "_WORTH_COMPILING", 100)
    assert compare(source, wait_states=wait_states, caches=bool(wait_states), slices=40) >= 1
    assert any(alone)


def test_switched_off_nothing_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    source = LOOP + "1: adds r1, #3\n subs r2, #1\n bne 1b\n bkpt"
    monkeypatch.setenv("BENCH_VIRTUAL_TRANSLATE", "0")
    off = Machine(source)
    monkeypatch.setenv("BENCH_VIRTUAL_TRANSLATE", "1")
    on = Machine(source)
    run_both((off, on))
    assert (off.cpu.regions, on.cpu.regions) == (0, 1)


def test_the_bus_is_reached_from_a_hot_loop_with_exact_cycles() -> None:
    source = f"""{LOOP} ldr r4, ={PLAIN & ~3:#x}\n ldr r5, ={CYCCNT:#x}\n ldr r2, =1500
1: ldr r3, [r0]\n adds r3, #1\n str r3, [r0]\n lsls r6, r2, #27\n bne 2f\n ldr r7, [r5]\n add r1, r7\n str r1, [r4]\n2: subs r2, #1\n bne 1b\n bkpt"""
    machines = pair(source)
    assert run_both(machines) is StopReason.BREAKPOINT
    assert len(machines[1].reads) > 40
    assert machines[1].cpu.regions == 1


def test_budgets_end_at_the_same_block() -> None:
    machines = pair(
        LOOP
        + "1: str r1, [r0]\n ldr r3, [r0]\n adds r1, r3, #3\n cmp r1, #0\n beq 2f\n nop\n2: subs r2, #1\n bne 1b\n bkpt"
    )
    for budget in (5000, 1, 2, 3, 999, 17, 5):
        assert run_both(machines, budget) is StopReason.CYCLES
    assert machines[1].cpu.regions == 1


def test_an_interrupt_that_the_bus_makes_is_taken_at_the_same_cycle() -> None:
    handler = CODE + 0x800

    class Interrupting(Machine):
        def write(self, address: int, size: int, value: int) -> None:
            super().write(address, size, value)
            if address == PLAIN & ~3:
                self.cpu.pend_irq(3)

    source = f"""{LOOP} ldr r4, ={PLAIN & ~3:#x}\n ldr r2, =1500
1: adds r1, #3\n lsls r6, r2, #26\n bne 2f\n str r1, [r4]\n2: subs r2, #1\n bne 1b\n bkpt"""
    machines = tuple(Interrupting(source, {19: handler}, translate=on) for on in (False, True))
    for machine in machines:
        machine.put("ldr r3, [r0]\n adds r3, #1\n str r3, [r0]\n bx lr", handler)
        machine.cpu.system.enable(19)
    assert run_both(machines) is StopReason.BREAKPOINT  # type: ignore[arg-type]
    assert machines[1].word(RAM + 0x100) == machines[0].word(RAM + 0x100) > 20


def test_a_breakpoint_set_in_a_hot_loop_stops_it() -> None:
    machines = pair(LOOP + "1: adds r1, #3\n nop\n subs r2, #1\n bne 1b\n bkpt")
    run_both(machines, 5000)
    assert machines[1].cpu.regions == 1
    place = FLASH + bytes(machines[0].flash).index(assemble("adds r1, #3\n nop")[:4], CODE - FLASH) + 2
    for machine in machines:
        machine.cpu.set_breakpoint(place)
    for _ in range(3):
        assert run_both(machines) is StopReason.BREAKPOINT
        assert machines[1].register("pc") == place
        for machine in machines:
            machine.cpu.step()
    for machine in machines:
        machine.cpu.clear_breakpoint(place)
    run_both(machines, 5000)
    assert machines[1].cpu.regions == 1


def test_single_steps_stay_single() -> None:
    machines = pair(LOOP + "1: adds r1, #3\n nop\n subs r2, #1\n bne 1b\n bkpt")
    run_both(machines, 5000)
    for _ in range(12):
        for machine in machines:
            assert machine.cpu.step() is StopReason.STEP
        assert state_of(machines[0]) == state_of(machines[1])


def test_code_that_is_written_anew_is_translated_anew() -> None:
    machines = pair(LOOP + "1: adds r1, #3\n subs r2, #1\n bne 1b\n bkpt")
    run_both(machines, 5000)
    for machine in machines:
        place = bytes(machine.flash).index(assemble("adds r1, #3")[:2], CODE - FLASH)
        machine.cpu.write_memory(FLASH + place, assemble("adds r1, #5")[:2])
    assert run_both(machines) is StopReason.BREAKPOINT


def test_code_in_ram_that_changes_itself() -> None:
    code = RAM + 0x1000
    inner = "1: adds r1, #3\n str r1, [r0]\n subs r2, #1\n bne 1b\n strh r5, [r4]\n ldr r2, =3000\n subs r6, #1\n bne 1b\n bkpt"
    source = f"{LOOP} ldr r5, ={int.from_bytes(assemble('adds r1, #7')[:2], 'little')}\n movs r6, #3\n ldr r4, ={code:#x}\n ldr r7, ={code | 1:#x}\n bx r7"
    machines = pair(source)
    for machine in machines:
        machine.cpu.write_memory(code, assemble(inner, code))
    assert run_both(machines) is StopReason.BREAKPOINT


@pytest.mark.parametrize(
    ("loop", "setup"),
    [
        ("ldrd r3, r4, [r0]", "adds r0, #1"),
        ("vldr s0, [r0]", "adds r0, #2"),
        ("udiv r3, r1, r4", "movs r4, #0"),
        ("ldr r3, [r0]", "ldr r0, =0x60000000"),
        ("str r3, [r0]", "ldr r0, =0x08000000"),
        ("vadd.f32 s0, s0, s0", "nop"),
    ],
)
def test_faults_come_where_they_are_due(loop: str, setup: str) -> None:
    """The loop is hot when, in the end, its instruction is given what it cannot do."""
    enable = ENABLE_FPU if loop.startswith("v") else ""
    source = f"{enable}{LOOP} movs r4, #7\n ldr r2, =2000\n1: {loop}\n adds r1, #3\n cmp r2, #40\n bne 2f\n {setup}\n2: subs r2, #1\n bne 1b\n bkpt"
    machines = pair(source)
    for machine in machines:
        machine.cpu.system.ccr |= 1 << 4
    run_both(machines)
    assert machines[1].cpu.system.cfsr or not setup.startswith(("adds", "ldr", "movs"))


def test_what_was_compiled_is_found_again_and_not_trusted_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    first = compiling.Compiler()
    text = 'define i64 @"region"(i64* %a, i64* %b, i64 %c) {\n  ret i64 42\n}'
    assert first.function("x", lambda: text, False) is None
    assert first.function("x", lambda: text, True)
    (kept,) = (tmp_path / "translated").iterdir()
    assert compiling.Compiler().function("x", lambda: pytest.fail("compiled again"), True)
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert compiling.Compiler().function("x", lambda: text, False) is None


def test_regions_are_the_loops_of_the_graph() -> None:
    ways = {1: {2}, 2: {3, 5}, 3: {2, 4}, 4: {4}, 5: {6}, 6: set()}
    assert sorted(cycles_through([1, 2, 3, 4, 5, 6], ways)) == [[2, 3], [4]]
    assert cycles_through([1, 3, 4], ways) == [[4]]
    assert entries_of([2, 3], [(1, 2), (2, 3), (3, 2)]) == [2]
    assert hottest({1: 5, 2: 50, 3: 20}, 10, [6, 5, 5], [1, 2, 3]) == [2, 3]
    assert busiest({1: 4, 2: 495, 3: 1, 4: 500}, 0.99) == [2, 4]
    assert busiest({1: 4, 2: 495, 3: 1, 4: 500}, 0.996) == [1, 2, 4]
    assert busiest({1: 1, 2: 1}, 0.99) == [1, 2]
