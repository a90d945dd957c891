"""Random loops of every instruction form that is translated, and a comparison of the core with and without translation."""

from __future__ import annotations

import random
import re

import pytest

from bench.virtual.cpu import CoreTiming, CortexM4Timing, StopReason
from bench.virtual.cpu.translate import translator
from tests.virtual.cpu.machine import ENABLE_FPU, RAM, Machine

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
DATA = RAM + 0x4000
"""r8 points here, 2 KB behind the begin of what is compared."""
SPECIAL = (
    0,
    1,
    2,
    31,
    32,
    33,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0x8000_8000,
    0xFFFF_FFFF,
)
SINGLES = (
    0,
    0x8000_0000,
    0x3F80_0000,
    0xBF80_0000,
    1,
    0x8000_0001,
    0x007F_FFFF,
    0x0080_0000,
    0x7F7F_FFFF,
    0x4EFF_FFFF,
    0x4F00_0000,
    0x3F00_0000,
)
INFINITE = (0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0x7F80_0001, 0xFFC1_2345)

# {d} {n} {m} {a}: low or high registers; {l} {k}: low ones; {i}: a constant of the kind that the form takes.
ALU = (
    [
        f"{op}{s}.w {{d}}, {{n}}, {{m}}"
        for op in ("add", "sub", "rsb", "adc", "sbc", "and", "orr", "eor", "bic", "orn")
        for s in ("", "s")
        if (op, s)[0] != "rsb"
    ]
    + [
        f"{op}{s}.w {{d}}, {{n}}, {{m}}, {sh} #{{sh}}"
        for op in ("add", "sub", "rsb", "and", "orr", "eor", "orn")
        for s in ("", "s")
        for sh in ("lsl", "lsr", "asr", "ror")
    ]
    + [
        f"{op}{s}.w {{d}}, {{n}}, #{{i}}"
        for op in ("add", "sub", "rsb", "adc", "sbc", "and", "orr", "eor", "bic", "orn")
        for s in ("", "s")
    ]
    + [f"{op}{s}.w {{d}}, {{n}}, {{m}}" for op in ("lsl", "lsr", "asr", "ror") for s in ("", "s")]
    + [f"{op}{s}.w {{d}}, {{n}}, #{{sh}}" for op in ("lsl", "lsr", "asr", "ror") for s in ("", "s")]
    + [
        "rrx {d}, {n}",
        "rrxs {d}, {n}",
        "mov.w {d}, #{i}",
        "movs.w {d}, #{i}",
        "mvn {d}, #{i}",
        "mvns.w {d}, {n}",
        "movw {d}, #{w}",
        "movt {d}, #{w}",
    ]
    + [
        "mov {d}, {n}",
        "mvns {l}, {k}",
        "addw {d}, {n}, #{t}",
        "subw {d}, {n}, #{t}",
        "adds {l}, {k}, #{b}",
        "subs {l}, #{y}",
        "adds {l}, {k}, {j}",
        "rsbs {l}, {k}, #0",
    ]
    + [
        "cmp {n}, {m}",
        "cmp.w {n}, #{i}",
        "cmn.w {n}, {m}",
        "cmp.w {n}, {m}, lsl #{sh}",
        "tst.w {n}, {m}",
        "tst.w {n}, #{i}",
        "teq {n}, {m}, ror #{sh}",
        "teq {n}, #{i}",
    ]
    + [
        "lsls {l}, {k}",
        "lsrs {l}, {k}",
        "asrs {l}, {k}",
        "rors {l}, {k}",
        "lsls {l}, {k}, #{sh}",
        "lsrs {l}, {k}, #{sh}",
        "asrs {l}, {k}, #{sh}",
        "ands {l}, {k}",
        "eors {l}, {k}",
    ]
    + [
        "adcs {l}, {k}",
        "sbcs {l}, {k}",
        "orrs {l}, {k}",
        "bics {l}, {k}",
        "tst {l}, {k}",
        "cmn {l}, {k}",
        "add {d}, {n}",
        "movs {l}, #{y}",
        "cmp {l}, #{y}",
        "adr {d}, top",
    ]
    + [
        "bfc {d}, #{f}",
        "bfi {d}, {n}, #{f}",
        "ubfx {d}, {n}, #{f}",
        "sbfx {d}, {n}, #{f}",
        "clz {d}, {n}",
        "rbit {d}, {n}",
        "rev {d}, {n}",
        "rev16 {d}, {n}",
        "revsh {d}, {n}",
    ]
    + [f"{op} {{d}}, {{n}}{turn}" for op in ("sxtb", "sxth", "uxtb", "uxth") for turn in ("", ", ror #8", ", ror #24")]
    + [f"{op} {{d}}, {{n}}, {{m}}{turn}" for op in ("sxtab", "sxtah", "uxtab", "uxtah") for turn in ("", ", ror #16")]
    + ["nop", "sub.w {d}, {n}, #{i}", "rsb {d}, {n}, {m}", "rsbs.w {d}, {n}, {m}"]
)
MULTIPLY = (
    ["mul {d}, {n}, {m}", "muls {l}, {k}, {l}", "mla {d}, {n}, {m}, {a}", "mls {d}, {n}, {m}, {a}"]
    + [f"{op} {{d}}, {{D}}, {{n}}, {{m}}" for op in ("smull", "umull", "smlal", "umlal", "umaal", "smlald", "smlaldx", "smlsld", "smlsldx", "smlalbb", "smlalbt", "smlaltb", "smlaltt")]
    + [f"{op} {{d}}, {{n}}, {{m}}" for op in ("smulbb", "smulbt", "smultb", "smultt", "smulwb", "smulwt", "smuad", "smuadx", "smusd", "smusdx", "smmul", "smmulr", "sdiv", "udiv")]
    + [f"{op} {{d}}, {{n}}, {{m}}, {{a}}" for op in ("smlabb", "smlabt", "smlatb", "smlatt", "smlawb", "smlawt", "smlad", "smladx", "smlsd", "smlsdx", "smmla", "smmlar", "smmls", "smmlsr", "usada8")]
    + ["usad8 {d}, {n}, {m}", "sel {d}, {n}, {m}", "qadd {d}, {n}, {m}", "qsub {d}, {n}, {m}", "qdadd {d}, {n}, {m}", "qdsub {d}, {n}, {m}"]
    + ["ssat {d}, #{s}, {n}", "ssat {d}, #{s}, {n}, asr #3", "usat {d}, #{u}, {n}", "usat {d}, #{u}, {n}, lsl #5", "ssat16 {d}, #{h}, {n}", "usat16 {d}, #{h}, {n}"]
    + ["pkhbt {d}, {n}, {m}", "pkhbt {d}, {n}, {m}, lsl #7", "pkhtb {d}, {n}, {m}, asr #9", "sxtb16 {d}, {n}", "uxtb16 {d}, {n}, ror #8", "sxtab16 {d}, {n}, {m}", "uxtab16 {d}, {n}, {m}, ror #16"]
    + [f"{p}{lanes} {{d}}, {{n}}, {{m}}" for p in ("s", "u", "q", "uq", "sh", "uh") for lanes in ("add8", "sub8", "add16", "sub16", "asx", "sax")]
)  # fmt: skip
MEMORY = (
    [f"{op}.w {{d}}, [r8, #{{o}}]" for op in ("ldr", "ldrh", "ldrb", "ldrsh", "ldrsb", "str", "strh", "strb")]
    + [f"{op} {{d}}, [r8, #-{{y}}]" for op in ("ldr", "ldrh", "ldrb", "ldrsh", "ldrsb", "str", "strh", "strb")]
    + [f"and {{x}}, {{n}}, #0xff\n {op}.w {{d}}, [r8, {{x}}, lsl #{shift}]" for op in ("ldr", "ldrh", "ldrb", "ldrsh", "ldrsb", "str", "strh", "strb") for shift in (0, 2)]
    + [f"{op} {{d}}, [r8], #{{y4}}\n sub r8, #{{y4}}" for op in ("ldr", "ldrh", "ldrb", "ldrsh", "ldrsb", "str", "strh", "strb")]
    + [f"{op} {{d}}, [r8, #-{{y4}}]!\n add r8, #{{y4}}" for op in ("ldr", "ldrb", "str", "strh")]
    + ["ldrd {d}, {D}, [r8, #{y4}]", "strd {d}, {n}, [r8, #-{y4}]", "ldrd {d}, {D}, [r8], #{y4}\n sub r8, #{y4}", "strd {d}, {n}, [r8, #{y4}]!\n sub r8, #{y4}"]
    + ["push {{r0-r3, r10, lr}}\n pop {{r1-r4, r9, lr}}", "ldm r8, {{r0, r2, r5, r11}}", "stm r8, {{r0, r2, r5, r11}}", "mov r0, r8\n ldmia r0!, {{r1, r3, r4}}", "mov r0, r8\n stmdb r0!, {{r1, r3, r4}}"]
    + ["mov r0, r8\n ldmdb r0, {{r3-r7}}", "ldr {d}, =0x12345678", "adr {l}, top\n ldrb {d}, [{l}, #{o}]", "sub sp, #16\n str {d}, [sp, #4]\n ldr {n}, [sp, #4]\n add sp, #16", "ldr {d}, [r8, #3]", "str {d}, [r8, #1]"]
)  # fmt: skip
FLOATING = (
    [f"{op}.f32 {{s}}, {{t}}, {{u}}" for op in ("vadd", "vsub", "vmul", "vnmul", "vdiv", "vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms")]
    + ["vsqrt.f32 {s}, {t}", "vabs.f32 {s}, {t}", "vneg.f32 {s}, {t}", "vmov.f32 {s}, {t}", "vmov {s}, {d}", "vmov {d}, {s}", "vmov.f32 {s}, #1.5", "vmov.f32 {s}, #-0.125"]
    + ["vcmp.f32 {s}, {t}\n vmrs APSR_nzcv, fpscr", "vcmpe.f32 {s}, {t}\n vmrs APSR_nzcv, fpscr", "vcmp.f32 {s}, #0.0\n vmrs APSR_nzcv, fpscr", "vcmpe.f32 {s}, #0.0"]
    + ["vcvt.s32.f32 {s}, {t}", "vcvt.u32.f32 {s}, {t}", "vcvt.f32.s32 {s}, {t}", "vcvt.f32.u32 {s}, {t}", "vmov {d}, {D}, s4, s5", "vmov s6, s7, {d}, {n}"]
    + ["vldr {s}, [r8, #{y4}]", "vstr {s}, [r8, #{y4}]", "vldr d3, [r8, #-{y4}]", "vstr d2, [r8, #{y4}]", "mov r0, r8\n vldmia r0!, {{s3-s6}}", "mov r0, r8\n vstmdb r0!, {{s3-s6}}", "vpush {{s1-s4}}\n vpop {{s2-s5}}"]
)  # fmt: skip
GROUPS = {"alu": ALU, "multiply": MULTIPLY, "memory": MEMORY, "floating": FLOATING}
_NO_IT = ("adr", "ldr {d}, =")


def _fill(draw: random.Random, form: str) -> str:
    registers = [f"r{n}" for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11)]
    d, big_d, x = draw.sample(registers, 3)
    low, width = draw.randrange(32), draw.randrange(1, 33)
    values = {
        "d": d,
        "D": big_d,
        "x": x,
        **{name: draw.choice(registers) for name in "nma"},
        **{name: draw.choice(registers[:8]) for name in "lkj"},
        "sh": draw.randrange(1, 32),
        "i": hex(
            draw.choice(
                (
                    draw.randrange(256),
                    draw.randrange(128, 256) << draw.randrange(24),
                    draw.randrange(256) * 0x10001,
                    draw.randrange(256) * 0x1010101,
                )
            )
        ),
        "w": draw.randrange(1 << 16),
        "t": draw.randrange(1 << 12),
        "b": draw.randrange(8),
        "y": draw.randrange(256),
        "y4": 4 * draw.randrange(1, 32),
        "o": draw.randrange(1 << 9),
        "f": f"{low}, #{min(width, 32 - low)}",
        "s": f"s{draw.randrange(16)}",
        "u": f"s{draw.randrange(16)}",
        "h": draw.randrange(1, 15),
    }
    if "sat" in form:
        values |= {"s": draw.randrange(1, 33), "u": draw.randrange(32)}
    elif form.startswith("v"):
        values["t"] = f"s{draw.randrange(16)}"
    return form.format(**values)


def program(seed: int, group: str, rounds: int = 40, length: int = 70) -> str:
    """A loop of ``length`` forms of a group, some of them under conditions, with jumps between and a call inside."""
    draw = random.Random(f"{group} {seed}")
    forms = draw.sample(GROUPS[group], min(length, len(GROUPS[group])))
    if group != "alu":
        forms += draw.sample(ALU, 12)
    draw.shuffle(forms)
    lines = []
    for number, form in enumerate(forms):
        text = _fill(draw, form)
        kind = draw.randrange(8)
        if (
            kind == 0
            and "\n" not in text
            and not form.startswith(_NO_IT)
            and not re.match(r"(cb|b)", text.split()[0])
            and "adr" not in text
        ):
            lines.append(_conditional(draw, text))
        elif kind == 1:
            lines.append(f" b{draw.choice(CONDITIONS)} skip{number}\n {text}\nskip{number}:")
        elif kind == 2:
            lines.append(f" {draw.choice(('cbz', 'cbnz'))} r{draw.randrange(8)}, skip{number}\n {text}\nskip{number}:")
        elif kind == 3 and number % 3 == 0:
            lines.append(f" bl leaf\n {text}")
        else:
            lines.append(f" {text}")
    body = "\n".join(lines)
    values = [draw.choice((draw.choice(SPECIAL), draw.getrandbits(32))) for _ in range(11)]
    loads = "\n".join(
        f" ldr r{n}, ={value}" for n, value in zip((0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11), values, strict=True)
    )
    return (
        f"{ENABLE_FPU}{start_singles(draw)} ldr r8, ={DATA}\n ldr r12, ={rounds}\n{loads}\n"
        f" .balign 4\ntop:\n{body}\n subs r12, #1\n bne.w top\n bkpt\n .balign 4\nleaf: add r10, r10, r11, ror #3\n bx lr\n"
    )


def _conditional(draw: random.Random, text: str) -> str:
    condition = draw.choice(CONDITIONS)
    name, *rest = text.split(maxsplit=1)
    head, dot, kind = name.partition(".")
    # Within an IT block the narrow encodings set no flags, and the wide ones do with an S.
    narrow = re.fullmatch(r"(add|sub|adc|sbc|and|orr|eor|bic|lsl|lsr|asr|ror|mov|mvn|mul|rsb)s", head) and not dot
    head = head[:-1] if narrow else head
    return f" it {condition}\n {head}{condition}{dot}{kind} {rest[0] if rest else ''}"


def start_singles(draw: random.Random, odd: tuple[int, ...] = ()) -> str:
    """Code that puts something in s0-s15."""
    values = [
        draw.choice(
            (
                draw.choice(SINGLES + odd),
                draw.getrandbits(32) & 0xBFFF_FFFF | 0x3000_0000,
                0x3F80_0000 | draw.getrandbits(23),
            )
        )
        for _ in range(16)
    ]
    values = [value if value & 0x7F80_0000 != 0x7F80_0000 or odd else 0x4049_0FDB for value in values]
    return "\n".join(f" ldr r1, ={value}\n vmov s{n}, r1" for n, value in enumerate(values)) + "\n"


def eager(patch: pytest.MonkeyPatch, look_cycles: int = 700, times: int = 2) -> None:
    """Translate loops as soon as they have run a few ``times``; look for such loops every ``look_cycles``."""
    patch.setattr(translator, "LOOK_CYCLES", look_cycles)
    patch.setattr(translator, "_WORTH_LOADING", look_cycles // 7)
    patch.setattr(translator, "_WORTH_COMPILING", times)
    patch.setattr(translator, "_SHORT_CYCLES", 0)


def state_of(machine: Machine) -> dict[str, object]:
    """All that has to be the same with and without translation."""
    names = [f"r{n}" for n in range(13)] + ["sp", "lr", "pc", "xpsr", "fpscr"] + [f"s{n}" for n in range(32)]
    cpu = machine.cpu
    return {name: cpu.read_register(name) for name in names} | {
        "cycles": cpu.cycles,
        "activity": cpu.activity,
        "ram": bytes(machine.ram),
        "faults": (cpu.system.cfsr, cpu.system.hfsr),
    }


def compare(
    source: str,
    *,
    timing: type[CoreTiming] = CortexM4Timing,
    wait_states: int = 0,
    caches: bool = False,
    seed: int = 0,
    slices: int = 12,
) -> int:
    """Run with and without translation, in the same stretches of cycles; returns how many regions there were at the end."""
    draw = random.Random(seed)
    memory = random.Random(seed).randbytes(0x2000)
    machines = []
    for translate in (False, True):
        machine = Machine(source, timing=timing(), translate=translate)
        machine.ram[0x3000:0x5000] = memory
        machine.cpu.set_flash_access(wait_states, caches, caches, caches)
        machines.append(machine)
    plain, quick = machines
    for _ in range(slices):
        budget = draw.randrange(1, 6000)
        reasons = [machine.cpu.run(budget) for machine in machines]
        assert reasons[0] is reasons[1], reasons
        before, after = state_of(plain), state_of(quick)
        wrong = {name: (before[name], after[name]) for name in before if before[name] != after[name] and name != "ram"}
        assert not wrong, wrong
        assert before["ram"] == after["ram"]
        if reasons[0] is StopReason.BREAKPOINT:
            break
    return quick.cpu.regions
