"""The timing rules against sequences counted by hand from the table in the module's docstring."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import CodeBlock, CortexM4Timing, DivideTiming, FlashAccelerator
from bench.virtual.cpu.decode import decode_block
from bench.virtual.cpu.timing_m4 import sequence_cycles
from tests.virtual.cpu.machine import CODE, assemble


@pytest.mark.parametrize(
    ("source", "cycles"),
    [
        ("adds r0, #1\n muls r0, r1\n smlal r0, r1, r2, r3", 3),
        ("udiv r0, r1, r2", 2),  # at least
        ("ldr r0, [r1]", 2),
        ("ldr r0, [r1]\n ldr r2, [r3]\n ldr r4, [r5, r6, lsl #2]", 2 + 1 + 1),
        ("ldr r0, [r1]\n ldr r2, [r0]", 2 + 3),  # the address is the result
        ("ldr r0, [r1]\n ldr r2, [r3, r0]", 2 + 3),
        ("ldr r0, [r1]\n adds r3, #1\n ldr r2, [r0]", 2 + 1 + 2),
        ("ldr r0, [r1]\n ldr r2, [sp, #4]", 2 + 1),
        ("ldr r0, [pc, #4]\n ldr r2, [sp, #4]", 2 + 2),  # another memory
        ("ldr r0, [r1], #4\n ldr r2, [r1]", 2 + 2),  # not in a row on a base that is written back
        ("ldr r0, [r1], #4\n ldr r2, [r3], #4", 2 + 1),
        ("str r0, [r1], #4\n str r2, [r1], #4", 1 + 2),
        ("adds r1, #4\n str r0, [r1]", 1 + 2),
        ("adds r1, #4\n ldmia r1, {r2, r3}", 1 + 4),
        ("ldr r0, [r1]\n str r0, [r2]", 2 + 1),
        ("ldr r0, [r1]\n nop\n nop", 2 + 0 + 1),
        ("str r0, [r1]\n ldmia r2, {r3, r4}", 1 + 4),
        ("str r0, [r1]\n ldr r2, [pc, #4]", 1 + 2),  # flash and SRAM do not meet
        ("nop\n add.w r0, r1, r2\n add.w r0, r1, r2", 3),  # two 32-bit instructions not word aligned
        ("nop\n add.w r0, r1, r2\n add.w r0, r1, r2\n add.w r0, r1, r2\n add.w r0, r1, r2", 5 + 1),  # three or more
        ("nop\n str.w r0, [r1]\n str.w r0, [r1]\n str.w r0, [r1]", 4),  # stores: four or more
        ("adds r1, #4\n ldr r0, [r1]", 1 + 3),
        ("adds r2, #4\n ldr r0, [r1]", 1 + 2),
        ("str r0, [r1, #4]", 1),
        ("str r0, [r1, r2]", 2),
        ("str r0, [r1, #4]\n ldr r0, [r1]", 1 + 3),
        ("str r0, [r1, r2]\n ldr r0, [r1]", 2 + 2),
        ("ldmia r0, {r1-r4}", 5),
        ("push {r4, lr}", 3),
        ("pop {r4, r5}", 3),
        ("ldrd r0, r1, [r2]\n strd r0, r1, [r3]", 3 + 3),
        ("movs r0, #1\n it eq\n addeq r0, #1", 1 + 0 + 1),
        ("add.w r0, r1, r2\n it eq\n addeq r0, #1", 1 + 1 + 1),
        ("vadd.f32 s0, s1, s2\n vmul.f32 s3, s4, s5", 2),
        ("vadd.f32 s0, s1, s2\n vmul.f32 s3, s0, s5", 3),  # waits for s0
        ("vfma.f32 s0, s1, s2\n vfma.f32 s3, s1, s2", 6),
        ("vfma.f32 s0, s1, s2\n vfma.f32 s0, s1, s2", 7),
        ("vdiv.f32 s0, s1, s2\n vsqrt.f32 s3, s4", 14 + 1),
        ("vdiv.f32 s0, s1, s2\n vstr s0, [r0]", 14 + 1 + 2),
        ("vdiv.f32 s0, s1, s2\n adds r0, #1\n adds r0, #1", 3),  # beside the division
        ("vdiv.f32 s0, s1, s2\n adds r0, #1\n vadd.f32 s3, s4, s5", 14 + 1),
        ("vldr s0, [r0]\n vldr s1, [r0, #4]", 3),
        ("vldmia r0!, {s0-s7}", 9),
        ("vpush {d8-d9}", 5),
        ("vmov r0, r1, s2, s3", 2),
        ("vcmp.f32 s0, s1\n vmrs APSR_nzcv, fpscr", 2),
        ("mrs r0, primask\n msr primask, r0\n cpsid i\n dsb\n isb", 2 + 2 + 1 + 1 + 3),
        ("nop\n sev", 2),
    ],
)
def test_straight_line_code(source: str, cycles: int) -> None:
    assert sequence_cycles(decode_block(CODE, assemble(source))) == cycles


def test_memories_seen_at_run_time_decide_what_pipelines() -> None:
    code = assemble("ldr r0, [r1]\n ldr r2, [r3]")
    cost = {
        memories: CortexM4Timing().edge(None, CodeBlock(CODE, code, memories)).total_cycles
        for memories in [(2, 2), (0, 0), (0, 2), (2, -1)]
    }
    assert cost == {(2, 2): 3, (0, 0): 3, (0, 2): 4, (2, -1): 3}


@pytest.mark.parametrize(
    ("dividend", "divisor", "cycles"),
    [(5, 0, 2), (5, 7, 2), (7, 7, 4), (100, 7, 5), (1 << 31, 1, 11), (0xFFFF_FFFF, 1, 11), (0xFFFF_FFFF, 0x10000, 7)],
)
def test_divisions_end_early(dividend: int, divisor: int, cycles: int) -> None:
    assert DivideTiming().cycles(dividend, divisor) == cycles


@pytest.mark.parametrize(
    "wrong",
    [{"line_bytes": 12}, {"instruction_lines": 0}, {"data_lines": 8, "data_ways": 3}, {"fill_cycles": -1}],
)
def test_impossible_caches_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"line|cache|cycles"):
        FlashAccelerator(**wrong)


def edge_refill(branch: str, target: str, distance: int) -> int:
    first = CodeBlock(CODE, assemble(branch))
    second = CodeBlock(first.end + distance, assemble(target, first.end + distance))
    return CortexM4Timing().edge(first, second).refill_cycles


@pytest.mark.parametrize(
    ("branch", "total"),
    [
        ("bne .+100", 2),
        ("b.w .+100", 2),
        ("bl .+100", 2),
        ("cbz r0, .+100", 2),
        ("bx lr", 2),
        ("bx r0", 3),
        ("blx r0", 3),
        ("pop {r4, pc}", 6),
        ("ldr pc, [r0]", 5),
        ("tbb [pc, r0]", 6),
        ("mov pc, r0", 3),
    ],
)
def test_taken_branches(branch: str, total: int) -> None:
    own = sequence_cycles(decode_block(CODE, assemble(branch)))
    assert own + edge_refill(branch, "nop\n nop", 100) == total


def test_branch_not_taken_costs_one() -> None:
    assert edge_refill("nop\n bne .+100", "nop", 0) == 0


def test_unaligned_wide_branch_target_costs_one_more() -> None:
    aligned, unaligned = 100, 102
    wide = "add.w r0, r1, r2"
    assert edge_refill("b.w .+100", wide, unaligned) == edge_refill("b.w .+100", wide, aligned) + 1
    assert edge_refill("b.w .+100", "nop", unaligned) == edge_refill("b.w .+100", "nop", aligned)


def test_cost_does_not_depend_on_where_straight_line_code_is_cut() -> None:
    source = "adds r1, #4\n ldr r0, [r1]\n ldr r2, [r3]\n str r2, [r3, #4]\n ldr r2, [r4]\n movs r0, #1\n it eq\n addeq r0, #2\n"
    code = assemble(source)
    timing = CortexM4Timing()
    whole = timing.edge(None, CodeBlock(CODE, code))
    for address in whole.addresses[1:]:
        cut = address - CODE
        first, second = CodeBlock(CODE, code[:cut]), CodeBlock(address, code[cut:])
        if first.code[-2:] == code[-4:-2]:  # decoding needs the IT block whole
            continue
        assert timing.edge(None, first).total_cycles + timing.edge(first, second).total_cycles == whole.total_cycles


def test_undecodable_halfwords_keep_their_length() -> None:
    decoded = decode_block(CODE, bytes.fromhex("00de") + b"\xff\xff\xff\xff" + bytes.fromhex("00bf"))
    assert [instruction.address - CODE for instruction in decoded] == [0, 2, 6]


def test_published_operations_differ_as_on_silicon() -> None:
    """STM32F446 and STM32L496, cycles a loop at 8-90 MHz: fp32 division less addition 12.99-13.02, subtraction and multiplication the same."""

    def loop(operation: str) -> int:
        return sequence_cycles(
            decode_block(
                CODE, assemble(f"vldr s0, [r3]\n vldr s1, [r3, #4]\n {operation} s0, s0, s1\n vstr s0, [r3, #8]")
            )
        )

    assert loop("vdiv.f32") - loop("vadd.f32") == 13
    assert loop("vsub.f32") == loop("vmul.f32") == loop("vadd.f32")
