"""The debug port and memory access port of a virtual board, as pyOCD's probe layer talks to them.

Arm Debug Interface ADIv5.2 (IHI 0031E): DP registers B2.2, power control B2.4, MEM-AP C2.6. The board's MCU says who they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyocd.core import exceptions
from pyocd.core.memory_interface import MemoryInterface

from bench.virtual.board import VirtualBoard
from bench.virtual.cpu import AccessFault

_CSW_RESET = 0x23000042
_CSW_WRITABLE = 0x3F000037
_POWER_REQUESTS = 1 << 28 | 1 << 30
_CDBGPWRUPREQ = 1 << 28
_ABORT, _CTRL_STAT, _SELECT, _RDBUFF = 0x0, 0x4, 0x8, 0xC
_CSW, _TAR, _DRW, _CFG, _BASE, _IDR = 0x00, 0x04, 0x0C, 0xF4, 0xF8, 0xFC


def _transfer_fault(address: int, length: int, error: AccessFault) -> exceptions.TransferFaultError:
    return exceptions.TransferFaultError(str(error), fault_address=address, length=length)


class DebugPort:
    """DP and the one AP (AHB-AP) of a board. Raises pyOCD's TransferError where a real port would not answer."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self._identity = board.mcu.debug_port
        self._ctrl_stat = 0
        self._select = 0
        self._csw = _CSW_RESET
        self._tar = 0
        self.wire_hz = 0.0

    def _check_supply(self) -> None:
        if not self._board.powered:
            self._ctrl_stat = self._select = 0
            raise exceptions.TransferError(f"{self._board.unique_id} does not answer: it has no supply")
        if self._board.injector is not None and self._board.injector.port_is_dumb:
            self._ctrl_stat = self._select = 0
            raise exceptions.TransferError(f"{self._board.unique_id}: no acknowledge on SWD")

    def read_dp(self, address: int) -> int:
        """Read a DP register; ``address`` 0, 4, 8, 12."""
        self._check_supply()
        if address == _CTRL_STAT:
            requests = self._ctrl_stat & _POWER_REQUESTS
            return self._ctrl_stat | requests << 1  # the power domains acknowledge at once
        return {_ABORT: self._identity.dpidr, _SELECT: 0, _RDBUFF: 0}[address]

    def write_dp(self, address: int, value: int) -> None:
        """Write a DP register."""
        self._check_supply()
        if address == _SELECT:
            self._select = value
        elif address == _CTRL_STAT and self._select & 0xF == 0:
            self._ctrl_stat = value & (_POWER_REQUESTS | 0x00000F00)
            self._board.set_debug_port(bool(value & _CDBGPWRUPREQ))

    def check_power(self) -> None:
        """Raise TransferError unless supply and debug domain are powered."""
        self._check_supply()
        if not self._ctrl_stat & _CDBGPWRUPREQ:
            raise exceptions.TransferError("the debug port is powered down (CDBGPWRUPREQ is 0)")
        self._board.note_wire_clock(self.wire_hz)

    def read_ap(self, address: int) -> int:
        """Read an AP register; ``address`` is APSEL << 24 | register. An AP that does not exist reads 0."""
        self.check_power()
        if address >> 24:
            return 0
        register = address & 0xFC
        if register == _DRW:
            value = self.memory_read(self._tar, 4)
            self._increment()
            return value
        identity = self._identity
        known = {_CSW: self._csw, _TAR: self._tar, _CFG: 0, _BASE: identity.rom_table, _IDR: identity.ahb_ap_idr}
        return known.get(register, 0)

    def write_ap(self, address: int, value: int) -> None:
        """Write an AP register."""
        self.check_power()
        if address >> 24:
            return
        register = address & 0xFC
        if register == _CSW:
            self._csw = (self._csw & ~_CSW_WRITABLE) | (value & _CSW_WRITABLE)
        elif register == _TAR:
            self._tar = value
        elif register == _DRW:
            self.memory_write(self._tar, 4, value)
            self._increment()

    def _increment(self) -> None:
        if self._csw >> 4 & 3:
            self._tar = (self._tar & ~0x3FF) | ((self._tar + 4) & 0x3FF)

    def memory_read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes of target memory. Raises TransferFaultError."""
        self.check_power()
        try:
            return self._board.debug_read(address, size)
        except AccessFault as error:
            raise _transfer_fault(address, size, error) from None

    def memory_write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes of target memory. Raises TransferFaultError."""
        self.check_power()
        try:
            self._board.debug_write(address, size, value)
        except AccessFault as error:
            raise _transfer_fault(address, size, error) from None

    def block_read(self, address: int, size: int) -> bytes:
        """Read bytes. Raises TransferFaultError."""
        self.check_power()
        try:
            return self._board.debug_read_block(address, size)
        except AccessFault as error:
            raise _transfer_fault(address, size, error) from None

    def block_write(self, address: int, data: bytes) -> None:
        """Write bytes. Raises TransferFaultError."""
        self.check_power()
        try:
            self._board.debug_write_block(address, data)
        except AccessFault as error:
            raise _transfer_fault(address, len(data), error) from None


class BoardMemory(MemoryInterface):  # type: ignore[misc]
    """pyOCD's accelerated memory interface of the AHB-AP. Attributes of a transfer (``csw``) do not matter here."""

    def __init__(self, port: DebugPort) -> None:
        self._port = port

    def read_memory(self, addr: int, transfer_size: int = 32, now: bool = True, **_: Any) -> int | Callable[[], int]:
        """Read 8, 16 or 32 bits."""
        value = self._port.memory_read(addr & 0xFFFFFFFF, transfer_size // 8)
        return value if now else lambda: value

    def write_memory(self, addr: int, data: int, transfer_size: int = 32, **_: Any) -> None:
        """Write 8, 16 or 32 bits."""
        size = transfer_size // 8
        self._port.memory_write(addr & 0xFFFFFFFF, size, data & ((1 << transfer_size) - 1))

    def read_memory_block32(self, addr: int, size: int, **_: Any) -> Sequence[int]:
        """Read ``size`` words."""
        data = self._port.block_read(addr & 0xFFFFFFFF, 4 * size)
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]

    def write_memory_block32(self, addr: int, data: Sequence[int], **_: Any) -> None:
        """Write words."""
        self._port.block_write(addr & 0xFFFFFFFF, b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in data))

    def read_memory_block8(self, addr: int, size: int, **_: Any) -> Sequence[int]:
        """Read ``size`` bytes."""
        return list(self._port.block_read(addr & 0xFFFFFFFF, size))

    def write_memory_block8(self, addr: int, data: Sequence[int], **_: Any) -> None:
        """Write bytes."""
        self._port.block_write(addr & 0xFFFFFFFF, bytes(data))
