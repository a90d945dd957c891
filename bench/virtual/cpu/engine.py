"""Unicorn, wrapped: memory map, native hooks, registers, and what a stop of the emulation means.

Facts about Unicorn 2.1.4 that this module relies on (tests hold them down): UC_MODE_THUMB with a CPU model gives that model, MCLASS does not;
an access to unmapped or protected memory stops with PC on the instruction and no register changed; a stop asked for in a block or code
hook comes before the block or instruction; IPSR and CONTROL written through the register interface bank MSP and PSP as they should.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("UC_IGNORE_REG_BREAK", "1")

import numpy as np
import unicorn as uc
from numpy.typing import NDArray
from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import uclib

from bench.virtual.cpu import layout as at
from bench.virtual.cpu import native
from bench.virtual.cpu.instructions import PC, SP
from bench.virtual.cpu.interface import Memory

_MODELS = {"cortex-m4": arm.UC_CPU_ARM_CORTEX_M4, "cortex-m7": arm.UC_CPU_ARM_CORTEX_M7}
_NOWHERE = 0xFFFF_FFFE
CORE_NAMES = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc")
_REGISTERS = {
    **{f"r{n}": getattr(arm, f"UC_ARM_REG_R{n}") for n in range(13)},
    **{f"s{n}": getattr(arm, f"UC_ARM_REG_S{n}") for n in range(32)},
    **{
        name: getattr(arm, f"UC_ARM_REG_{name.upper()}")
        for name in ("sp", "lr", "pc", "msp", "psp", "xpsr", "ipsr", "control")
    },
    **{name: getattr(arm, f"UC_ARM_REG_{name.upper()}") for name in ("primask", "basepri", "faultmask", "fpscr")},
}
REGISTER_NAMES = frozenset(_REGISTERS) - {"ipsr"}

_INTERRUPT_SVC, _INTERRUPT_PREFETCH_ABORT, _INTERRUPT_BKPT, _INTERRUPT_NOCP = 2, 3, 7, 17
_FETCH_ERRORS = (uc.UC_ERR_FETCH_UNMAPPED, uc.UC_ERR_FETCH_PROT)
_ACCESS_ERRORS = (uc.UC_ERR_READ_UNMAPPED, uc.UC_ERR_WRITE_UNMAPPED, uc.UC_ERR_READ_PROT, uc.UC_ERR_WRITE_PROT)


# The binding's own functions look up the type of each register first, which takes ten times as long.
_read, _write, _start = uclib.uc_reg_read, uclib.uc_reg_write, uclib.uc_emu_start


class Stop(Enum):
    """What ended a stretch of emulation."""

    HOOK = auto()  # a native hook asked for it: state[H_STOP] says why
    ACCESS = auto()  # PC is on an instruction that touches what is not plain memory
    FETCH = auto()  # PC is where no code is
    UNDEFINED = auto()  # PC is on the instruction (behind it for WFE and YIELD)
    NO_COPROCESSOR = auto()
    SVC = auto()  # PC is behind it
    BKPT = auto()  # PC is on it
    ENDED = auto()  # WFI (PC behind it), or one step done


class Stopped(NamedTuple):
    """Why and where: ``pc`` without the Thumb bit, ``thumb`` the T bit of EPSR."""

    kind: Stop
    pc: int
    thumb: bool


class Engine:
    """One emulated core with the shared state of the native hooks (``state``, see native.py)."""

    def __init__(
        self, model: str, memories: Sequence[Memory], flash_lines: int, miss: Any, *, direct_registers: bool = True
    ) -> None:
        self._uc = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(_MODELS[model])
        self._uc.ctl_set_tlb_mode(uc.UC_TLB_VIRTUAL)
        self._handle = self._uc._uch  # noqa: SLF001  (the binding has no public name for it)
        self._word = ctypes.c_uint64()
        self._word_pointer = ctypes.byref(self._word)
        self._buffers: list[Any] = []
        self.state: NDArray[np.int64] = np.zeros(at.LINE_SLOTS + 2 * flash_lines, np.int64)
        self.state[at.H_DLINE_SLOTS] = at.LINE_SLOTS + flash_lines
        self._state_address = self.state.ctypes.data
        for memory in memories:
            self._map(memory)
        self.words = self.state.data
        self._executed = np.zeros(native.SRAM_PAGES, np.uint8)
        self._hook(uc.UC_HOOK_TLB_FILL, native.on_fill, 1, 0, self._executed.ctypes.data)
        self._interrupt: int | None = None
        self._counting = False
        self._uc.hook_add(uc.UC_HOOK_INTR, self._on_interrupt)
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self._keep_miss = kind(miss)
        self.state[at.H_ENGINE] = self._handle.value
        self.state[at.H_STOP_FUNCTION] = _address(uclib.uc_emu_stop)
        self.state[at.H_MISS_FUNCTION] = _address(self._keep_miss)
        self._find_registers(direct_registers)
        self.state[at.H_SELF] = self._state_address
        self.state[at.H_READ_REGISTER], self.state[at.H_WRITE_REGISTER] = _address(_read), _address(_write)
        self.state[at.H_FETCH_FUNCTION] = native.fetch_for_region.address
        self.state[at.H_READ_FUNCTION] = native.read_for_region.address
        self._hook(uc.UC_HOOK_BLOCK, native.on_block, 1, 0)
        self._hooks: dict[int, ctypes.c_size_t] = {}

    def _map(self, memory: Memory) -> None:
        buffer = ctypes.c_char.from_buffer(memory.data)
        self._buffers.append(buffer)
        permissions = (
            uc.UC_PROT_READ
            | (uc.UC_PROT_WRITE if memory.writable else 0)
            | (uc.UC_PROT_EXEC if memory.executable else 0)
        )
        for base in memory.bases:
            self._uc.mem_map_ptr(base, memory.size, permissions, ctypes.addressof(buffer))

    def _hook(self, kind: int, function: Any, begin: int, end: int, user_data: int | None = None) -> ctypes.c_size_t:
        handle = ctypes.c_size_t()
        address = getattr(function, "address", None) or _address(function)
        status = uclib.uc_hook_add(
            self._handle,
            ctypes.byref(handle),
            kind,
            ctypes.c_void_p(address),
            ctypes.c_void_p(user_data or self._state_address),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
        )
        if status != uc.UC_ERR_OK:
            raise uc.UcError(status)
        return handle

    def _find_registers(self, direct: bool) -> None:
        core = [_REGISTERS[f"r{n}"] for n in range(13)]
        address = _registers_inside(self._uc, self._handle.value, core) if direct else None
        self._file = None if address is None else (ctypes.c_uint32 * (PC + 1)).from_address(address)
        singles = [_REGISTERS[f"s{n}"] for n in range(32)]
        self.singles = _registers_inside(self._uc, self._handle.value, singles) if direct else None
        if address is not None:
            self.state[at.H_REGISTERS] = address
            return
        # Let the emulator copy them at every block that asks: slower, the same result.
        self._copies = np.zeros(16, np.uint32)
        names = [f"r{n}" for n in range(13)] + ["sp", "lr"]
        self._copy_ids = np.array([_REGISTERS[name] for name in names], np.int32)
        self._copy_pointers = np.array([self._copies.ctypes.data + 4 * n for n in range(15)], np.int64)
        self.state[at.H_REGISTERS] = self._copies.ctypes.data
        self.state[at.H_SNAPSHOT_FUNCTION] = _address(uclib.uc_reg_read_batch)
        self.state[at.H_SNAPSHOT_IDS] = self._copy_ids.ctypes.data
        self.state[at.H_SNAPSHOT_POINTERS] = self._copy_pointers.ctypes.data

    def _on_interrupt(self, _uc: Any, number: int, _user: Any) -> None:
        self._interrupt = number
        self._uc.emu_stop()

    def go(self, pc: int, *, single: bool = False) -> Stopped:
        """Run Thumb code from ``pc`` until something stops it (``single``: at most one instruction)."""
        self._interrupt = None
        self.words[at.H_STOP] = at.STOP_NONE
        if single and not self._counting:
            self._uc.ctl_flush_tb()  # code translated before has no counting in it; Unicorn flushes on the way back only
        self._counting = single
        self._uc._hook_exception = None  # noqa: SLF001  (as the binding's own emu_start does, which turns every stop into an exception)
        error = _start(self._handle, pc | 1, _NOWHERE, 0, 1 if single else 0)
        if self._uc._hook_exception is not None:  # noqa: SLF001
            raise self._uc._hook_exception  # noqa: SLF001
        pc = (self.get("pc") if self._file is None else self._file[PC]) & ~1
        kind = self._classify(error)
        if kind is Stop.ENDED and pc == _NOWHERE:  # that is where emu_start was told to end: no code is there
            kind = Stop.FETCH
        thumb = kind not in (Stop.UNDEFINED, Stop.FETCH) or bool(self.get("xpsr") >> 24 & 1)
        return Stopped(kind, pc, thumb)

    def _classify(self, error: int) -> Stop:
        if self.words[at.H_STOP] != at.STOP_NONE:
            return Stop.HOOK
        if error in _FETCH_ERRORS or self._interrupt == _INTERRUPT_PREFETCH_ABORT:
            return Stop.FETCH
        if error in _ACCESS_ERRORS:
            return Stop.ACCESS
        if self._interrupt is not None:
            known = {_INTERRUPT_SVC: Stop.SVC, _INTERRUPT_BKPT: Stop.BKPT, _INTERRUPT_NOCP: Stop.NO_COPROCESSOR}
            return known.get(self._interrupt, Stop.UNDEFINED)
        if error in (uc.UC_ERR_INSN_INVALID, uc.UC_ERR_EXCEPTION):
            return Stop.UNDEFINED
        if error != uc.UC_ERR_OK:
            raise uc.UcError(error)
        return Stop.ENDED

    def get(self, name: str) -> int:
        """Read a register by the names of REGISTER_NAMES (or ipsr)."""
        self._word.value = 0
        if _read(self._handle, _REGISTERS[name], self._word_pointer):
            raise KeyError(f"the emulator cannot read register {name!r}")
        return self._word.value & 0xFFFF_FFFF

    def registers(self) -> tuple[int, ...]:
        """r0-r14 as they are; also from inside a block hook."""
        if self._file is None:
            return tuple(self.get(name) for name in CORE_NAMES[:PC])
        return tuple(self._file[:PC])

    def core(self, number: int) -> int:
        """Read r0-r14."""
        return self.get(CORE_NAMES[number]) if self._file is None else self._file[number]

    def set_core(self, number: int, value: int) -> None:
        """Write r0-r14."""
        if self._file is None or number == SP:  # the emulator has its own ways with stack pointers
            self.set(CORE_NAMES[number], value)
        else:
            self._file[number] = value & 0xFFFF_FFFF

    def set(self, name: str, value: int) -> None:
        """Write a register."""
        self._word.value = value & 0xFFFF_FFFF
        if _write(self._handle, _REGISTERS[name], self._word_pointer):
            raise KeyError(f"the emulator cannot write register {name!r}")

    @property
    def direct(self) -> bool:
        """Whether native code can reach the registers in place."""
        return self._file is not None and self.singles is not None

    @property
    def executed_pages(self) -> int:
        """Address of the bytes that say from which pages of SRAM code ran."""
        return int(self._executed.ctypes.data)

    def flush_translations(self) -> None:
        """Forget all translated code (after hooks or code changed)."""
        self._uc.ctl_flush_tb()

    def watch(self, address: int) -> None:
        """Call the native code hook at one instruction address."""
        if address not in self._hooks:
            self._hooks[address] = self._hook(uc.UC_HOOK_CODE, native.on_code, address, address)

    def unwatch(self, address: int) -> None:
        """Undo `watch`."""
        handle = self._hooks.pop(address, None)
        if handle is not None:
            uclib.uc_hook_del(self._handle, handle)


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _registers_inside(engine: Any, record_address: int, ids: Sequence[int]) -> int | None:
    """Find registers of 32 bits that follow one another inside the emulator's state; None where that is not possible.

    So native code reads and writes them without a call. Puts random words in them, then looks for the sequence behind every pointer of the
    engine's own record, reading through /proc/self/mem, which refuses unmapped addresses instead of crashing. A second set of words proves
    the find.
    """
    own_memory = Path("/proc/self/mem")
    if not own_memory.exists():
        return None
    length = 4 * len(ids)
    words = struct.unpack(f"<{len(ids)}I", os.urandom(length))
    for register, word in zip(ids, words, strict=True):
        engine.reg_write(register, word)
    pattern = struct.pack(f"<{len(ids)}I", *words)
    candidates: set[int] = set()
    with own_memory.open("rb", buffering=0) as memory:
        record = os.pread(memory.fileno(), 4096, record_address)
        for (pointer,) in struct.iter_unpack("<Q", record):
            if not 0x10000 < pointer < 1 << 47:
                continue
            try:
                found = os.pread(memory.fileno(), 1 << 17, pointer).find(pattern)
            except OSError:
                continue
            if found >= 0:
                candidates.add(pointer + found)
        for register, word in zip(ids, words, strict=True):
            engine.reg_write(register, word ^ 0x5A5A_5A5A)
        proof = struct.pack(f"<{len(ids)}I", *(word ^ 0x5A5A_5A5A for word in words))
        proven = [address for address in candidates if os.pread(memory.fileno(), length, address) == proof]
    for register in ids:
        engine.reg_write(register, 0)
    return proven[0] if len(proven) == 1 else None
