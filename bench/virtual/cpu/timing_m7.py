"""Cortex-M7F instruction timing: an in-order pipeline that issues up to two instructions a cycle. Pure: decoded code in, cycles out.

Arm publishes no table. Sources, all public: [J] measurements on an STM32H743, github.com/jnk0le/random, "pipeline cycle test", cortex_m7;
[L] the scheduling model of LLVM, written by Arm: ARMScheduleM7.td; [A] Arm DDI 0489 (components: prefetch queue, BTAC, caches);
[S] the Cortex-M7 model of the SLOTHY scheduler, github.com/slothy-optimizer/slothy. Nothing is fitted.

  what                                          rule
  issue                                         two a cycle, in order; the younger never before the older [J, L]
  never together                                two stores; two multiplications; multiplication and store; two bit field, DSP or extending
                                                instructions; two FPU arithmetic; VFMA/VMLA with VLDR, VSTR or VMOV; two branches [J]
  alone                                         LDM, STM, PUSH, POP, LDRD, STRD, VLDM, VSTM: ceil(registers / 2) cycles; VMOV with two core
                                                registers; system instructions, barriers [J]; VLDR and VSTR of a double
  two loads                                     together, but from the same half of the 64-bit banks: same base, offsets alike in bit 2 [J]
  ADD, SUB, MOV in the older slot               early ALU when their operands are there early: a younger instruction may use the result in the
                                                same cycle, an address or a shift in the next one; else late ALU: 1, and 2 for an address [J]
  LSL, LSR, ASR, ROR                            early ALU in either slot when no shifter is taken by the older instruction; REV, RBIT like it,
                                                but an address, shift or bit field waits 2 [J]
  shifted operand 2, bit fields, extensions     take that operand early; beside it a word just loaded comes one cycle later too [J]
  never together, as they share the shifter     two shifted operands or constants; shifted operand and bit field; shift and shifted operand [J]
  accumulator of a multiplication               taken a cycle after the late ALU [J]
  load near a store to the same place           not before 4 cycles after the store [S]: storebuffer.py
  LDR / LDRB, LDRH                              result 1 / 2 cycles later, one more for an address, a shift, a bit field or a factor [J; L: 2]
  MUL, MLA, long and DSP multiply               result 2 cycles later, the next accumulator 1 [J, L]
  stored data                                   may be made in the same cycle [J]
  UDIV, SDIV                                    7 [L]; on silicon it depends on the operands, by how much is not public
  IT                                            takes a slot; instructions that are skipped cost what they would cost [J]
  VADD, VMUL, VCVT, VCMP                        result 3 cycles later; 1 for VSTR [J, L]
  VFMA (VMLA)                                   3 for the next accumulator, 5 (6) for anything else, 3 (4) for VSTR; VMLA then VFMA +1 [J]
  after VFMA, VMLA                              no VADD, VLDM, VSTM for 3 cycles, VLDR, VSTR, VMOV in the older slot only [J]
  VLDR                                          result 1 cycle later, 3 for the accumulator of VFMA, 2 of VMLA [J]
  VMOV to core / to FPU register                1 / 3 later; waits 3 behind FPU arithmetic, 5 behind VFMA, 2 behind VLDR [J]. VMRS alike
  VDIV, VSQRT                                   16 / 14 with the pipeline held, but one integer instruction beside it [J]
  branch, predicted                             takes a slot, nothing more; the target's first instruction may go with it [J, A: BTAC]
  conditional branch, not predicted             8, or 6 when the flags were made three cycles before [J]; by a two-bit counter each branch
  BX LR, BLX, BX, POP and LDR of PC             as predicted: a BTAC knows the target of last time [A]; TBB, TBH: always 8
  MRS, MSR, CPS / DMB, DSB / ISB                2 / 2 / 8, a refill: assumptions

Memory: a line of 32 bytes from the flash costs its wait states and 4 beats of the 64-bit AXI [A]; the prefetch queue of 4 x 64 bits runs ahead of
sequential code. DTCM and the data cache answer loads without wait.

Not modelled: SRAM behind the data cache (misses cost nothing), evictions, bank conflicts of unrelated loads, fetch alignment, unaligned data, a full
store buffer, BTAC capacity, code in the ITCM flash, wait states of peripherals.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.virtual.cpu.decode import decode_block
from bench.virtual.cpu.instructions import ALWAYS, PC, Instruction, Kind
from bench.virtual.cpu.storebuffer import StoreBuffer
from bench.virtual.cpu.timing import CodeBlock, DivideTiming, EdgeCost, FlashAccelerator

_LINE_BEATS = 4
L1 = FlashAccelerator(
    line_bytes=32, instruction_lines=128, data_lines=128, instruction_ways=2, data_ways=4, fill_cycles=_LINE_BEATS
)
"""4 KiB each, two and four ways (DS10916 section 2.1, Arm DDI 0489 chapter 5); replacement is taken as least recently used."""

_DIVIDE_CYCLES = 7
_LATE_BRANCH, _EARLY_BRANCH = 8, 6
_EARLY_FLAGS_CYCLES = 3
_ADDRESSES = 0x7FFF  # r0-r14
_EARLY = frozenset(("add", "sub", "mov", "movs", "movw", "mvn", "adr"))
_SHIFTS = frozenset(("lsl", "lsr", "asr", "ror", "lsls", "lsrs", "asrs", "rors"))
_REVERSALS = frozenset(("rev", "rev16", "revsh", "rbit"))
_SHIFTER_FIELDS = ("bf", "sbfx", "ubfx", "rbit", "rev", "uxta", "sxta", "pkh")
_MULTIPLIES = ("mul", "mla", "mls", "sml", "smu", "uml", "uma", "smm")
_BIT_FIELDS = (
    "ubfx", "sbfx", "bfi", "bfc", "uxt", "sxt", "rev", "rbit", "clz", "pkh", "usat", "ssat", "uadd", "sadd", "usub", "ssub", "qadd", "qsub",
    "uqadd", "uqsub", "uhadd", "shadd", "usad", "sel", "usada",
)  # fmt: skip
_COMPARES = frozenset(("cmp", "cmn", "tst", "teq", "vmrs"))
_FP_ARITHMETIC = (Kind.FP, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE)
_ALONE = (
    Kind.LOAD_MULTIPLE,
    Kind.STORE_MULTIPLE,
    Kind.FP_MOVE_PAIR,
    Kind.SYSTEM,
    Kind.BARRIER,
    Kind.FLUSH,
    Kind.TRAP,
    Kind.DIVIDE,
)
_BRANCHES = (Kind.BRANCH, Kind.BRANCH_REGISTER, Kind.TABLE_BRANCH)
_FP_SHADOW_CYCLES = 3


@dataclass(frozen=True, slots=True)
class CortexM7Timing:
    """`CoreTiming` of the Cortex-M7F. See the module's docstring for the rules, their sources, and for what is left out."""

    cpu_model: str = "cortex-m7"
    accelerator: FlashAccelerator = L1
    divide: DivideTiming = field(default_factory=lambda: DivideTiming(minimum=_DIVIDE_CYCLES, maximum=_DIVIDE_CYCLES))
    asks_ahead: bool = False
    exception_entry_cycles: int = 12
    exception_return_cycles: int = 12

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        """Cost of ``block`` run right after ``previous``, which is taken to have begun with an empty pipeline."""
        instructions = decode_block(block.address, block.code)
        pipeline = _Pipeline()
        last: Instruction | None = None
        if previous is not None and previous.code:
            for last in decode_block(previous.address, previous.code):
                pipeline.issue(last)
        begin = pipeline.end
        refill = 0
        mispredict, taken = 0, False
        if last is not None and last.kind is Kind.TABLE_BRANCH:
            refill = _LATE_BRANCH
            pipeline.wait(refill)
        elif last is not None and _is_conditional(last):
            taken = block.address != last.end
            mispredict = pipeline.penalty
        starts = [max(0, pipeline.issue(instruction) - begin) for instruction in instructions]
        addresses = tuple(instruction.address for instruction in instructions)
        return EdgeCost(refill, addresses, tuple(starts), pipeline.end - begin, mispredict, taken)


def sequence_cycles(code: bytes, address: int = 0) -> int:
    """Cycles of straight-line code entered with an empty pipeline, every branch in it not taken."""
    pipeline = _Pipeline()
    for instruction in decode_block(address, code):
        pipeline.issue(instruction)
    return pipeline.end


def _is_conditional(instruction: Instruction) -> bool:
    return instruction.name in ("cbz", "cbnz") or (instruction.kind is Kind.BRANCH and instruction.condition != ALWAYS)


def _is_multiply(instruction: Instruction) -> bool:
    return instruction.kind is Kind.ALU and instruction.name.startswith(_MULTIPLIES)


def _is_bit_field(instruction: Instruction) -> bool:
    return instruction.kind is Kind.ALU and instruction.name.startswith(_BIT_FIELDS)


def _is_move(instruction: Instruction) -> bool:
    return instruction.kind is Kind.FP and instruction.name == "vmov"


def _is_fp_arithmetic(instruction: Instruction) -> bool:
    return instruction.kind in _FP_ARITHMETIC and not _is_move(instruction)


def _touches_memory(instruction: Instruction, *, fp: bool | None = None) -> bool:
    access = instruction.access
    return access is not None and (fp is None or access.fp is fp)


class _Pipeline:
    """Instructions issued in order. Times are cycles from 0 on; ``end`` is the first cycle in which nothing has been issued."""

    def __init__(self) -> None:
        self._late = [0] * 16  # when an instruction may use a core register's value in the late ALU,
        self._early = [0] * 16  # and early: as an address, a bit field, or in the early ALU
        self._mixed = [0] * 16  # as a factor, or beside an operand that is taken early
        self._sum = [0] * 16  # as an accumulator
        self._stores = StoreBuffer()
        self._fp = [0] * 32  # when FPU arithmetic may use an S register,
        self._fp_sum = [0] * 32  # as the accumulator of VFMA,
        self._fp_out = [0] * 32  # or VSTR
        self._fp_move = [0] * 32  # or VMOV to a core register
        self._shadow = 0  # until when a multiply-add keeps others off
        self._mla_before = -1
        self._flags = 0
        self._cycle = -1  # of the last instruction
        self._older: Instruction | None = None  # alone in that cycle so far
        self._held = 0  # nothing before this cycle
        self.penalty = _LATE_BRANCH

    @property
    def end(self) -> int:
        """Cycles spent."""
        return max(self._cycle + 1, self._held)

    def wait(self, cycles: int) -> None:
        """Issue nothing for a while."""
        self._held = self.end + cycles
        self._older = None

    def issue(self, now: Instruction) -> int:
        """Issue the next instruction and return its cycle."""
        ready = self._ready(now)
        together = (
            self._older is not None
            and max(ready, self._held) <= self._cycle
            and _may_pair(self._older, now)
            and not (self._shadow > self._cycle and (_touches_memory(now, fp=True) or _is_move(now)))
        )
        if together:
            cycle = self._cycle
            self._shifter_taken = self._older is not None and _takes_shifter(self._older)
            self._older = None
        else:
            cycle = max(self._cycle + 1, ready, self._held)
            self._older = (
                None if now.kind in _ALONE or (now.access is not None and len(now.access.registers) > 1) else now
            )
        self._cycle = cycle
        self._retire(now, cycle, older=not together)
        self._stores.follow(now)
        return cycle

    # What an instruction waits for

    def _ready(self, now: Instruction) -> int:
        ready = 0
        access = now.access
        if access is not None:
            addresses = 1 << access.base | (1 << access.index if access.index is not None else 0)
            ready = max((self._early[r] for r in _members(addresses & _ADDRESSES)), default=0)
            if access.load:
                ready = max(ready, self._stores.ready(access))
            if access.fp and not access.load:
                ready = max(ready, *(self._fp_out[s] for s in access.registers))
        elif now.kind in _BRANCHES and now.name not in ("bx", "blx", "cbz", "cbnz"):
            pass
        else:
            early, sums = now.early & _ADDRESSES, now.sums & _ADDRESSES
            others = self._mixed if early or _is_multiply(now) else self._late
            ready = max((self._early[r] for r in _members(early)), default=0)
            ready = max(ready, max((self._sum[r] for r in _members(sums & ~early)), default=0))
            ready = max(ready, max((others[r] for r in _members(now.reads & _ADDRESSES & ~early & ~sums)), default=0))
        return max(ready, self._fp_ready(now))

    def _fp_ready(self, now: Instruction) -> int:
        if now.kind is Kind.FP_STATUS:
            return self._flags
        if now.kind not in (*_FP_ARITHMETIC, Kind.FP_MOVE_PAIR):
            return (
                self._shadow
                if now.kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE) and _touches_memory(now, fp=True)
                else 0
            )
        if _is_move(now) or now.kind is Kind.FP_MOVE_PAIR:
            return max((self._fp_move[s] for s in _members(now.fp_reads)), default=0)
        if now.kind is Kind.FP_MULTIPLY_ADD:
            factors = now.fp_reads & ~now.fp_writes
            ready = max((self._fp[s] for s in _members(factors)), default=0)
            ready = max(ready, max((self._fp_sum[s] for s in _members(now.fp_writes)), default=0))
            return max(ready, self._mla_before + 2 if now.name.startswith("vf") and self._mla_before >= 0 else 0)
        ready = max((self._fp[s] for s in _members(now.fp_reads)), default=0)
        return max(ready, self._shadow if now.name in ("vadd", "vsub") else 0)

    # What it leaves behind

    def _retire(self, now: Instruction, cycle: int, *, older: bool) -> None:
        access = now.access
        if access is not None:
            self._retire_access(now, cycle)
        elif now.kind is Kind.DIVIDE:
            self._write(now.writes, cycle, _DIVIDE_CYCLES)
            self._held = cycle + _DIVIDE_CYCLES
        elif _is_multiply(now):
            self._write(now.writes, cycle, 2, accumulator=1)
        elif now.kind in (Kind.SYSTEM, Kind.BARRIER):
            self._held = cycle + 2
        elif now.kind is Kind.FLUSH:
            self._held = cycle + _LATE_BRANCH
        elif now.kind is Kind.ALU:
            operands_early = all(self._early[r] <= cycle for r in _members(now.reads & _ADDRESSES))
            adds = older and now.name in _EARLY and not now.shifter
            shifts = now.name in _SHIFTS and (older or not self._shifter_taken)
            if now.name in _REVERSALS:
                self._write(now.writes, cycle, 0, early=2)
            else:
                self._write(now.writes, cycle, 0 if operands_early and (adds or shifts) else 1)
        elif now.kind in (*_FP_ARITHMETIC, Kind.FP_MOVE_PAIR, Kind.FP_STATUS):
            self._retire_fp(now, cycle)
        if now.name in _COMPARES or (
            now.kind is Kind.ALU and now.size == 2 and now.condition == ALWAYS and now.name != "nop"
        ):
            self._flags_made = cycle
        if _is_conditional(now):
            self.penalty = _EARLY_BRANCH if cycle - self._flags_made >= _EARLY_FLAGS_CYCLES else _LATE_BRANCH

    _flags_made = -8
    _shifter_taken = False

    def _retire_access(self, now: Instruction, cycle: int) -> None:
        access = now.access
        assert access is not None
        if len(access.registers) > 1:
            self._held = cycle + (len(access.registers) + 1) // 2
        if not access.load:
            self._stores.add(access, cycle)
        if access.base_step:
            self._write(1 << access.base, cycle, 0)
        if not access.load:
            return
        last = max(cycle, self._held - 1)
        if access.fp:
            for s in access.registers:
                self._fp[s] = self._fp_out[s] = last + 1
                self._fp_sum[s] = last + 3
                self._fp_move[s] = last + 2
        else:
            mask = sum(1 << r for r in set(access.registers)) & _ADDRESSES
            self._write(mask, last, 1 if access.unit == 4 else 2, mixed=2, accumulator=1)

    def _retire_fp(self, now: Instruction, cycle: int) -> None:
        if now.kind is Kind.FP_STATUS:
            self._flags_made = cycle
            return
        if now.kind is Kind.FP_DIVIDE:
            result = 16 if now.name == "vdiv" else 14
            self._held = cycle + result
            latencies = (result, result, result, result)
        elif now.kind is Kind.FP_MULTIPLY_ADD:
            fused = now.name.startswith("vf")
            latencies = (5, 3, 3, 5) if fused else (6, 3, 4, 6)
            self._shadow = cycle + 1 + _FP_SHADOW_CYCLES
            self._mla_before = -1 if fused else cycle
        else:
            latencies = (3, 3, 3, 3) if _is_move(now) or now.kind is Kind.FP_MOVE_PAIR else (3, 3, 1, 3)
        for s in _members(now.fp_writes):
            self._fp[s], self._fp_sum[s], self._fp_out[s], self._fp_move[s] = (cycle + latency for latency in latencies)
        self._write(now.writes & _ADDRESSES, cycle, 1)
        if now.name.startswith("vcmp"):
            self._flags = cycle + 3

    def _write(
        self,
        registers: int,
        cycle: int,
        late: int,
        *,
        early: int | None = None,
        mixed: int | None = None,
        accumulator: int | None = None,
    ) -> None:
        """Registers can be used ``late`` cycles after ``cycle`` in the late ALU, a cycle after that early, one before as accumulators."""
        for r in _members(registers & _ADDRESSES):
            self._late[r] = cycle + late
            self._early[r] = cycle + (late + 1 if early is None else early)
            self._mixed[r] = cycle + (late if mixed is None else mixed)
            self._sum[r] = cycle + (max(0, late - 1) if accumulator is None else accumulator)


def _members(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def _takes_shifter(instruction: Instruction) -> bool:
    """Whether the shifter in front of the ALUs is taken: operand 2 with a shift, and some bit fields."""
    return instruction.shifter or (instruction.kind is Kind.ALU and instruction.name.startswith(_SHIFTER_FIELDS))


def _may_pair(older: Instruction, now: Instruction) -> bool:
    """Whether ``now`` may go in the same cycle as ``older``, as far as execution units are concerned."""
    if now.kind in _ALONE or (now.access is not None and len(now.access.registers) > 1):
        return False
    stores = [one.kind is Kind.STORE for one in (older, now)]
    multiplies = [_is_multiply(one) for one in (older, now)]
    if all(stores) or all(multiplies) or (any(stores) and any(multiplies)):
        return False
    if _is_bit_field(now) or (older.kind in _BRANCHES and now.kind in _BRANCHES):
        return False
    if _takes_shifter(now) and (_takes_shifter(older) or (now.shifter and older.name in _SHIFTS)):
        return False
    if _is_fp_arithmetic(older) and _is_fp_arithmetic(now):
        return False
    both = (older, now)
    if any(one.kind is Kind.FP_MULTIPLY_ADD for one in both) and any(
        _is_move(one) or _touches_memory(one, fp=True) for one in both
    ):
        return False
    return not _same_bank(older, now)


def _same_bank(older: Instruction, now: Instruction) -> bool:
    first, second = older.access, now.access
    if first is None or second is None or not (first.load and second.load):
        return False
    alike = first.base == second.base and first.index is None and second.index is None and first.base != PC
    return alike and not first.base_step and (first.offset ^ second.offset) & 4 == 0
