"""Opens a debug session on the one board that a station names, and refuses any other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.probe.debug_probe import DebugProbe

from bench.domain.board import Board
from bench.domain.station import Station
from bench.errors import DebugProbeError, DebugProbeUnavailable, IdentifyError
from bench.target.board_under_test import BoardUnderTest
from bench.target.probe_aids import has_own_time
from bench.target.pyocd_errors import pyocd_errors
from bench.target.stm32 import register_targets

_DEV_ID = 0xFFF
RESET_SETTLE_S = 0.1

logger = logging.getLogger(__name__)


class Connect(StrEnum):
    """How the debug port is taken; the values are pyOCD's ``connect_mode``."""

    HALT = "halt"
    UNDER_RESET = "under-reset"


def connected_probes() -> list[tuple[str, str]]:
    """Return (unique id, description) of every debug probe pyOCD sees, virtual ones too."""
    probes: list[DebugProbe] = ConnectHelper.get_all_connected_probes(blocking=False)
    return sorted((probe.unique_id, probe.description) for probe in probes)


@contextmanager
def open_board(station: Station, board: Board, connect: Connect = Connect.HALT) -> Iterator[BoardUnderTest]:
    """Connect to the board of ``station``, halted and identified; let go of it at the end.

    Raises DebugProbeUnavailable where the probe is missing or in use, DebugProbeError where the target does not answer, and IdentifyError where
    the MCU is not the described one.
    """
    register_targets()
    session = _session(station, board, connect)
    try:
        session.open()
    except (exceptions.Error, OSError) as error:
        if connect is Connect.UNDER_RESET:
            _release_reset(session)
        kind = DebugProbeError if session.probe is not None and session.probe.is_open else DebugProbeUnavailable
        _close(session, station)
        raise kind(
            f"cannot connect to {board.product} through probe {station.debug_probe}: {error}",
            hint="check power, cable and the IDD jumper; `bench doctor` looks at all of them; another program may hold the probe",
        ) from error
    try:
        with pyocd_errors(f"talking to {board.product}"):
            # Another tool's vector catch outlives a reset and would stop the core at a fault before the harness has reported it.
            session.target.set_vector_catch(0)
            under_test = BoardUnderTest(session, board)
            identify(under_test, station, board)
        yield under_test
    finally:
        _close(session, station)


def _release_reset(session: Session) -> None:
    """Let the reset pin go, which a connection under reset that failed leaves low: the board would never start again."""
    try:
        if session.probe is not None and session.probe.is_open:
            session.probe.assert_reset(False)
    except (exceptions.Error, OSError) as error:
        logger.info("releasing the reset pin: %s", error)


def _close(session: Session, station: Station) -> None:
    """Let go of the probe, also where the target cannot be told so any more."""
    try:
        session.close()
    except (exceptions.Error, OSError) as error:
        logger.info("closing the session on %s: %s", station.debug_probe, error)
    probe = session.probe
    if probe is not None and probe.is_open:
        try:
            probe.close()
        except (exceptions.Error, OSError) as error:
            logger.warning("closing debug probe %s: %s", station.debug_probe, error)


def _session(station: Station, board: Board, connect: Connect) -> Session:
    probes = [
        p
        for p in ConnectHelper.get_all_connected_probes(blocking=False, unique_id=station.debug_probe)
        if p.unique_id == station.debug_probe
    ]
    if not probes:
        known = ", ".join(uid for uid, _ in connected_probes()) or "none"
        raise DebugProbeUnavailable(
            f"debug probe {station.debug_probe} of station {station.name} is not connected",
            hint=f"pyOCD lists: {known}; `pyocd list` shows them",
        )
    return Session(
        probes[0],
        options={
            "target_override": board.pyocd_target,
            "connect_mode": str(connect),
            "resume_on_disconnect": False,
            "smart_flash": True,
            # An image owns its sectors: what an older one left in them would be programmed anew, four times as much as most images have.
            "keep_unwritten": False,
            "chip_erase": "sector",
            "hide_programming_progress": True,
            # A page of the flash, by the host's clock: a busy host emulates a virtual board's programming slowly.
            "flash.timeout.program": 60.0,
            # Time for a real board to come up after a reset; a virtual one has its own time.
            "reset.post_delay": 0.0 if has_own_time(probes[0]) else RESET_SETTLE_S,
        },
    )


def identify(under_test: BoardUnderTest, station: Station, board: Board) -> None:
    """Compare device id, flash size and, where the station is bound to one chip, the unique id. Raises IdentifyError; nothing is written."""
    dev_id = under_test.read_word(board.identity.idcode_address) & _DEV_ID
    if dev_id != board.identity.dev_id:
        raise IdentifyError(
            f"probe {station.debug_probe} is connected to an MCU with device id {dev_id:#05x}; {board.mcu} has {board.identity.dev_id:#05x}",
            hint=f"station {station.name} is described as {board.product}: correct the station or plug in the right board. Nothing was flashed",
        )
    flash_kib = under_test.read_halfword(board.identity.flash_size_address)
    if flash_kib * 1024 != board.flash.size_bytes:
        raise IdentifyError(
            f"the MCU has {flash_kib} KiB of flash, {board.mcu} has {board.flash.size_bytes // 1024} KiB",
            hint="another member of the family: describe it in a board file of its own. Nothing was flashed",
        )
    unique_id = under_test.unique_id()
    if station.mcu_unique_id is not None and unique_id != station.mcu_unique_id.lower():
        raise IdentifyError(
            f"the MCU's unique id is {unique_id}, station {station.name} is bound to {station.mcu_unique_id.lower()}",
            hint="two boards were swapped, or the station's mcu_unique_id needs an update. Nothing was flashed",
        )
