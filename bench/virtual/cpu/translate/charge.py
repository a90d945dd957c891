"""What the block hook charges at a block's entry and the code hooks charge inside it (native.py, flashport.py), built into a region.

Every rule here is the twin of one there: the same words of the shared state, in the same order. What is rare calls the hooks' own
functions by their addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.accesses import Form
from bench.virtual.cpu.translate.frame import I1, I32, I64, T_BLOCKS, Frame

_CODE_REGION_END = I32(0x2000_0000)
_ZERO = I64(0)


@dataclass(frozen=True, slots=True)
class Check:
    """What a code hook does at an instruction: the kind bits and operands of its row (layout.py, CHECKS)."""

    kind: int
    base: int
    index: int
    shift: int
    offset: int
    mask: int
    bytes: int


def form_value(f: Frame, form: Form) -> Any:
    """Value of a linear form with the registers as they are (32 bits)."""
    b = f.b
    value: Any = I32(form.constant)
    for register, coefficient in form.terms:
        value = b.add(value, b.mul(f.value(register), I32(coefficient & 0xFFFF_FFFF)))
    return value


class Charge:
    """Charging of one region; ``row``, ``index`` and ``entry`` fetch what the table has for a block."""

    def __init__(self, f: Frame, flash_bases: tuple[int, ...], flash_bytes: int, line_shift: int) -> None:
        self._f = f
        self._bases = flash_bases
        self._bytes = flash_bytes
        self._shift = line_shift

    def row(self, block: int, word: int) -> Any:
        """Place in the state of a word of the block's row."""
        return self._f.b.add(self._f.from_table(T_BLOCKS + 2 * block), I64(word))

    def index(self, block: int) -> Any:
        """The block's index in the native table."""
        return self._f.from_table(T_BLOCKS + 2 * block + 1)

    def begin(self) -> None:
        """Fetch what does not change while a region runs."""
        f, b = self._f, self._f.b
        self._waits = b.icmp_signed("!=", b.add(f.word(at.H_WAIT_STATES), f.word(at.H_FILL)), _ZERO)
        self._caches = b.icmp_signed("!=", f.word(at.H_ICACHE), _ZERO)
        self._data_cache = b.icmp_signed("!=", f.word(at.H_DCACHE), _ZERO)
        self._budget = f.word(at.H_BUDGET)

    def spent(self) -> Any:
        """Whether the budget is."""
        return self._f.b.icmp_signed(">=", self._f.b.load(self._f.cycles), self._budget)

    def predict(self, place: Any, way: Any) -> Any:
        """Cycles lost to a wrong prediction by the counter at ``place`` of the state (0: there is none); `native.predict`."""
        f, b = self._f, self._f.b
        lost = f.local("lost", I64)
        b.store(_ZERO, lost)
        with f.when(b.and_(b.icmp_signed("!=", place, _ZERO), b.icmp_signed("!=", way, _ZERO))):
            counter = f.word(place)
            taken = b.and_(way, I64(1))
            moved = b.add(counter, b.sub(b.shl(taken, I64(1)), I64(1)))
            moved = b.select(b.icmp_signed(">", moved, I64(3)), I64(3), moved)
            f.set_word(place, b.select(b.icmp_signed("<", moved, _ZERO), _ZERO, moved))
            wrong = b.icmp_signed("!=", b.ashr(counter, I64(1)), taken)
            b.store(b.select(wrong, b.ashr(way, I64(1)), _ZERO), lost)
        return b.load(lost)

    def enter(
        self, block: int, cost: Any, base_cost: Any, reads: list[tuple[Form, int]], windows: list[Form], edges: int
    ) -> None:
        """Charge a block: ``cost`` with, ``base_cost`` without what prediction lost."""
        f, b = self._f, self._f.b
        now = b.load(f.cycles)
        total = f.local("total", I64)
        b.store(cost, total)
        f.set_word(at.H_STALL_READS, _ZERO)
        if reads:
            with f.when(self._waits):
                low: Any = I1(0)
                for form in windows:
                    low = b.or_(low, b.icmp_unsigned("<", form_value(f, form), _CODE_REGION_END))
                with f.when(low):
                    self._read(reads, total)
        with f.when(b.or_(self._waits, self._caches)):
            resident = b.and_(
                self._caches,
                b.icmp_signed("==", f.word(self.row(block, at.B_GENERATION)), f.word(at.H_GENERATION)),
            )
            known, unknown, done = f.new_block("resident"), f.new_block("fetch"), f.new_block("fetched")
            b.cbranch(resident, known, unknown).set_weights([1000, 1])
            b.position_at_end(known)
            f.set_word(self.row(block, at.B_ENTERED), now)
            f.set_word(at.H_STALL_LINES, _ZERO)
            f.set_word(at.H_FRESH, I64(1))
            b.branch(done)
            b.position_at_end(unknown)
            f.note_current(edges)
            stalls = b.sub(b.load(total), base_cost)
            waited = f.call(at.H_FETCH_FUNCTION, f.state_address, self.index(block), now, stalls)
            b.store(b.add(b.load(total), waited), total)
            b.branch(done)
            b.position_at_end(done)
        with f.when(b.not_(b.or_(self._waits, self._caches))):
            f.set_word(at.H_STALL_LINES, _ZERO)
        b.store(b.add(now, b.load(total)), f.cycles)
        count = self.row(block, at.B_COUNT)
        f.set_word(count, b.add(f.word(count), I64(1)))

    def _read(self, reads: list[tuple[Form, int]], total: Any) -> None:
        f, b = self._f, self._f.b
        for number, (form, size) in enumerate(reads):
            stall = self.data_stall(form_value(f, form), size)
            f.set_word(at.READ_STALLS + number, stall)
            b.store(b.add(b.load(total), stall), total)
        f.set_word(at.H_STALL_READS, I64(len(reads)))

    def data_stall(self, address: Any, size: int) -> Any:
        """`flashport.data_stall`: a line that the data cache has is found here, anything else there."""
        f, b = self._f, self._f.b
        wide = b.zext(address, I64)
        done = f.new_block("read")
        ways: list[tuple[Any, Any]] = []
        for base in self._bases:
            offset = b.sub(wide, I64(base))
            inside, outside = f.new_block("flash"), f.new_block("other")
            b.cbranch(b.icmp_unsigned("<", offset, I64(self._bytes)), inside, outside)
            b.position_at_end(inside)
            line = b.lshr(offset, I64(self._shift))
            last = b.lshr(b.add(offset, I64(size - 1)), I64(self._shift))
            slot = f.word(b.add(f.word(at.H_DLINE_SLOTS), line))
            hit = b.and_(self._data_cache, b.and_(b.icmp_signed("==", line, last), b.icmp_signed(">", slot, _ZERO)))
            quick, slow = f.new_block("line"), f.new_block("fill")
            b.cbranch(hit, quick, slow)
            b.position_at_end(quick)
            tick = b.add(f.word(at.H_TICK), I64(1))
            f.set_word(at.H_TICK, tick)
            f.set_word(b.add(b.mul(slot, I64(2)), I64(at.DCACHE - 1)), tick)
            ways.append((_ZERO, b.block))
            b.branch(done)
            b.position_at_end(slow)
            ways.append((f.call(at.H_READ_FUNCTION, f.state_address, wide, I64(size)), b.block))
            b.branch(done)
            b.position_at_end(outside)
        ways.append((_ZERO, b.block))
        b.branch(done)
        b.position_at_end(done)
        stall = b.phi(I64)
        for value, source in ways:
            stall.add_incoming(value, source)
        return stall

    def check(self, check: Check) -> Callable[[], None]:
        """What `native.on_code` does before an instruction, also before one that its IT block skips.

        Returns what is to be charged once it is clear that the region does not end at this instruction.
        """
        f, b = self._f, self._f.b
        if check.kind & at.CHECK_DIVIDE:
            f.leave_here_when(b.icmp_unsigned("==", f.value(check.base), I32(0)))
        target = dividend = divisor = None
        if check.kind & at.CHECK_ADDRESS_BITS:
            target = b.add(f.value(check.base), I32(check.offset & 0xFFFF_FFFF))
            if check.index >= 0:
                target = b.add(target, b.shl(f.value(check.index), I32(check.shift)))
            if check.kind & at.CHECK_ALIGN and check.mask:
                f.leave_here_when(b.icmp_unsigned("!=", b.and_(target, I32(check.mask)), I32(0)))
        if check.kind & at.CHECK_QUOTIENT:
            dividend, divisor = f.value(check.index), f.value(check.base)

        def charge() -> None:
            if check.kind & at.CHECK_READ:
                self._charge_read(target, check.bytes)
            if dividend is not None:
                self._charge_more(self._divide(dividend, divisor, signed=bool(check.shift)))

        return charge

    def _charge_read(self, target: Any, size: int) -> None:
        f = self._f
        with f.when(self._waits):
            self._charge_more(self.data_stall(target, size))

    def _charge_more(self, cycles: Any) -> None:
        f = self._f
        f.b.store(f.b.add(f.b.load(f.cycles), cycles), f.cycles)

    def _divide(self, dividend: Any, divisor: Any, *, signed: bool) -> Any:
        """`native.divide_cycles`: cycles of a division beyond the least."""
        f, b = self._f, self._f.b
        zeros = f.intrinsic("llvm.ctlz.i32", I32, [I32, I1])
        if signed:
            dividend, divisor = (
                b.select(b.icmp_signed("<", value, I32(0)), b.neg(value), value) for value in (dividend, divisor)
            )
        # Significant bits of the dividend less those of the divisor, plus one.
        bits = b.add(b.sub(b.call(zeros, [divisor, I1(0)]), b.call(zeros, [dividend, I1(0)])), I32(1))
        per_cycle = f.word(at.H_DIVIDE_BITS)
        steps = b.sdiv(b.sub(b.add(b.sext(bits, I64), per_cycle), I64(1)), per_cycle)
        cycles = b.add(f.word(at.H_DIVIDE_OVERHEAD), steps)
        most, least = f.word(at.H_DIVIDE_MAXIMUM), f.word(at.H_DIVIDE_MINIMUM)
        more = b.sub(b.select(b.icmp_signed("<", cycles, most), cycles, most), least)
        more = b.select(b.icmp_signed(">", more, _ZERO), more, _ZERO)
        at_once = b.or_(b.icmp_unsigned("==", divisor, I32(0)), b.icmp_unsigned("<", dividend, divisor))
        return b.select(at_once, _ZERO, more)
