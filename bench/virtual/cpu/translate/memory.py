"""Loads and stores to plain memory; any other address makes the region end before the instruction, with nothing of it done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from bench.virtual.cpu.instructions import PC, Access
from bench.virtual.cpu.interface import PAGE_BYTES
from bench.virtual.cpu.native import SRAM_BEGIN, SRAM_END
from bench.virtual.cpu.translate.frame import F32, I8, I16, I32, I64, T_EXECUTED, T_MEMORIES, Frame, Unsupported
from bench.virtual.cpu.translate.operands import Word

_PAGE_SHIFT = PAGE_BYTES.bit_length() - 1
_KINDS = {1: I8, 2: I16, 4: I32}


@dataclass(frozen=True, slots=True)
class Window:
    """Plain memory at ``base``; ``slot`` is where in the table the distance to its place in the host is. Stores need SRAM: see `native.on_fill`."""

    base: int
    size: int
    writable: bool
    slot: int

    @property
    def stores(self) -> bool:
        """Whether stores may go there."""
        return self.writable and self.base >= SRAM_BEGIN and self.base + self.size <= SRAM_END


def address_of(f: Frame, access: Access) -> Any:
    """First address that the access touches, with the registers as they are."""
    b = f.b
    if access.base == PC:
        base: Any = I32(f.address + 4 & ~3)
    else:
        base = f.value(access.base)
    if access.index is not None:
        base = b.add(base, b.shl(f.value(access.index), I32(access.shift)))
    return b.add(base, I32(access.offset & 0xFFFF_FFFF)) if access.offset else base


def host_address(f: Frame, windows: list[Window], address: Any, size: int) -> Any:
    """Address in the host of ``size`` bytes that lie in one of the windows, the first being likely; the region ends here otherwise."""
    b = f.b
    first, *others = windows
    inside = b.icmp_unsigned("<=", b.sub(address, I32(first.base)), I32(first.size - size))
    hit, miss, found = f.new_block("hit"), f.new_block("miss"), f.new_block("found")
    b.cbranch(inside, hit, miss).set_weights([1000, 1])
    b.position_at_end(hit)
    ways = [(b.add(f.from_table(T_MEMORIES + first.slot), b.zext(address, I64)), b.block)]
    b.branch(found)
    b.position_at_end(miss)
    if others:
        other = b.call(_search(f, others), [f.table, address, I32(size)])
        f.leave_here_when(b.icmp_unsigned("==", other, I64(0)))
        ways.append((other, b.block))
        b.branch(found)
    else:
        f.leave_here()
    b.position_at_end(found)
    place = b.phi(I64)
    for value, source in ways:
        place.add_incoming(value, source)
    return place


def _search(f: Frame, windows: list[Window]) -> Any:
    """A function of the module: address in the host, 0 when the bytes lie in none of the windows."""
    name = "search_" + "_".join(str(window.slot) for window in windows)
    if name in f.module.globals:
        return f.module.globals[name]
    kind = ir.FunctionType(I64, [I64.as_pointer(), I32, I32])
    function = ir.Function(f.module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    table, address, size = function.args
    b = ir.IRBuilder(function.append_basic_block("search"))
    for window in windows:
        inside = b.icmp_unsigned("<=", b.sub(address, I32(window.base)), b.sub(I32(window.size), size))
        with b.if_then(inside):
            distance = b.load(b.gep(table, [I64(T_MEMORIES + window.slot)]))
            b.ret(b.add(distance, b.zext(address, I64)))
    b.ret(I64(0))
    return function


def _check_code(f: Frame, address: Any, size: int) -> None:
    """End the region before a store to a page of SRAM that code ran from."""
    b = f.b
    executed = f.from_table(T_EXECUTED)
    marks = None
    for last in (0, size - 1) if size > 1 else (0,):
        page = b.lshr(b.sub(b.add(address, I32(last)), I32(SRAM_BEGIN)), I32(_PAGE_SHIFT))
        mark = b.load(b.inttoptr(b.add(executed, b.zext(page, I64)), I8.as_pointer()))
        marks = mark if marks is None else b.or_(marks, mark)
    f.leave_here_when(b.icmp_unsigned("!=", marks, I8(0)))


class Memory:
    """Translates loads and stores for a map of windows; ``memories`` in `access` is a guess which one is meant (address bits 31-28)."""

    def __init__(self, windows: list[Window]) -> None:
        self._windows = windows

    def windows(self, load: bool, guess: int) -> list[Window]:
        """The windows for a load or store, likeliest first."""
        fit = [window for window in self._windows if load or window.stores]
        return sorted(fit, key=lambda window: window.base >> 28 != guess)

    def place(self, f: Frame, address: Any, size: int, *, load: bool, guess: int) -> Any:
        """Address in the host."""
        windows = [window for window in self.windows(load, guess) if window.size >= size]
        if not windows:
            raise Unsupported("no memory")
        place = host_address(f, windows, address, size)
        if not load:
            _check_code(f, address, size)
        return place

    def load(self, f: Frame, place: Any, unit: int, *, signed: bool = False) -> Any:
        """Load one unit from the host, as 32 bits."""
        value = f.b.load(f.b.inttoptr(place, _KINDS[unit].as_pointer()), align=1)
        return value if unit == 4 else (f.b.sext if signed else f.b.zext)(value, I32)

    def access(self, f: Frame, word: Word, guess: int) -> Any:
        """Do a load or store; returns what was loaded for PC, if anything was: the caller sees to it, then calls the result's commit."""
        access = word.instruction.access
        assert access is not None
        if access.exclusive or len(access.registers) * access.unit > PAGE_BYTES:
            raise Unsupported(word.name)
        address = address_of(f, access)
        place = self.place(f, address, access.bytes, load=access.load, guess=guess)
        b = f.b
        step = None
        if access.base_step:
            step = b.add(f.value(access.base), I32(access.base_step & 0xFFFF_FFFF))
        if not access.load:
            for number, register in enumerate(access.registers):
                value = f.single(register) if access.fp else f.value(register)
                if access.unit < 4:
                    value = b.trunc(value, _KINDS[access.unit])
                kind = F32 if access.fp else _KINDS[access.unit]
                pointer = b.inttoptr(b.add(place, I64(access.unit * number)), kind.as_pointer())
                b.store(value, pointer, align=1)
            if step is not None:
                f.assign(access.base, step)
            return None
        loaded = [
            self.load(f, b.add(place, I64(access.unit * number)), access.unit, signed=access.signed)
            for number in range(len(access.registers))
        ]
        target = None
        if not access.fp and PC in access.registers:
            target = loaded[access.registers.index(PC)]

        def commit() -> None:
            if step is not None:
                f.assign(access.base, step)
            for register, value in zip(access.registers, loaded, strict=True):
                if access.fp:
                    f.set_single(register, value)
                elif register != PC:
                    f.assign(register, value)

        if target is None:
            commit()
            return None
        return target, commit
