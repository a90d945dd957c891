"""Code bytes to `Instruction`s. Pure.

Decoding proper is capstone's; this module names the kinds that the timing tables distinguish and spells memory operands out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import capstone as cs
from capstone import arm

from bench.virtual.cpu.instructions import ALWAYS, LR, PC, SP, Access, Instruction, Kind
from bench.virtual.cpu.operands import shifted, sums

_CORE = {getattr(arm, f"ARM_REG_R{n}"): n for n in range(13)} | {
    arm.ARM_REG_SP: SP,
    arm.ARM_REG_LR: LR,
    arm.ARM_REG_PC: PC,
}
_SINGLE = {getattr(arm, f"ARM_REG_S{n}"): (n,) for n in range(32)}
_FLOAT = _SINGLE | {getattr(arm, f"ARM_REG_D{n}"): (2 * n, 2 * n + 1) for n in range(16)}
_UNITS = {
    "b": 1,
    "h": 2,
    "sb": 1,
    "sh": 2,
    "": 4,
    "t": 4,
    "bt": 1,
    "ht": 2,
    "sbt": 1,
    "sht": 2,
    "ex": 4,
    "exb": 1,
    "exh": 2,
}
_LOADS = {f"ldr{suffix}": (unit, suffix.startswith("s")) for suffix, unit in _UNITS.items()}
_STORES = {f"str{suffix}": unit for suffix, unit in _UNITS.items() if not suffix.startswith("s")}
_MULTIPLE = {
    "ldm": (True, 0),
    "ldmdb": (True, 1),
    "stm": (False, 0),
    "stmdb": (False, 1),
    "pop": (True, 0),
    "push": (False, 1),
}
_FP_MULTIPLE = {
    "vldmia": (True, 0),
    "vldmdb": (True, 1),
    "vstmia": (False, 0),
    "vstmdb": (False, 1),
    "vpop": (True, 0),
    "vpush": (False, 1),
}
_KINDS = {
    **dict.fromkeys(("b", "bl", "cbz", "cbnz"), Kind.BRANCH),
    **dict.fromkeys(("tbb", "tbh"), Kind.TABLE_BRANCH),
    **dict.fromkeys(("udiv", "sdiv"), Kind.DIVIDE),
    **dict.fromkeys(("mrs", "msr"), Kind.SYSTEM),
    **dict.fromkeys(("dmb", "dsb"), Kind.BARRIER),
    **dict.fromkeys(("svc", "bkpt", "udf"), Kind.TRAP),
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"), Kind.FP_MULTIPLY_ADD),
    **dict.fromkeys(("vdiv", "vsqrt"), Kind.FP_DIVIDE),
    **dict.fromkeys(("vmrs", "vmsr"), Kind.FP_STATUS),
    "isb": Kind.FLUSH,
    "it": Kind.IT,
    "bx": Kind.BRANCH_REGISTER,
    "blx": Kind.BRANCH_REGISTER,
}


def _disassembler() -> Any:
    engine = cs.Cs(cs.CS_ARCH_ARM, cs.CS_MODE_THUMB | cs.CS_MODE_MCLASS)
    engine.detail = True
    return engine


_ENGINE = _disassembler()


@lru_cache(maxsize=8192)
def decode_block(address: int, code: bytes) -> tuple[Instruction, ...]:
    """Decode straight-line ``code`` at ``address``; what capstone does not know becomes TRAP instructions of the right length."""
    found: list[Instruction] = []
    offset = 0
    while offset + 2 <= len(code):
        for raw in _ENGINE.disasm(code[offset:], address + offset):
            found.append(_reduce(raw))
            offset += raw.size
        if offset + 2 <= len(code):
            size = 4 if code[offset + 1] >> 3 in (0x1D, 0x1E, 0x1F) else 2
            double = _is_double(code[offset : offset + size])
            found.append(Instruction(address + offset, size, "undefined", Kind.TRAP, double=double))
            offset += size
    return tuple(found)


def decode_one(address: int, code: bytes) -> Instruction:
    """Decode the first instruction of ``code`` (2 to 4 bytes)."""
    return decode_block(address, code)[0]


def _reduce(raw: Any) -> Instruction:
    name = _name(raw)
    operands = raw.operands
    read_ids, write_ids = raw.regs_access()
    reads, writes = _mask(_CORE, read_ids), _mask(_CORE, write_ids)
    fp_reads, fp_writes = _float_mask(read_ids), _float_mask(write_ids)
    access = _access(raw, name, operands)
    kind = _KINDS.get(name)
    if name == "bx" and operands[0].reg == arm.ARM_REG_LR:
        kind = Kind.BRANCH
    elif name in ("bx", "blx"):
        writes |= 1 << PC
    elif name == "vmov" and sum(op.type == arm.ARM_OP_REG and op.reg in _CORE for op in operands) == 2:
        kind = Kind.FP_MOVE_PAIR
    if access is not None:
        multiple = (
            name in _MULTIPLE
            or name in _FP_MULTIPLE
            or name in ("ldrd", "strd")
            or (access.fp and len(access.registers) > 1)
        )
        kind = {
            (True, True): Kind.LOAD_MULTIPLE,
            (True, False): Kind.LOAD,
            (False, True): Kind.STORE_MULTIPLE,
            (False, False): Kind.STORE,
        }[access.load, multiple]
        if access.base_step:
            writes |= 1 << access.base
        if access.fp:
            mask = sum(1 << register for register in access.registers)
            fp_reads, fp_writes = (0, mask) if access.load else (mask, 0)
    if kind is None:
        kind = Kind.FP if name.startswith("v") else Kind.BRANCH_REGISTER if writes >> PC & 1 else Kind.ALU
    if name in ("smlal", "umlal", "smlald", "smlsld", "umaal"):
        reads |= writes
    destination, linear = _linear(name, raw, operands)
    condition = raw.cc - 1 if 1 <= raw.cc <= ALWAYS and kind is not Kind.IT else ALWAYS
    dividend, divisor = (_CORE[op.reg] for op in operands[-2:]) if kind is Kind.DIVIDE else (None, None)
    return Instruction(
        raw.address,
        raw.size,
        name,
        kind,
        condition,
        reads,
        writes,
        fp_reads,
        fp_writes,
        access,
        destination,
        linear,
        dividend,
        divisor,
        *shifted(name, operands, _CORE),
        sums(name, operands, writes, _CORE),
        _is_double(raw.bytes),
    )


def _is_double(code: bytes) -> bool:
    """Whether ``code`` is floating-point data processing with the size bit set (DDI 0403E A6.4).

    Loads and stores of doubles, and moves of their halves to and from core registers, are other encodings: every FPU has them.
    """
    if len(code) != 4:
        return False
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:4], "little")
    widening = first & 0xFFBF == 0xEEB7 and second & 0x0FD0 == 0x0AC0  # VCVT.F64.F32: the size bit tells of its operand
    return widening or (first & 0xEF00 == 0xEE00 and second & 0x0F10 == 0x0B00)


def _name(raw: Any) -> str:
    """Return the mnemonic without condition and width; capstone files some under old or common names."""
    name: str = raw.insn_name()
    if name == "hint":
        hint: str = raw.mnemonic.split(".")[0]
        return next((known for known in ("nop", "yield", "wfe", "wfi", "sev") if hint.startswith(known)), "nop")
    return {"fmstat": "vmrs", "fconsts": "vmov", "fconstd": "vmov"}.get(name, name)


def _mask(numbers: dict[int, int], ids: list[int]) -> int:
    mask = 0
    for register in ids:
        if register in numbers:
            mask |= 1 << numbers[register]
    return mask


def _float_mask(ids: list[int]) -> int:
    mask = 0
    for register in ids:
        for number in _FLOAT.get(register, ()):
            mask |= 1 << number
    return mask


def _access(raw: Any, name: str, operands: Any) -> Access | None:
    if name in _LOADS or name in _STORES or name in ("ldrd", "strd", "vldr", "vstr"):
        return _single(raw, name, operands)
    if name in _MULTIPLE:
        load, down = _MULTIPLE[name]
        numbers = [_CORE[op.reg] for op in operands]
        return _multiple(numbers, name in ("push", "pop"), bool(raw.writeback), load, down, fp=False)
    if name in _FP_MULTIPLE:
        load, down = _FP_MULTIPLE[name]
        numbers = [] if name in ("vpush", "vpop") else [_CORE[operands[0].reg]]
        for op in operands[len(numbers) :]:
            numbers.extend(_FLOAT[op.reg])
        return _multiple(numbers, name in ("vpush", "vpop"), bool(raw.writeback), load, down, fp=True)
    return None


def _multiple(numbers: list[int], stack: bool, writeback: bool, load: bool, down: int, *, fp: bool) -> Access:
    base, registers = (SP, tuple(numbers)) if stack else (numbers[0], tuple(numbers[1:]))
    length = 4 * len(registers)
    step = (-length if down else length) if stack or writeback else 0
    if not stack and load and not fp and base in registers:
        step = 0  # the loaded value wins (DDI 0403E A7.7.41)
    return Access(base, None, 0, -length if down else 0, 4, registers, load, fp=fp, strict=True, base_step=step)


def _single(raw: Any, name: str, operands: Any) -> Access | None:
    position = next((i for i, op in enumerate(operands) if op.type == arm.ARM_OP_MEM), None)
    if position is None:
        return None
    memory = operands[position].mem
    base = _CORE[memory.base]
    index = _CORE[memory.index] if memory.index else None
    shift = operands[position].shift.value if index is not None else 0
    offset, step = memory.disp, 0
    if raw.writeback:
        after = operands[position + 1].imm if len(operands) > position + 1 else 0
        step = after if raw.post_index else offset
    targets = [op.reg for op in operands[:position]]
    if name in ("vldr", "vstr"):
        return Access(base, index, shift, offset, 4, _FLOAT[targets[0]], name == "vldr", fp=True, strict=True)
    registers = tuple(_CORE[target] for target in targets)
    if name in ("ldrd", "strd"):
        return Access(base, index, shift, offset, 4, registers, name == "ldrd", strict=True, base_step=step)
    exclusive = "ex" in name
    if name in _LOADS:
        unit, signed = _LOADS[name]
        return Access(
            base,
            index,
            shift,
            offset,
            unit,
            registers,
            True,
            signed,
            strict=exclusive,
            base_step=step,
            exclusive=exclusive,
        )
    stored = registers[1:] if exclusive else registers
    return Access(
        base, index, shift, offset, _STORES[name], stored, False, strict=exclusive, base_step=step, exclusive=exclusive
    )


def _linear(name: str, raw: Any, operands: Any) -> tuple[int | None, tuple[int, tuple[tuple[int, int], ...]] | None]:
    """Return the destination of simple address arithmetic and its value as a linear form of the registers read."""
    if name not in ("mov", "movw", "add", "addw", "sub", "subw", "lsl", "adr", "movs", "adds", "subs"):
        return None, None
    if not operands or operands[0].type != arm.ARM_OP_REG or operands[0].reg not in _CORE:
        return None, None
    destination = _CORE[operands[0].reg]
    sources = list(operands[1:]) if len(operands) > 2 or name in ("mov", "movw", "adr") else list(operands)
    if name == "adr":
        return destination, ((raw.address + 4 & ~3) + operands[1].imm, ())
    if name == "lsl":
        amount = sources[-1]
        if amount.type != arm.ARM_OP_IMM or sources[0].reg not in _CORE:
            return destination, None
        return destination, (0, ((_CORE[sources[0].reg], 1 << amount.imm),))
    constant, terms, sign = 0, [], 1
    for source in sources:
        if source.type == arm.ARM_OP_IMM:
            constant += sign * source.imm
        elif source.type == arm.ARM_OP_REG and source.reg in _CORE and _CORE[source.reg] != PC:
            shift = source.shift
            if shift.type not in (arm.ARM_SFT_INVALID, arm.ARM_SFT_LSL):
                return destination, None
            terms.append((_CORE[source.reg], sign * (1 << (shift.value if shift.type else 0))))
        else:
            return destination, None
        sign = -1 if name.startswith("sub") else 1
    return destination, (constant, tuple(terms))
