"""The function that a region becomes, and the core's state as its local variables. LLVM keeps them in registers of the host.

The function is ``int64 region(int64 *state, int64 *table, int64 entry)``; it returns where the core goes on. What it needs of the process
(addresses of the host, places in the shared state) is in the table, so that the code itself is the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from llvmlite import ir  # type: ignore[import-untyped]

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.instructions import PC, SP
from bench.virtual.cpu.translate.flags import ADD, EXPLICIT, LOGIC, SUBTRACT, Known, derive

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32 = ir.FloatType()

# The table: addresses, then a pair for every block (address of its row, its index), then an edge entry for every edge.
T_REGISTERS: Final = 0
T_SINGLES: Final = 1
T_EXECUTED: Final = 2
T_MEMORIES: Final = 3
MEMORY_SLOTS: Final = 13
T_BLOCKS: Final = T_MEMORIES + MEMORY_SLOTS

_FLAG_BITS = {"n": 31, "z": 30, "c": 29, "v": 28, "q": 27}
_FP_FLAG_BITS = {"fn": 31, "fz": 30, "fc": 29, "fv": 28}
_GE_BITS = 0xF_0000
_IT_BITS = 0x0600_FC00
_MXCSR: Final = 0x1F80  # round to nearest, no flush to zero, all exceptions masked, none seen
_FPSCR_OF_MXCSR = (
    (0, 0),
    (2, 1),
    (3, 2),
    (4, 3),
    (5, 4),
)  # MXCSR bit, FPSCR bit: invalid, divide by zero, overflow, underflow, inexact


class Unsupported(Exception):
    """The instruction is not translated; the message is its name."""


class Frame:
    """Builds the function: ``b`` is the LLVM builder, ``value``/``assign`` the core registers, ``flag``/``set_flag`` the flags."""

    def __init__(self, name: str) -> None:
        self.module = ir.Module(name)
        kind = ir.FunctionType(I64, [I64.as_pointer(), I64.as_pointer(), I64])
        self.function = ir.Function(self.module, kind, "region")
        self.function.attributes.add("nounwind")
        self.state, self.table, self.entry = self.function.args
        for pointer in (self.state, self.table):
            pointer.add_attribute("noalias")
        self._locals = ir.IRBuilder(self.function.append_basic_block("locals"))
        self.dispatch = self.function.append_basic_block("dispatch")
        self._leave = self.function.append_basic_block("leave")
        self.b = ir.IRBuilder(self.dispatch)
        self._variables: dict[str, Any] = {}
        self._loaded: dict[int, Any] = {}
        self._assigned: set[str] = set()
        self._constant = self.module.add_metadata([])
        self.address = 0  # of the instruction being translated
        self.block_end = 0
        self.it_state = 0  # ITSTATE before it
        self.uses_arithmetic = False
        self.flags: Known | None = None  # what N, Z, C and V come from, when the instructions before tell
        self._flag_variables = [self._variable(f"flags_{name}", I32) for name in ("kind", "left", "right")]
        self.cycles = self._variable("cycles", I64)
        self.edge = self._variable("edge", I64)
        self._out_pc = self._variable("out_pc", I64)
        self._out_resume = self._variable("out_resume", I64)
        self._out_it = self._variable("out_it", I32)

    # Variables.

    def _variable(self, name: str, kind: Any) -> Any:
        if name not in self._variables:
            self._variables[name] = self._locals.alloca(kind, name=name)
        return self._variables[name]

    def value(self, register: int) -> Any:
        """The core register's value; PC reads as the instruction's address + 4."""
        if register == PC:
            return I32(self.address + 4)
        return self.b.load(self._variable(f"r{register}", I32))

    def assign(self, register: int, value: Any) -> None:
        """Set r0-r14."""
        if register == PC:
            raise Unsupported("write of PC")
        if register == SP:
            value = self.b.and_(value, I32(0xFFFF_FFFC))
        self._assigned.add(f"r{register}")
        self.b.store(value, self._variable(f"r{register}", I32))

    def single(self, register: int) -> Any:
        """The value of an S register."""
        return self.b.load(self._variable(f"s{register}", F32))

    def set_single(self, register: int, value: Any) -> None:
        """Set an S register, to a float or 32 bits."""
        if value.type == I32:
            value = self.b.bitcast(value, F32)
        self._assigned.add(f"s{register}")
        self.b.store(value, self._variable(f"s{register}", F32))

    def flag(self, name: str) -> Any:
        """A flag: n, z, c, v, q of APSR, or fn, fz, fc, fv of FPSCR."""
        own = self.b.load(self._variable(name, I1))
        if name not in "nzcv":
            return own
        if self.flags is not None:
            return derive(self.b, name, self.flags.kind, self.flags.left, self.flags.right, own)
        kind, left, right = (self.b.load(variable) for variable in self._flag_variables)
        value = own
        for known in (SUBTRACT, ADD) if name in "cv" else (SUBTRACT, ADD, LOGIC):
            is_it = self.b.icmp_unsigned("==", kind, I32(known))
            value = self.b.select(is_it, derive(self.b, name, known, left, right, own), value)
        return value

    def set_flag(self, name: str, value: Any) -> None:
        """Set q, or one of FPSCR's."""
        self._assigned.add(name)
        self.b.store(value, self._variable(name, I1))

    def set_flags(self, values: dict[str, Any]) -> None:
        """Set n, z, c and v."""
        for name, value in values.items():
            self.set_flag(name, value)
        self._say(EXPLICIT, I32(0), I32(0))

    def set_flags_of(self, kind: int, left: Any, right: Any, carry: Any = None, overflow: Any = None) -> None:
        """Set n, z, c and v by what they come from (flags.py); for LOGIC, C and V stay unless they are given."""
        if kind == LOGIC:
            kept = {"c": carry, "v": overflow}
            for name, value in kept.items():
                kept[name] = self.flag(name) if value is None else value
            for name, value in kept.items():
                self.set_flag(name, value)
        self._say(kind, left, right)

    def _say(self, kind: int, left: Any, right: Any) -> None:
        self._assigned.update("nzcv")
        for name in "nzcv":
            self._variable(name, I1)
        for variable, value in zip(self._flag_variables, (I32(kind), left, right), strict=True):
            self.b.store(value, variable)
        self.flags = Known(kind, left, right)

    def greater_equal(self) -> Any:
        """APSR.GE as the 32 bits of a mask: a byte of ones for each bit set."""
        return self.b.load(self._variable("ge", I32))

    def set_greater_equal(self, mask: Any) -> None:
        """Set APSR.GE from such a mask."""
        self._assigned.add("ge")
        self.b.store(mask, self._variable("ge", I32))

    def saturated(self, condition: Any) -> None:
        """Set Q when the condition holds."""
        self.set_flag("q", self.b.or_(self.flag("q"), condition))

    def local(self, name: str, kind: Any) -> Any:
        """A variable of the region's own, not of the core."""
        return self._variable(f"local_{name}", kind)

    # Words of the table and the state.

    def from_table(self, index: int) -> Any:
        """A word of the table."""
        return self.fixed(self.b.load(self.b.gep(self.table, [I64(index)])))

    def fixed(self, load: Any) -> Any:
        """Tell LLVM that what is loaded never changes while the function runs."""
        load.set_metadata("invariant.load", self._constant)
        return load

    def at(self, index: int | Any) -> Any:
        """Pointer to a word of the state."""
        return self.b.gep(self.state, [I64(index) if isinstance(index, int) else index])

    def word(self, index: int | Any) -> Any:
        """A word of the state."""
        return self.b.load(self.at(index))

    def set_word(self, index: int | Any, value: Any) -> None:
        """Set a word of the state."""
        self.b.store(value, self.at(index))

    def call(self, function_word: int, *arguments: Any) -> Any:
        """Call the native function whose address is a word of the state."""
        kind = ir.FunctionType(I64, [I64] * len(arguments))
        return self.b.call(self.b.inttoptr(self.word(function_word), kind.as_pointer()), list(arguments))

    @property
    def state_address(self) -> Any:
        """The state as an integer."""
        return self.b.ptrtoint(self.state, I64)

    # Flow.

    def new_block(self, name: str) -> Any:
        """Append an LLVM block."""
        return self.function.append_basic_block(name)

    @contextmanager
    def when(self, condition: Any, *, likely: bool | None = None) -> Iterator[None]:
        """Do what is built inside only if the condition holds; inside may end in a branch of its own."""
        inside, after = self.new_block("then"), self.new_block("after")
        branch = self.b.cbranch(condition, inside, after)
        if likely is not None:
            branch.set_weights([1000, 1] if likely else [1, 1000])
        self.b.position_at_end(inside)
        yield
        if not self.b.block.is_terminated:
            self.b.branch(after)
        self.b.position_at_end(after)

    def leave_before(self, pc: int) -> None:
        """Leave the region at the end of a block: ``pc`` begins the next one, which is not charged yet."""
        self._go(pc, -1, 0)

    def leave_here(self) -> None:
        """Leave the region before the present instruction, in a block that is charged."""
        self._go(self.address, self.block_end, self.it_state)

    def leave_here_when(self, condition: Any) -> None:
        """Leave before the present instruction if the condition holds."""
        with self.when(condition, likely=False):
            self.leave_here()

    def _go(self, pc: int, resume: int, it_state: int) -> None:
        self.b.store(I64(pc), self._out_pc)
        self.b.store(I64(resume), self._out_resume)
        self.b.store(I32((it_state & 0xFC) << 8 | (it_state & 3) << 25), self._out_it)
        self.b.branch(self._leave)

    def note_current(self, edges: int) -> None:
        """Bring H_CURRENT and H_EDGE up to date: ``edge`` holds the region's number of the edge taken last, -1 before the first."""
        edge = self.b.load(self.edge)
        with self.when(self.b.icmp_signed(">=", edge, I64(0))):
            place = self.b.add(self.b.mul(edge, I64(2)), I64(edges))
            entry = self.fixed(self.b.load(self.b.gep(self.table, [place])))
            index = self.fixed(self.b.load(self.b.gep(self.table, [self.b.add(place, I64(1))])))
            self.set_word(at.H_EDGE, entry)
            self.set_word(at.H_CURRENT, index)

    # The ends of the function.

    def finish(self, edges: int) -> None:
        """Build entry and exit; ``edges`` is where the table's edges begin."""
        self._build_entry()
        self.b = ir.IRBuilder(self._leave)
        self.flags = None
        self.note_current(edges)
        registers, singles = self.from_table(T_REGISTERS), self.from_table(T_SINGLES)
        for name in sorted(self._assigned):
            if name[0] in "rs" and name[1:].isdigit():
                self.b.store(self.b.load(self._variables[name]), self._place(registers, singles, name))
        resume = self.b.load(self._out_resume)
        pc = self.b.load(self._out_pc)
        with self.when(self.b.icmp_signed(">=", resume, I64(0))):
            self.set_word(at.H_RESUME, pc)
            self.set_word(at.H_RESUME_END, resume)
        self.set_word(at.H_CYCLES, self.b.load(self.cycles))
        self._store_status(at.H_XPSR, _FLAG_BITS, with_it=True)
        if self.uses_arithmetic:
            self._end_arithmetic()
        self._store_status(at.H_FPSCR, _FP_FLAG_BITS)
        self.b.ret(pc)

    def assembly(self) -> str:
        """The module as text, with the attribute that constrained floating point needs and llvmlite does not know."""
        text = str(self.module)
        if not self.uses_arithmetic:
            return text
        lines = [
            line + " strictfp" if " call " in line and '@"llvm.experimental.constrained' in line else line
            for line in text.splitlines()
        ]
        return "\n".join(lines).replace(" nounwind", " nounwind strictfp", 1)

    def _place(self, registers: Any, singles: Any, name: str) -> Any:
        kind, base = (I32, registers) if name[0] == "r" else (F32, singles)
        return self.b.inttoptr(self.b.add(base, I64(4 * int(name[1:]))), kind.as_pointer())

    def _build_entry(self) -> None:
        self.b = b = self._locals
        registers, singles = self.from_table(T_REGISTERS), self.from_table(T_SINGLES)
        xpsr, fpscr = (b.trunc(self.word(index), I32) for index in (at.H_XPSR, at.H_FPSCR))
        for name, variable in self._variables.items():
            if name[0] in "rs" and name[1:].isdigit():
                b.store(b.load(self._place(registers, singles, name)), variable)
            elif name in _FLAG_BITS or name in _FP_FLAG_BITS:
                word, bit = (xpsr, _FLAG_BITS[name]) if name in _FLAG_BITS else (fpscr, _FP_FLAG_BITS[name])
                b.store(b.trunc(b.lshr(word, I32(bit)), I1), variable)
            elif name == "ge":
                mask: Any = I32(0)
                for lane in range(4):
                    bit_set = b.trunc(b.lshr(xpsr, I32(16 + lane)), I1)
                    mask = b.or_(mask, b.select(bit_set, I32(0xFF << 8 * lane), I32(0)))
                b.store(mask, variable)
        for variable in self._flag_variables:
            b.store(I32(0), variable)
        b.store(self.word(at.H_CYCLES), self.cycles)
        b.store(I64(-1), self.edge)
        if self.uses_arithmetic:
            self._mxcsr = b.alloca(I32), b.alloca(I32)
            self._status_call("llvm.x86.sse.stmxcsr", self._mxcsr[0])
            b.store(I32(_MXCSR), self._mxcsr[1])
            self._status_call("llvm.x86.sse.ldmxcsr", self._mxcsr[1])
        b.branch(self.dispatch)

    def intrinsic(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """An LLVM intrinsic function."""
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def _status_call(self, name: str, place: Any) -> None:
        function = self.intrinsic(name, ir.VoidType(), [I8.as_pointer()])
        self.b.call(function, [self.b.bitcast(place, I8.as_pointer())])

    def _end_arithmetic(self) -> None:
        """Add the exceptions that the host's FPU has seen to FPSCR, and give the host its own control word back."""
        b = self.b
        self._status_call("llvm.x86.sse.stmxcsr", self._mxcsr[1])
        seen = b.load(self._mxcsr[1])
        self._status_call("llvm.x86.sse.ldmxcsr", self._mxcsr[0])
        status = b.trunc(self.word(at.H_FPSCR), I32)
        for theirs, ours in _FPSCR_OF_MXCSR:
            status = b.or_(status, b.shl(b.and_(b.lshr(seen, I32(theirs)), I32(1)), I32(ours)))
        self.set_word(at.H_FPSCR, b.zext(status, I64))

    def _store_status(self, word: int, bits: dict[str, int], *, with_it: bool = False) -> None:
        b = self.b
        changed = [name for name in bits if name in self._assigned]
        clear = sum(1 << bits[name] for name in changed) | (_IT_BITS if with_it else 0)
        if with_it and "ge" in self._assigned:
            clear |= _GE_BITS
        if not clear:
            return
        status = b.and_(b.trunc(self.word(word), I32), I32(~clear & 0xFFFF_FFFF))
        for name in changed:
            status = b.or_(status, b.shl(b.zext(self.flag(name), I32), I32(bits[name])))
        if with_it:
            status = b.or_(status, b.load(self._out_it))
            if "ge" in self._assigned:
                for lane in range(4):
                    bit_set = b.and_(b.lshr(self.greater_equal(), I32(8 * lane)), I32(1))
                    status = b.or_(status, b.shl(bit_set, I32(16 + lane)))
        self.set_word(word, b.zext(status, I64))
