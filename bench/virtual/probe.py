"""pyOCD debug-probe plugin for virtual boards (entry point group ``pyocd.probe``).

Every pyOCD process imports this module: it imports no emulator, and offers nothing when one is missing or ``BENCH_VIRTUAL=0`` is set.

Import ``pyocd`` before this module: pyOCD loads it while it is itself being imported, and cannot while this module is half done.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from pyocd.core import exceptions
from pyocd.core.plugin import Plugin
from pyocd.probe.debug_probe import DebugProbe

from bench.errors import BenchError
from bench.virtual import world

if TYPE_CHECKING:
    from pyocd.board.board import Board
    from pyocd.board.board_ids import BoardInfo
    from pyocd.core.memory_interface import MemoryInterface
    from pyocd.coresight.ap import APAddressBase

    from bench.virtual.board import VirtualBoard
    from bench.virtual.debug import DebugPort

_NEEDED = ("capstone", "numba", "unicorn")


class VirtualTime:
    """A clock to wait by: the virtual time of a board. Waiting makes it pass."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def monotonic(self) -> float:
        """Return virtual seconds."""
        return self._board.time_s

    def sleep(self, seconds: float) -> None:
        """Let the board live for ``seconds``."""
        self._board.advance(seconds)


class VirtualProbe(DebugProbe):  # type: ignore[misc]
    """The on-board debug probe of a virtual board. Open, it holds the board; nobody else can then."""

    def __init__(self, unique_id: str, model: world.BoardModel) -> None:
        super().__init__()
        self._unique_id = unique_id
        self._model = model
        self._board: VirtualBoard | None = None
        self._port: DebugPort | None = None
        self._protocol: DebugProbe.Protocol | None = None

    @classmethod
    def get_all_connected_probes(
        cls,
        unique_id: str | None = None,  # noqa: ARG003
        is_explicit: bool = False,  # noqa: ARG003
    ) -> Sequence[VirtualProbe]:
        """Return one probe per virtual board model; pyOCD filters them."""
        return [cls(uid, model) for uid in world.default_ids() if (model := world.model_of(uid))]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> VirtualProbe | None:  # noqa: ARG003
        """Return the probe of ``virtual-<model>`` or ``virtual-<model>-<instance>``, or None."""
        model = world.model_of(unique_id)
        return cls(unique_id, model) if model else None

    # Who it is

    @property
    def vendor_name(self) -> str:
        """Manufacturer."""
        return "MCU bench"

    @property
    def product_name(self) -> str:
        """Name."""
        return f"virtual {self._model.product}"

    @property
    def unique_id(self) -> str:
        """Unique id, ``virtual-...``."""
        return self._unique_id

    @property
    def supported_wire_protocols(self) -> Collection[DebugProbe.Protocol]:
        """SWD."""
        return [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD]

    @property
    def wire_protocol(self) -> DebugProbe.Protocol | None:
        """SWD while connected, else None."""
        return self._protocol

    @property
    def is_open(self) -> bool:
        """Whether this probe holds the board."""
        return self._board is not None

    @property
    def capabilities(self) -> set[DebugProbe.Capability]:
        """None of the optional ones."""
        return set()

    @property
    def associated_board_info(self) -> BoardInfo:
        """The board, with its target type."""
        from pyocd.board.board_ids import BoardInfo  # noqa: PLC0415

        return BoardInfo(name=self._model.product, target=self._model.target_type, vendor="virtual")

    def create_associated_board(self) -> Board:
        """Return pyOCD's board; ``--target`` still wins over its target type."""
        from pyocd.board.board import Board  # noqa: PLC0415

        return Board(self.session, board_info=self.associated_board_info)

    # Open and connect

    def open(self) -> None:
        """Take the board. Raises ProbeError when another process holds it or it cannot be made."""
        if self._board is not None:
            return
        try:
            board = world.acquire(self._unique_id)
        except BenchError as error:
            raise exceptions.ProbeError(f"{error}; {error.hint}" if error.hint else str(error)) from error
        from bench.virtual.debug import DebugPort  # noqa: PLC0415

        self._board, self._port = board, DebugPort(board)

    def close(self) -> None:
        """Give the board back."""
        if self._board is not None:
            self._board = self._port = self._protocol = None
            world.release(self._unique_id)

    def connect(self, protocol: DebugProbe.Protocol | None = None) -> None:
        """Drive the wires. Raises ProbeError for anything but SWD."""
        self._get_port()
        if protocol not in (None, *self.supported_wire_protocols):
            raise exceptions.ProbeError(f"{self._unique_id} speaks SWD only, not {protocol}")
        self._protocol = DebugProbe.Protocol.SWD

    def disconnect(self) -> None:
        """Let the wires go; the board goes on as it is."""
        self._protocol = None

    def _get_port(self) -> DebugPort:
        if self._port is None:
            raise exceptions.ProbeError(f"{self._unique_id} is not open")
        return self._port

    def _get_board(self) -> VirtualBoard:
        if self._board is None:
            raise exceptions.ProbeError(f"{self._unique_id} is not open")
        return self._board

    @property
    def board(self) -> VirtualBoard:
        """The board while open. Raises ProbeError otherwise."""
        return self._get_board()

    @property
    def time_source(self) -> VirtualTime:
        """The board's clock. Raises ProbeError unless open."""
        return VirtualTime(self._get_board())

    @property
    def diagnoses(self) -> list[str]:
        """The mistakes of the firmware that the board noticed, oldest first. Raises ProbeError unless open."""
        return self._get_board().diagnoses

    def set_clock(self, frequency: float) -> None:
        """Transfers take no virtual time at any frequency, but one above the core clock is noted. Raises ProbeError unless above 0 Hz."""
        if frequency <= 0:
            raise exceptions.ProbeError(f"the SWD clock must be above 0 Hz, not {frequency} Hz")
        self._get_port().wire_hz = frequency

    # Reset

    def reset(self) -> None:
        """Pulse NRST."""
        self.assert_reset(True)
        self.assert_reset(False)

    def assert_reset(self, asserted: bool) -> None:
        """Pull or release NRST."""
        self._get_board().assert_reset(asserted)

    def is_reset_asserted(self) -> bool:
        """Whether NRST is low."""
        return self._get_board().reset_asserted

    # Registers and memory

    def read_dp(self, addr: int, now: bool = True) -> int | Callable[[], int]:
        """Read a debug port register."""
        value = self._get_port().read_dp(addr)
        return value if now else lambda: value

    def write_dp(self, addr: int, data: int) -> None:
        """Write a debug port register."""
        self._get_port().write_dp(addr, data)

    def read_ap(self, addr: int, now: bool = True) -> int | Callable[[], int]:
        """Read an access port register."""
        value = self._get_port().read_ap(addr)
        return value if now else lambda: value

    def write_ap(self, addr: int, data: int) -> None:
        """Write an access port register."""
        self._get_port().write_ap(addr, data)

    def read_ap_multiple(
        self, addr: int, count: int = 1, now: bool = True
    ) -> Sequence[int] | Callable[[], Sequence[int]]:
        """Read an access port register ``count`` times."""
        values = [self._get_port().read_ap(addr) for _ in range(count)]
        return values if now else lambda: values

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        """Write an access port register once per value."""
        for value in values:
            self._get_port().write_ap(addr, value)

    def get_memory_interface_for_ap(self, ap_address: APAddressBase) -> MemoryInterface | None:
        """Return direct memory access for the AHB-AP."""
        if ap_address.nominal_address != 0:
            return None
        from bench.virtual.debug import BoardMemory  # noqa: PLC0415

        return BoardMemory(self._get_port())


class VirtualProbePlugin(Plugin):  # type: ignore[misc]
    """Offers virtual boards to pyOCD where the emulator is installed."""

    def should_load(self) -> bool:
        """Whether the emulator's packages are there and ``BENCH_VIRTUAL`` is not 0."""
        return os.environ.get("BENCH_VIRTUAL") != "0" and all(importlib.util.find_spec(name) for name in _NEEDED)

    def load(self) -> type[VirtualProbe]:
        """Return the probe class."""
        return VirtualProbe

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return "virtual"

    @property
    def description(self) -> str:
        """Short description."""
        return "virtual boards"
