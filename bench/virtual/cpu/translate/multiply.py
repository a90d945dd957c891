"""Multiplication, division, saturation, and the DSP instructions. Ref: Armv7-M Architecture Reference Manual DDI 0403E, A7.7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.virtual.cpu.translate.alu import operand_2, rotated, sets_flags
from bench.virtual.cpu.translate.flags import LOGIC
from bench.virtual.cpu.translate.frame import I8, I16, I32, I64, Frame
from bench.virtual.cpu.translate.operands import Word, register_of

_ZERO = I32(0)
_LOWEST, _HIGHEST = I64(-(1 << 31)), I64((1 << 31) - 1)


def _inputs(f: Frame, word: Word) -> list[Any]:
    return [f.value(register_of(operand)) for operand in word.operands[1:]]


def _half(f: Frame, value: Any, top: bool) -> Any:
    return f.b.ashr(value, I32(16)) if top else f.b.sext(f.b.trunc(value, I16), I32)


def _wide(f: Frame, high: Any, low: Any) -> Any:
    return f.b.or_(f.b.shl(f.b.zext(high, I64), I64(32)), f.b.zext(low, I64))


def _set_wide(f: Frame, word: Word, value: Any) -> None:
    low, high = register_of(word.operands[0]), register_of(word.operands[1])
    f.assign(low, f.b.trunc(value, I32))
    f.assign(high, f.b.trunc(f.b.lshr(value, I64(32)), I32))


def _set_checked(f: Frame, word: Word, value: Any) -> None:
    """Write a 64-bit result's low word; Q when it is not all (the sums of signed halfword products)."""
    low = f.b.trunc(value, I32)
    f.saturated(f.b.icmp_signed("!=", f.b.sext(low, I64), value))
    f.assign(register_of(word.operands[0]), low)


def _multiply(f: Frame, word: Word) -> None:
    b = f.b
    if word.name == "mul":
        operands = word.operands
        left = operands[1] if len(operands) == 3 else operands[0]
        result = b.mul(f.value(register_of(left)), f.value(register_of(operands[-1])))
        if sets_flags(word):
            f.set_flags_of(LOGIC, result, _ZERO)
    else:
        left, right, third = _inputs(f, word)
        result = (b.add if word.name == "mla" else b.sub)(third, b.mul(left, right))
    f.assign(register_of(word.operands[0]), result)


def _multiply_long(f: Frame, word: Word) -> None:
    b = f.b
    widen = b.sext if word.name[0] == "s" else b.zext
    low, high, left, right = (f.value(register_of(operand)) for operand in word.operands)
    product = b.mul(widen(left, I64), widen(right, I64))
    if word.name in ("smlal", "umlal"):
        product = b.add(product, _wide(f, high, low))
    elif word.name == "umaal":
        product = b.add(b.add(product, b.zext(high, I64)), b.zext(low, I64))
    _set_wide(f, word, product)


def _multiply_halves(f: Frame, word: Word) -> None:
    """SMULxy, SMLAxy, SMULWy, SMLAWy, SMLALxy."""
    b, name = f.b, word.name
    registers = [f.value(register_of(operand)) for operand in word.operands]
    left, right = (registers[2], registers[3]) if name.startswith("smlal") else (registers[1], registers[2])
    second = _half(f, right, name[-1] == "t")
    if name[-2] == "w":
        product = b.ashr(b.mul(b.sext(left, I64), b.sext(second, I64)), I64(16))
    else:
        product = b.sext(b.mul(_half(f, left, name[-2] == "t"), second), I64)
    if name.startswith("smlal"):
        _set_wide(f, word, b.add(product, _wide(f, registers[1], registers[0])))
    elif name.startswith("smla"):
        _set_checked(f, word, b.add(product, b.sext(registers[3], I64)))
    else:
        f.assign(register_of(word.operands[0]), b.trunc(product, I32))


def _dual(f: Frame, word: Word) -> None:
    """SMUAD, SMUSD, SMLAD, SMLSD, SMLALD, SMLSLD, each with X."""
    b, name = f.b, word.name
    stem = name.removesuffix("x")
    registers = [f.value(register_of(operand)) for operand in word.operands]
    long = stem in ("smlald", "smlsld")
    left, right = (registers[2], registers[3]) if long else (registers[1], registers[2])
    swap = name.endswith("x")
    first = b.sext(b.mul(_half(f, left, False), _half(f, right, swap)), I64)
    second = b.sext(b.mul(_half(f, left, True), _half(f, right, not swap)), I64)
    total = (b.sub if stem in ("smusd", "smlsd", "smlsld") else b.add)(first, second)
    if long:
        _set_wide(f, word, b.add(total, _wide(f, registers[1], registers[0])))
    elif stem in ("smlad", "smlsd"):
        _set_checked(f, word, b.add(total, b.sext(registers[3], I64)))
    else:
        _set_checked(f, word, total)


def _most_significant(f: Frame, word: Word) -> None:
    """SMMUL, SMMLA, SMMLS, each with R (rounded)."""
    b, name = f.b, word.name
    inputs = _inputs(f, word)
    product = b.mul(b.sext(inputs[0], I64), b.sext(inputs[1], I64))
    if name.startswith("smmla"):
        product = b.add(b.shl(b.zext(inputs[2], I64), I64(32)), product)
    elif name.startswith("smmls"):
        product = b.sub(b.shl(b.zext(inputs[2], I64), I64(32)), product)
    if name.endswith("r"):
        product = b.add(product, I64(0x8000_0000))
    f.assign(register_of(word.operands[0]), b.trunc(b.lshr(product, I64(32)), I32))


def _divide(f: Frame, word: Word) -> None:
    """SDIV, UDIV; by zero gives 0, and the lowest number by -1 itself (A7.7.125)."""
    b = f.b
    left, right = (f.value(register_of(operand)) for operand in word.operands[-2:])
    none = b.icmp_unsigned("==", right, _ZERO)
    safe = b.select(none, I32(1), right)
    signed = word.name == "sdiv"
    quotient = b.trunc(b.sdiv(b.sext(left, I64), b.sext(safe, I64)), I32) if signed else b.udiv(left, safe)
    f.assign(register_of(word.operands[0]), b.select(none, _ZERO, quotient))


def _clamped(f: Frame, value: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The value between the bounds, and whether it was not."""
    b = f.b
    below, above = b.icmp_signed("<", value, low), b.icmp_signed(">", value, high)
    return b.select(below, low, b.select(above, high, value)), b.or_(below, above)


def _saturate(f: Frame, word: Word) -> None:
    bits = word.operands[1].imm
    signed = word.name[0] == "s"
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if word.name.endswith("16"):
        value = f.value(register_of(word.operands[2]))
        halves = [_clamped(f, _half(f, value, top), I32(low), I32(high)) for top in (False, True)]
        for _, clipped in halves:
            f.saturated(clipped)
        packed = f.b.or_(f.b.shl(halves[1][0], I32(16)), f.b.and_(halves[0][0], I32(0xFFFF)))
        f.assign(register_of(word.operands[0]), packed)
        return
    value, _ = operand_2(f, word.operands[2])
    result, clipped = _clamped(f, value, I32(low), I32(high) if high < 1 << 31 else I32(0x7FFF_FFFF))
    f.saturated(clipped)
    f.assign(register_of(word.operands[0]), result)


def _saturating_sum(f: Frame, word: Word) -> None:
    """QADD, QSUB, QDADD, QDSUB: Rd, Rm, Rn."""
    b = f.b
    left, right = (b.sext(value, I64) for value in _inputs(f, word))
    if word.name.startswith("qd"):
        right, clipped = _clamped(f, b.shl(right, I64(1)), _LOWEST, _HIGHEST)
        f.saturated(clipped)
    total = (b.sub if word.name.endswith("sub") else b.add)(left, right)
    result, clipped = _clamped(f, total, _LOWEST, _HIGHEST)
    f.saturated(clipped)
    f.assign(register_of(word.operands[0]), b.trunc(result, I32))


def _pack(f: Frame, word: Word) -> None:
    b = f.b
    first = f.value(register_of(word.operands[1]))
    second, _ = operand_2(f, word.operands[2])
    if word.name == "pkhtb":
        first, second = second, first
    f.assign(register_of(word.operands[0]), b.or_(b.and_(second, I32(0xFFFF_0000)), b.and_(first, I32(0xFFFF))))


def _extend_pair(f: Frame, word: Word) -> None:
    """SXTB16, UXTB16, SXTAB16, UXTAB16."""
    b = f.b
    source = rotated(f, word.operands[-1])
    widen = b.sext if word.name[0] == "s" else b.zext
    halves = [widen(b.trunc(part, I8), I32) for part in (source, b.lshr(source, I32(16)))]
    if word.name[3] == "a":
        other = f.value(register_of(word.operands[1]))
        halves = [b.add(halves[0], other), b.add(halves[1], b.lshr(other, I32(16)))]
    result = b.or_(b.shl(halves[1], I32(16)), b.and_(halves[0], I32(0xFFFF)))
    f.assign(register_of(word.operands[0]), result)


_LANES = {
    "add8": (8, (0, 0, 0, 0)),
    "sub8": (8, (1, 1, 1, 1)),
    "add16": (16, (0, 0)),
    "sub16": (16, (1, 1)),
    "asx": (16, (1, 0)),
    "sax": (16, (0, 1)),
}


def _parallel(f: Frame, word: Word) -> None:
    """Additions and subtractions in 8-bit or 16-bit lanes: plain (S, U, which set GE), saturating (Q, UQ), halving (SH, UH)."""
    b, name = f.b, word.name
    how = next(
        prefix
        for prefix in ("uq", "uh", "sh", "s", "u", "q")
        if name.startswith(prefix) and name.removeprefix(prefix) in _LANES
    )
    bits, subtract = _LANES[name.removeprefix(how)]
    left, right = _inputs(f, word)
    signed = how in ("s", "q", "sh")
    kind, widen = (I8, I16)[bits == 16], b.sext if signed else b.zext
    exchange = name.endswith("x")
    result: Any = _ZERO
    greater: Any = _ZERO
    for lane, minus in enumerate(subtract):
        other = 1 - lane if exchange else lane
        one = widen(b.trunc(b.lshr(left, I32(bits * lane)), kind), I32)
        two = widen(b.trunc(b.lshr(right, I32(bits * other)), kind), I32)
        total = b.sub(one, two) if minus else b.add(one, two)
        mask = I32(((1 << bits) - 1) << bits * lane)
        if how in ("s", "u"):
            limit = 1 << bits if how == "u" and not minus else 0
            greater = b.or_(greater, b.select(b.icmp_signed(">=", total, I32(limit)), mask, _ZERO))
        elif how == "q":
            total, _ = _clamped(f, total, I32(-(1 << bits - 1)), I32((1 << bits - 1) - 1))
        elif how == "uq":
            total, _ = _clamped(f, total, _ZERO, I32((1 << bits) - 1))
        else:
            total = b.ashr(total, I32(1))
        result = b.or_(result, b.and_(b.shl(total, I32(bits * lane)), mask))
    if how in ("s", "u"):
        f.set_greater_equal(greater)
    f.assign(register_of(word.operands[0]), result)


def _select(f: Frame, word: Word) -> None:
    b = f.b
    left, right = _inputs(f, word)
    mask = f.greater_equal()
    f.assign(register_of(word.operands[0]), b.or_(b.and_(left, mask), b.and_(right, b.not_(mask))))


def _absolute_differences(f: Frame, word: Word) -> None:
    b = f.b
    inputs = _inputs(f, word)
    total: Any = inputs[2] if word.name == "usada8" else _ZERO
    for lane in range(0, 32, 8):
        one, two = (b.zext(b.trunc(b.lshr(value, I32(lane)), I8), I32) for value in inputs[:2])
        above = b.icmp_unsigned(">", one, two)
        total = b.add(total, b.select(above, b.sub(one, two), b.sub(two, one)))
    f.assign(register_of(word.operands[0]), total)


_HALVES = [f"{stem}{one}{two}" for stem in ("smul", "smla", "smlal") for one in "bt" for two in "bt"]
_PREFIXES = ("s", "u", "q", "uq", "sh", "uh")
MULTIPLY: dict[str, Callable[[Frame, Word], None]] = {
    **dict.fromkeys(("mul", "mla", "mls"), _multiply),
    **dict.fromkeys(("smull", "umull", "smlal", "umlal", "umaal"), _multiply_long),
    **dict.fromkeys((*_HALVES, "smulwb", "smulwt", "smlawb", "smlawt"), _multiply_halves),
    **dict.fromkeys(
        [f"{stem}{x}" for stem in ("smuad", "smusd", "smlad", "smlsd", "smlald", "smlsld") for x in ("", "x")], _dual
    ),
    **dict.fromkeys([f"{stem}{r}" for stem in ("smmul", "smmla", "smmls") for r in ("", "r")], _most_significant),
    **dict.fromkeys(("sdiv", "udiv"), _divide),
    **dict.fromkeys(("ssat", "usat", "ssat16", "usat16"), _saturate),
    **dict.fromkeys(("qadd", "qsub", "qdadd", "qdsub"), _saturating_sum),
    **dict.fromkeys(("pkhbt", "pkhtb"), _pack),
    **dict.fromkeys(("sxtb16", "uxtb16", "sxtab16", "uxtab16"), _extend_pair),
    **dict.fromkeys([prefix + lanes for prefix in _PREFIXES for lanes in _LANES], _parallel),
    **dict.fromkeys(("usad8", "usada8"), _absolute_differences),
    "sel": _select,
}
"""Instructions by capstone's name."""
