"""Wait states, instruction cache, data cache and prefetch of the flash accelerator."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import StopReason
from tests.virtual.cpu.machine import FOREVER, Machine


def cycles(source: str, wait_states: int, *, icache: bool = False, dcache: bool = False, prefetch: bool = False) -> int:
    machine = Machine(source)
    machine.cpu.set_flash_access(wait_states, icache, dcache, prefetch)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    return machine.cpu.cycles


LONG = ".rept 63\n nop\n nop\n .endr\n nop\n wfi"  # 128 halfwords: 16 lines
LOOP = "movs r0, #100\n b 1f\n .align 4\n1: " + "nop\n" * 14 + "subs r0, #1\n bne 1b\n wfi"


AHEAD = 2
"""Cycles of two 16-bit instructions: the next word is asked for when they begin to be used."""


def test_without_caches_every_line_waits_from_when_it_is_asked_for() -> None:
    assert cycles(LONG, 5) - cycles(LONG, 0) == 5 + 15 * (5 - AHEAD)
    assert cycles(LONG, 2) - cycles(LONG, 0) == 2


def test_words_are_asked_for_one_a_cycle() -> None:
    """32-bit instructions of one cycle use words as fast as they come."""
    wide = ".rept 31\n nop.w\n .endr\n wfi"
    assert cycles(wide, 5) - cycles(wide, 0) == 8 * 5


def test_prefetch_hides_the_next_line_behind_this_one() -> None:
    waits = cycles(LONG, 5, prefetch=True) - cycles(LONG, 0)
    assert waits == 5  # eight instructions a line are enough for five wait states
    assert cycles(LONG, 11, prefetch=True) - cycles(LONG, 0) == 11 + 15 * (
        11 - 8
    )  # the buffer asks before the core does


def test_a_loop_waits_once_with_the_instruction_cache_and_always_without() -> None:
    base = cycles(LOOP, 0)
    assert cycles(LOOP, 5, icache=True) - base <= 5 * 4
    assert cycles(LOOP, 5) - base >= (5 + 5 - AHEAD) * 99  # the first line is branched to


def test_a_loop_inside_one_line_needs_no_cache() -> None:
    source = "movs r0, #100\n b 1f\n .align 4\n1: nop\n subs r0, #1\n bne 1b\n wfi"
    assert cycles(source, 5) - cycles(source, 0) <= 5 * 2


def test_more_lines_than_the_cache_has_evict_the_oldest() -> None:
    """65 lines in a circle through 64 least-recently-used ones always miss."""

    def circle(lines: int) -> str:
        body = f".rept {8 * lines - 2}\n nop\n .endr\n"
        return f"movs r0, #20\n b.w 1f\n .align 4\n1: {body} subs r0, #1\n it ne\n bne.w 1b\n wfi".replace(
            "it ne\n bne.w", "bne.n" if lines == 1 else "bne.w"
        )

    def waits(lines: int) -> int:
        return cycles(circle(lines), 5, icache=True) - cycles(circle(lines), 0)

    assert waits(60) <= 5 * 64
    assert waits(66) >= (5 - AHEAD) * 65 * 19


@pytest.mark.parametrize("stride", [4, 16])
def test_data_reads_from_flash_wait_unless_their_line_is_cached(stride: int) -> None:
    source = f"ldr r1, =0x08001000\n movs r0, #64\n b 1f\n .align 4\n1: ldr r2, [r1]\n add r1, #{stride}\n subs r0, #1\n bne 1b\n wfi"
    base = cycles(source, 5, icache=True)
    cached = cycles(source, 5, icache=True, dcache=True)
    assert base - cached == pytest.approx(5 * (64 - 64 * stride // 16), abs=10)


def test_data_in_ram_does_not_wait() -> None:
    source = "movw r1, #0\n movt r1, #0x2000\n movs r0, #64\n b 1f\n .align 4\n1: ldr r2, [r1, #4]!\n ldr r3, [r1, #8]\n subs r0, #1\n bne 1b\n wfi"
    assert cycles(source, 5, icache=True) - cycles(source, 0) <= 5 * 4


def test_pointer_loaded_in_the_block_pays_too() -> None:
    source = "ldr r1, =0x20000000\n ldr r4, =0x08001000\n str r4, [r1]\n movs r0, #64\n b 1f\n .align 4\n1: ldr r2, [r1]\n ldr r3, [r2]\n subs r0, #1\n bne 1b\n wfi"
    assert cycles(source, 5, icache=True) - cycles(source, 0) >= 5 * 64


def test_cost_grows_with_wait_states_and_code_in_ram_is_free() -> None:
    costs = [cycles(LOOP, wait_states) for wait_states in range(6)]
    assert costs == sorted(set(costs))
    copy = "ldr r0, =0x20000000\n adr r1, code\n ldr r2, [r1]\n str r2, [r0]\n ldr r2, [r1, #4]\n str r2, [r0, #4]\n movs r3, #200\n"
    source = copy + "adds r0, #1\n bx r0\n .align 2\ncode: subs r3, #1\n bne code\n wfi\n nop\n"
    machine = [Machine(source), Machine(source)]
    machine[1].cpu.set_flash_access(5, icache=True, dcache=True, prefetch=False)
    for each in machine:
        assert each.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine[1].cpu.cycles - machine[0].cpu.cycles <= 5 * 8


def test_emptied_caches_wait_again() -> None:
    machine = Machine("b 1f\n .align 4\n1: nop\n bkpt\n b 1b")
    machine.cpu.set_flash_access(5, icache=True, dcache=False, prefetch=False)
    spent = []
    for flush in (False, False, True):
        if flush:
            machine.cpu.flush_flash_caches(instruction=True, data=True)
        before = machine.cpu.cycles
        assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
        spent.append(machine.cpu.cycles - before)
        machine.cpu.write_register("pc", (machine.register("pc") + 2))
    assert spent[2] - spent[1] == 5


def test_impossible_wait_states_are_refused() -> None:
    with pytest.raises(ValueError, match="wait states"):
        Machine().cpu.set_flash_access(16, icache=False, dcache=False, prefetch=False)
