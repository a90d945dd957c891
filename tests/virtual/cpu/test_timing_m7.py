"""Cortex-M7 timing against the statements of its published sources, sequence by sequence; and wait states on a running core."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.virtual.cpu.timing import CodeBlock
from bench.virtual.cpu.timing_m7 import CortexM7Timing, sequence_cycles


@pytest.fixture
def assemble(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Return a function from assembler lines to machine code."""

    def make(*lines: str) -> bytes:
        source, obj, binary = (tmp_path / f"code.{suffix}" for suffix in ("s", "o", "bin"))
        source.write_text("\n".join((".syntax unified", ".cpu cortex-m7", ".fpu fpv5-sp-d16", ".thumb", *lines, "")))
        subprocess.run(["arm-none-eabi-as", "-o", obj, source], check=True)
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", obj, binary], check=True)
        return binary.read_bytes()

    return make


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        (("add r0, r1, #1", "add r2, r3, #1"), 1),
        (("add r0, r1, #1", "eor r2, r0, r3"), 1),  # early ALU to late ALU in the same cycle
        (("eor r0, r1, r2", "eor r3, r0, r4"), 2),
        (("str r0, [r1]", "str r2, [r1, #4]"), 2),
        (("ldr r0, [r1]", "str r2, [r3]"), 1),
        (("ldr r0, [r1]", "ldr r2, [r1, #4]"), 1),  # the other bank
        (("ldr r0, [r1]", "ldr r2, [r1, #8]"), 2),  # the same bank
        (("ldr r0, [r1]", "eor r2, r0, r3"), 2),
        (("ldrb r0, [r1]", "eor r2, r0, r3"), 3),
        (("ldr r0, [r1]", "ldr r2, [r0]"), 3),  # an address wants it a cycle earlier
        (("mul r0, r1, r2", "mul r3, r4, r5"), 2),
        (("mul r0, r1, r2", "eor r3, r0, r4"), 3),
        (("mul r0, r1, r2", "str r3, [r4]"), 2),
        (("ubfx r0, r1, #1, #2", "ubfx r2, r3, #1, #2"), 2),
        (("uadd8 r0, r1, r2", "eor r3, r0, r4", "sel r5, r3, r0"), 3),  # DSP operands are taken late
        (("lsr r0, r1, #4", "eor r2, r0, r3"), 1),  # a shift is done early
        (("lsr r0, r1, #4", "ldr r2, [r0]"), 2),
        (("rev r0, r1", "eor r2, r0, r3"), 1),
        (("rev r0, r1", "ldr r2, [r0]"), 3),
        (("eor r0, r1, r2, ror #8", "eor r3, r4, r5, ror #8"), 2),  # one shifter
        (("eor r0, r1, r2, ror #8", "eor r3, r4, #0x1fc0"), 2),
        (("eor r0, r1, r2, ror #8", "eor r3, r4, #0x1b1b1b1b"), 1),
        (("ubfx r0, r1, #1, #2", "eor r3, r4, r5, ror #8"), 2),
        (("lsr r0, r1, #4", "eor r3, r4, r5, ror #8"), 2),
        (("eor r0, r1, r2", "eor r3, r4, r0, ror #8"), 3),  # a shifted operand is wanted early
        (("ldr r0, [r1]", "eor r2, r0, r4, ror #8"), 3),  # and a word just loaded, beside it, too
        (("ldr r0, [r1]", "mul r2, r0, r3"), 3),
        (("ldrb r0, [r1]", "mul r2, r0, r3"), 3),
        (("mul r0, r1, r2", "mla r3, r4, r5, r0"), 2),
        (("str r0, [sp, #8]", "ldr r1, [sp, #8]"), 5),  # no way around the store buffer
        (("str r0, [sp, #8]", "add r2, sp, #4", "ldr r1, [r2, #8]"), 5),
        (("str r0, [sp, #8]", "ldr r1, [sp, #16]"), 1),
        (("str r0, [sp, #8]", "add sp, r3", "ldr r1, [sp, #8]"), 3),  # may be anywhere
        (("push {r0}", "pop {r0}"), 5),
        (("ldmia r0!, {r4-r7}",), 2),
        (("ldmia r0!, {r4-r8}", "add r1, r2, #1"), 4),
        (("vadd.f32 s0, s1, s2", "vadd.f32 s3, s4, s5"), 2),
        (("vadd.f32 s0, s1, s2", "vadd.f32 s3, s0, s5"), 4),
        (("vadd.f32 s0, s1, s2", "add r0, r1, #1"), 1),
        (("vfma.f32 s0, s1, s2", "vfma.f32 s0, s3, s4"), 4),
        (("vfma.f32 s0, s1, s2", "vmul.f32 s3, s0, s4"), 6),
        (("vmla.f32 s0, s1, s2", "vmul.f32 s3, s0, s4"), 7),
        (("vldr s0, [r0]", "vmul.f32 s1, s0, s2"), 2),
        (("vldr s0, [r0]", "vfma.f32 s0, s1, s2"), 4),
        (("vfma.f32 s0, s1, s2", "vldr s3, [r0]"), 2),
        (("vdiv.f32 s0, s1, s2", "add r0, r1, #1", "add r2, r3, #1"), 17),
    ],
)  # fmt: skip
def test_pairs_and_latencies(assemble, lines: tuple[str, ...], cycles: int) -> None:  # type: ignore[no-untyped-def]
    assert sequence_cycles(assemble(*lines)) == cycles


def test_a_predicted_loop_pays_no_refill_and_a_wrong_prediction_does(assemble) -> None:  # type: ignore[no-untyped-def]
    body = assemble("1: add.w r0, r1, #1", "eor.w r2, r3, r4", "subs r5, #1", "bne 1b")
    loop, behind = CodeBlock(0x100, body), CodeBlock(0x100 + len(body), assemble("eor.w r6, r7, r8"))
    again, out = CortexM7Timing().edge(loop, loop), CortexM7Timing().edge(loop, behind)
    assert (again.total_cycles, again.mispredict_cycles, again.taken) == (2, 8, True)
    assert (out.mispredict_cycles, out.taken) == (8, False)


def test_flags_made_early_shorten_a_wrong_prediction(assemble) -> None:  # type: ignore[no-untyped-def]
    stores = [f"str r1, [r2, #{4 * i}]" for i in range(4)]
    body = assemble("1: cmp r0, #1", *stores, "bne 1b")
    assert CortexM7Timing().edge(CodeBlock(0, body), CodeBlock(0, body)).mispredict_cycles == 6


def test_starts_never_run_backwards_and_stay_within_the_cost(assemble) -> None:  # type: ignore[no-untyped-def]
    block = CodeBlock(0, assemble("add r0, r1, #1", "ldr r2, [r3]", "eor r4, r2, r0", "mul r5, r4, r2", "str r5, [r3]"))
    cost = CortexM7Timing().edge(block, block)
    assert list(cost.starts_cycles) == sorted(cost.starts_cycles)
    assert 0 <= cost.starts_cycles[0] <= cost.starts_cycles[-1] < cost.total_cycles
