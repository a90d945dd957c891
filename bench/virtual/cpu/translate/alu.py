"""Data processing: arithmetic, logic, shifts, moves, bit fields, extension. Ref: Armv7-M Architecture Reference Manual DDI 0403E, A7.7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capstone import arm

from bench.virtual.cpu.instructions import ALWAYS, PC
from bench.virtual.cpu.translate.flags import ADD, LOGIC, SUBTRACT
from bench.virtual.cpu.translate.frame import I1, I8, I16, I32, I64, Frame, Unsupported
from bench.virtual.cpu.translate.operands import Word, is_immediate, register_of

_ZERO = I32(0)


def sets_flags(word: Word) -> bool:
    """Whether a data processing instruction writes APSR (DDI 0403E A5.2, A5.3): the S bit, or outside an IT block where there is none."""
    if word.size == 2:
        return word.it_condition is None and (word.code >> 14 == 0 or word.code >> 10 == 0b010000)
    first = word.code >> 16
    immediate, register, shift = first & 0xFA00 == 0xF000, first & 0xFE00 == 0xEA00, first & 0xFF80 == 0xFA00
    return (immediate or register or shift) and bool(first >> 4 & 1)


def add(f: Frame, left: Any, right: Any, carry: Any, flags: bool) -> Any:
    """AddWithCarry() with a carry in (i1), or without one (None)."""
    b = f.b
    if carry is None:
        if flags:
            f.set_flags_of(ADD, left, right)
        return b.add(left, right)
    wide = b.add(b.add(b.zext(left, I64), b.zext(right, I64)), b.zext(carry, I64))
    result = b.trunc(wide, I32)
    if flags:
        overflow = b.and_(b.xor(left, result), b.xor(right, result))
        f.set_flags_of(LOGIC, result, _ZERO, b.trunc(b.lshr(wide, I64(32)), I1), b.icmp_signed("<", overflow, _ZERO))
    return result


def subtract(f: Frame, left: Any, right: Any, flags: bool) -> Any:
    """Subtraction, carry being "no borrow"."""
    if flags:
        f.set_flags_of(SUBTRACT, left, right)
    return f.b.sub(left, right)


def shift_constant(f: Frame, value: Any, kind: int, amount: int) -> tuple[Any, Any]:
    """Shift_C() by a constant: the result, and the carry out (None: unchanged)."""
    b = f.b
    if kind == arm.ARM_SFT_RRX:
        return b.or_(b.lshr(value, I32(1)), b.shl(b.zext(f.flag("c"), I32), I32(31))), b.trunc(value, I1)
    if amount == 0:
        return value, None
    if kind == arm.ARM_SFT_LSL:
        return b.shl(value, I32(amount)), b.trunc(b.lshr(value, I32(32 - amount)), I1)
    last = b.trunc(b.lshr(value, I32(amount - 1 & 31)), I1)
    if kind == arm.ARM_SFT_LSR:
        return (b.lshr(value, I32(amount)) if amount < 32 else _ZERO), last
    if kind == arm.ARM_SFT_ASR:
        return b.ashr(value, I32(min(amount, 31))), last
    if kind == arm.ARM_SFT_ROR:
        return b.or_(b.lshr(value, I32(amount)), b.shl(value, I32(32 - amount))), last
    raise Unsupported(f"shift {kind}")


def shift_register(f: Frame, value: Any, name: str, by: Any) -> tuple[Any, Any]:
    """Shift_C() by the low byte of a register; the carry out is an i1."""
    b = f.b
    amount = b.and_(by, I32(0xFF))
    none = b.icmp_unsigned("==", amount, _ZERO)
    if name == "ror":
        turn = b.and_(amount, I32(31))
        result = b.call(f.intrinsic("llvm.fshr.i32", I32, [I32, I32, I32]), [value, value, turn])
        return result, b.select(none, f.flag("c"), b.icmp_signed("<", result, _ZERO))
    wide_amount = b.zext(b.select(b.icmp_unsigned(">", amount, I32(63)), I32(63), amount), I64)
    if name == "lsl":
        wide = b.shl(b.zext(value, I64), wide_amount)
        return b.trunc(wide, I32), b.select(none, f.flag("c"), b.trunc(b.lshr(wide, I64(32)), I1))
    # One bit below the word takes the carry.
    if name == "lsr":
        wide = b.lshr(b.shl(b.zext(value, I64), I64(1)), wide_amount)
    else:
        wide = b.ashr(b.shl(b.sext(value, I64), I64(1)), wide_amount)
    return b.trunc(b.lshr(wide, I64(1)), I32), b.select(none, f.flag("c"), b.trunc(wide, I1))


def operand_2(f: Frame, operand: Any) -> tuple[Any, Any]:
    """The flexible second operand and its carry out (None: unchanged)."""
    if is_immediate(operand):
        constant = operand.imm & 0xFFFF_FFFF
        half = constant & 0xFFFF
        pattern = constant >> 16 == half and (half & 0xFF == 0 or half >> 8 in (0, half & 0xFF))
        rotated = constant > 0xFF and not pattern
        return I32(constant), I1(constant >> 31) if rotated else None
    value = f.value(register_of(operand))
    if operand.shift.type == arm.ARM_SFT_INVALID:
        return value, None
    return shift_constant(f, value, operand.shift.type, operand.shift.value)


_ARITHMETIC = ("add", "sub", "rsb", "adc", "sbc", "cmp", "cmn")
_LOGIC = ("and", "orr", "eor", "bic", "orn", "tst", "teq")
_MOVES = ("mov", "mvn")
_SHIFTS = {
    "lsl": arm.ARM_SFT_LSL,
    "lsr": arm.ARM_SFT_LSR,
    "asr": arm.ARM_SFT_ASR,
    "ror": arm.ARM_SFT_ROR,
    "rrx": arm.ARM_SFT_RRX,
}


def _arithmetic(f: Frame, word: Word) -> None:
    name, operands = word.name, word.operands
    compare = name in ("cmp", "cmn")
    flags = compare or sets_flags(word)
    left_operand = operands[0] if compare or len(operands) == 2 else operands[1]
    left_register = register_of(left_operand)
    left = f.value(left_register)
    if left_register == PC and is_immediate(operands[-1]):
        left = I32(f.address + 4 & ~3)
    right, _ = operand_2(f, operands[-1])
    b = f.b
    if name in ("add", "cmn"):
        result = add(f, left, right, None, flags)
    elif name in ("sub", "cmp"):
        result = subtract(f, left, right, flags)
    elif name == "rsb":
        result = subtract(f, right, left, flags)
    elif name == "adc":
        result = add(f, left, right, f.flag("c"), flags)
    else:
        result = add(f, left, b.not_(right), f.flag("c"), flags)
    if not compare:
        f.assign(register_of(operands[0]), result)


def _logic(f: Frame, word: Word) -> None:
    name, operands, b = word.name, word.operands, f.b
    test = name in ("tst", "teq")
    left = f.value(register_of(operands[0] if test or len(operands) == 2 else operands[1]))
    right, carry = operand_2(f, operands[-1])
    if name in ("bic", "orn"):
        right = b.not_(right)
    operation = {"and": b.and_, "tst": b.and_, "bic": b.and_, "orr": b.or_, "orn": b.or_, "eor": b.xor, "teq": b.xor}[
        name
    ]
    result = operation(left, right)
    if test or sets_flags(word):
        f.set_flags_of(LOGIC, result, _ZERO, carry)
    if not test:
        f.assign(register_of(operands[0]), result)


def _move(f: Frame, word: Word) -> None:
    value, carry = operand_2(f, word.operands[1])
    if word.name == "mvn":
        value = f.b.not_(value)
    if sets_flags(word) and not word.is_high_move:
        f.set_flags_of(LOGIC, value, _ZERO, carry)
    f.assign(register_of(word.operands[0]), value)


def _move_top(f: Frame, word: Word) -> None:
    target = register_of(word.operands[0])
    low = f.b.and_(f.value(target), I32(0xFFFF))
    f.assign(target, f.b.or_(low, I32((word.operands[1].imm & 0xFFFF) << 16)))


def _shift(f: Frame, word: Word) -> None:
    operands = word.operands
    source = f.value(register_of(operands[0] if len(operands) == 2 and word.name != "rrx" else operands[1]))
    if word.name == "rrx":
        result, carry = shift_constant(f, source, arm.ARM_SFT_RRX, 1)
    elif is_immediate(operands[-1]):
        result, carry = shift_constant(f, source, _SHIFTS[word.name], operands[-1].imm)
    else:
        result, carry = shift_register(f, source, word.name, f.value(register_of(operands[-1])))
    if sets_flags(word):
        f.set_flags_of(LOGIC, result, _ZERO, carry)
    f.assign(register_of(operands[0]), result)


def _address(f: Frame, word: Word) -> None:
    f.assign(register_of(word.operands[0]), I32((f.address + 4 & ~3) + word.operands[1].imm & 0xFFFF_FFFF))


def _bit_field(f: Frame, word: Word) -> None:
    name, operands, b = word.name, word.operands, f.b
    low, width = operands[-2].imm, operands[-1].imm
    target = register_of(operands[0])
    mask = (1 << width) - 1
    if name == "bfc":
        f.assign(target, b.and_(f.value(target), I32(~(mask << low) & 0xFFFF_FFFF)))
        return
    source = f.value(register_of(operands[1]))
    if name == "bfi":
        field = b.shl(b.and_(source, I32(mask)), I32(low))
        f.assign(target, b.or_(b.and_(f.value(target), I32(~(mask << low) & 0xFFFF_FFFF)), field))
    elif name == "ubfx":
        f.assign(target, b.and_(b.lshr(source, I32(low)), I32(mask)))
    else:
        f.assign(target, b.ashr(b.shl(source, I32(32 - low - width)), I32(32 - width)))


def rotated(f: Frame, operand: Any) -> Any:
    """An operand of the extensions: rotated right by 0, 8, 16 or 24."""
    amount = operand.shift.value if operand.shift.type else 0
    value = f.value(register_of(operand))
    return shift_constant(f, value, arm.ARM_SFT_ROR, amount)[0] if amount else value


def _extend(f: Frame, word: Word) -> None:
    b = f.b
    kind = I8 if word.name.endswith("b") else I16
    widen = b.sext if word.name[0] == "s" else b.zext
    value = widen(b.trunc(rotated(f, word.operands[-1]), kind), I32)
    if word.name[3] == "a":
        value = b.add(f.value(register_of(word.operands[1])), value)
    f.assign(register_of(word.operands[0]), value)


def _reverse(f: Frame, word: Word) -> None:
    b, source = f.b, f.value(register_of(word.operands[1]))
    if word.name == "clz":
        result = b.call(f.intrinsic("llvm.ctlz.i32", I32, [I32, I1]), [source, I1(0)])
    elif word.name == "rbit":
        result = b.call(f.intrinsic("llvm.bitreverse.i32", I32, [I32]), [source])
    else:
        result = b.call(f.intrinsic("llvm.bswap.i32", I32, [I32]), [source])
        if word.name == "rev16":
            result = b.or_(b.lshr(result, I32(16)), b.shl(result, I32(16)))
        elif word.name == "revsh":
            result = b.ashr(result, I32(16))
    f.assign(register_of(word.operands[0]), result)


def _nothing(_f: Frame, _word: Word) -> None:
    """NOP, and IT, which the region's builder follows itself."""


ALU: dict[str, Callable[[Frame, Word], None]] = {
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    **dict.fromkeys(_LOGIC, _logic),
    **dict.fromkeys(_MOVES, _move),
    **dict.fromkeys(_SHIFTS, _shift),
    **dict.fromkeys(("bfc", "bfi", "ubfx", "sbfx"), _bit_field),
    **dict.fromkeys(("sxtb", "sxth", "uxtb", "uxth", "sxtab", "sxtah", "uxtab", "uxtah"), _extend),
    **dict.fromkeys(("clz", "rbit", "rev", "rev16", "revsh"), _reverse),
    "movt": _move_top,
    "adr": _address,
    "nop": _nothing,
    "it": _nothing,
}
"""Instructions by capstone's name (operands.Word.name)."""


def condition(f: Frame, code: int) -> Any:
    """Whether a condition holds (DDI 0403E A7.3), as an i1; the operands of a comparison just made are compared afresh."""
    b = f.b
    if code >= ALWAYS:
        return I1(1)
    known = f.flags
    if known is not None:
        unsigned = {0: "==", 1: "!=", 2: ">=", 3: "<", 8: ">", 9: "<="}
        signed = {10: ">=", 11: "<", 12: ">", 13: "<="}
        if known.kind == SUBTRACT and code in unsigned:
            return b.icmp_unsigned(unsigned[code], known.left, known.right)
        if known.kind == SUBTRACT and code in signed:
            return b.icmp_signed(signed[code], known.left, known.right)
    holds = {
        0: lambda: f.flag("z"),
        1: lambda: f.flag("c"),
        2: lambda: f.flag("n"),
        3: lambda: f.flag("v"),
        4: lambda: b.and_(f.flag("c"), b.not_(f.flag("z"))),
        5: lambda: b.not_(b.xor(f.flag("n"), f.flag("v"))),
        6: lambda: b.and_(b.not_(b.xor(f.flag("n"), f.flag("v"))), b.not_(f.flag("z"))),
    }[code >> 1]()
    return b.not_(holds) if code & 1 else holds
