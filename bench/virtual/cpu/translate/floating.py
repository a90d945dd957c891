"""Single-precision floating point by the FPU of the host, where both do the same.

The host's results are IEEE 754 like the core's, but for NaN: an instruction that would make or take one makes the region end before it.
Exceptions are collected by the host's FPU and added to FPSCR when the region is left (frame.py). Arithmetic is built with LLVM's
"constrained" functions, so that no operation is moved to where the program would not do it: it could raise an exception there.
Regions are entered with FPSCR in its default mode only. Ref: Armv7-M Architecture Reference Manual DDI 0403E, A7.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from bench.virtual.cpu.translate.frame import F32, I32, I64, Frame, Unsupported
from bench.virtual.cpu.translate.operands import Word, core_of, single_of

_SIGN = I32(0x8000_0000)
_F64 = ir.DoubleType()


def _bits(f: Frame, value: Any) -> Any:
    return f.b.bitcast(value, I32)


def _is_nan(f: Frame, value: Any) -> Any:
    """By the bits: a comparison could raise an exception."""
    return f.b.icmp_unsigned(">", f.b.and_(_bits(f, value), I32(0x7FFF_FFFF)), I32(0x7F80_0000))


def _strict(f: Frame, name: str, result: Any, arguments: list[Any], *, rounds: bool = True, compares: str = "") -> Any:
    """Call one of LLVM's constrained functions."""
    metadata = [compares] if compares else []
    if rounds:
        metadata.append("round.tonearest")
    metadata.append("fpexcept.strict")
    kinds = [argument.type for argument in arguments] + [ir.MetaDataType()] * len(metadata)
    function = f.intrinsic(f"llvm.experimental.constrained.{name}", result, kinds)
    f.uses_arithmetic = True
    return f.b.call(function, [*arguments, *(ir.MetaDataString(f.module, text) for text in metadata)])


def _negated(f: Frame, value: Any) -> Any:
    return f.b.bitcast(f.b.xor(_bits(f, value), _SIGN), F32)


def _checked(f: Frame, value: Any) -> Any:
    """A result that has to be a number: the region ends before the instruction otherwise. Results are quiet: comparing raises nothing."""
    f.leave_here_when(_strict(f, "fcmp.f32", ir.IntType(1), [value, value], rounds=False, compares="uno"))
    return value


def _registers(word: Word) -> list[int]:
    numbers = [single_of(operand) for operand in word.operands]
    if word.instruction.double or any(number is None for number in numbers):
        raise Unsupported(word.name)
    return [number for number in numbers if number is not None]


def _binary(f: Frame, word: Word) -> None:
    target, *sources = _registers(word)
    if len(sources) == 1:
        sources = [target, *sources]
    left, right = (f.single(number) for number in sources)
    operation = {"vadd": "fadd", "vsub": "fsub", "vmul": "fmul", "vnmul": "fmul", "vdiv": "fdiv"}[word.name]
    result = _checked(f, _strict(f, f"{operation}.f32", F32, [left, right]))
    f.set_single(target, _negated(f, result) if word.name == "vnmul" else result)


def _multiply_add(f: Frame, word: Word) -> None:
    """VMLA and relatives round the product, VFMA and relatives do not."""
    target, first, second = _registers(word)
    total, left, right = f.single(target), f.single(first), f.single(second)
    name = word.name
    if name.startswith("vf"):
        if name in ("vfms", "vfnma"):
            left = _negated(f, left)
        if name in ("vfnma", "vfnms"):
            total = _negated(f, total)
        result = _strict(f, "fma.f32", F32, [left, right, total])
    else:
        product = _checked(f, _strict(f, "fmul.f32", F32, [left, right]))
        if name in ("vmls", "vnmla"):
            product = _negated(f, product)
        if name in ("vnmla", "vnmls"):
            total = _negated(f, total)
        result = _strict(f, "fadd.f32", F32, [total, product])
    f.set_single(target, _checked(f, result))


def _square_root(f: Frame, word: Word) -> None:
    target, source = _registers(word)
    f.set_single(target, _checked(f, _strict(f, "sqrt.f32", F32, [f.single(source)])))


def _sign(f: Frame, word: Word) -> None:
    target, source = _registers(word)
    bits = _bits(f, f.single(source))
    f.set_single(target, f.b.xor(bits, _SIGN) if word.name == "vneg" else f.b.and_(bits, I32(0x7FFF_FFFF)))


def _move(f: Frame, word: Word) -> None:
    operands = word.operands
    if word.instruction.double:
        raise Unsupported(word.name)
    if len(operands) == 4:
        _move_pair(f, word)
        return
    if len(operands) != 2:
        raise Unsupported(word.name)
    to_single, to_core = single_of(operands[0]), core_of(operands[0])
    from_single, from_core = single_of(operands[1]), core_of(operands[1])
    if to_single is not None and from_single is not None:
        f.set_single(to_single, f.single(from_single))
    elif to_single is not None and from_core is not None:
        f.set_single(to_single, f.value(from_core))
    elif to_core is not None and from_single is not None:
        f.assign(to_core, _bits(f, f.single(from_single)))
    elif to_single is not None and word.code & 0x0FB0_0FF0 == 0x0EB0_0A00:
        f.set_single(to_single, I32(_expanded(word.code >> 12 & 0xF0 | word.code & 0xF)))
    else:
        raise Unsupported(word.name)


def _expanded(imm8: int) -> int:
    """VFPExpandImm() for 32 bits (A6.4.1)."""
    exponent = (0x7C if imm8 & 0x40 else 0x80) | imm8 >> 4 & 3
    return (imm8 >> 7) << 31 | exponent << 23 | (imm8 & 0xF) << 19


def _move_pair(f: Frame, word: Word) -> None:
    cores, singles = [core_of(operand) for operand in word.operands], [single_of(operand) for operand in word.operands]
    if cores[0] is not None and singles[2] is not None:
        values = [_bits(f, f.single(number)) for number in singles[2:] if number is not None]
        for register, value in zip(cores[:2], values, strict=True):
            assert register is not None
            f.assign(register, value)
    elif singles[0] is not None:
        for number, core in zip(singles[:2], cores[2:], strict=True):
            assert number is not None
            assert core is not None
            f.set_single(number, f.value(core))
    else:
        raise Unsupported(word.name)


def _compare(f: Frame, word: Word) -> None:
    b = f.b
    left_number = single_of(word.operands[0])
    right_number = single_of(word.operands[1])
    if word.instruction.double or left_number is None or (right_number is None and word.code >> 16 & 1 == 0):
        raise Unsupported(word.name)
    left = f.single(left_number)
    right = f.single(right_number) if right_number is not None else F32(0.0)
    f.leave_here_when(b.or_(_is_nan(f, left), _is_nan(f, right)))
    equal, less = (
        _strict(f, "fcmp.f32", ir.IntType(1), [left, right], rounds=False, compares=how) for how in ("oeq", "olt")
    )
    f.set_flag("fn", less)
    f.set_flag("fz", equal)
    f.set_flag("fc", b.not_(less))
    f.set_flag("fv", ir.IntType(1)(0))


def _status(f: Frame, word: Word) -> None:
    """VMRS APSR_nzcv, FPSCR."""
    if word.code & 0xFFFF_FFFF != 0xEEF1_FA10:
        raise Unsupported(word.name)
    f.set_flags({name: f.flag("f" + name) for name in "nzcv"})


def _convert(f: Frame, word: Word) -> None:
    """VCVT between singles and 32-bit integers (A7.7.228); encodings with fraction bits or half precision are not translated."""
    code = word.code
    if code & 0x0FB8_0F50 != 0x0EB8_0A40 or len(word.operands) != 2:
        raise Unsupported(word.name)
    target, source = _registers(word)
    b, value = f.b, f.single(source)
    operation = code >> 16 & 7
    if operation == 0:
        bits = _bits(f, value)
        integer = b.sext(bits, I64) if code >> 7 & 1 else b.zext(bits, I64)
        f.set_single(target, _strict(f, "sitofp.f32.i64", F32, [integer]))
        return
    if code >> 7 & 1 == 0:
        raise Unsupported("vcvtr")
    if operation not in (4, 5):
        raise Unsupported(word.name)
    bits = _bits(f, value)
    if operation == 5:
        f.leave_here_when(b.icmp_unsigned(">=", b.and_(bits, I32(0x7FFF_FFFF)), I32(0x4F00_0000)))
    else:
        f.leave_here_when(b.icmp_unsigned(">=", bits, I32(0x4F80_0000)))
    f.set_single(target, b.trunc(_strict(f, "fptosi.i64.f32", I64, [value], rounds=False), I32))


FLOATING: dict[str, Callable[[Frame, Word], None]] = {
    **dict.fromkeys(("vadd", "vsub", "vmul", "vnmul", "vdiv"), _binary),
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"), _multiply_add),
    **dict.fromkeys(("vneg", "vabs"), _sign),
    **dict.fromkeys(("vcmp", "vcmpe"), _compare),
    "vsqrt": _square_root,
    "vmov": _move,
    "vmrs": _status,
    "vcvt": _convert,
}
"""Instructions by capstone's name."""
