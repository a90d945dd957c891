"""What hangs on the debug probes that are connected: found without halting, resetting or writing anything."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.probe.debug_probe import DebugProbe

from bench.domain.board import Board

_DEV_ID = 0xFFF
_VIRTUAL_PREFIX = "virtual-"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DetectedBoard:
    """A debug probe and what is known of the board on it.

    ``product``: what the probe calls itself or its board. ``board``: the name of the described board, None where it is not known; then ``remark`` says why. A board that
    could not be connected to (no supply, say) may still be known by the code in its ST-LINK; its ``mcu_unique_id`` is not.
    """

    debug_probe: str
    product: str
    board: str | None
    mcu_unique_id: str | None
    remark: str = ""


def detected_boards(boards: Iterable[Board], *, virtual: bool = False) -> list[DetectedBoard]:
    """Return what hangs on each connected debug probe, by unique id; virtual ones only if asked for. Never raises for a probe that fails: its remark says so."""
    known = list(boards)
    probes: list[DebugProbe] = ConnectHelper.get_all_connected_probes(blocking=False)
    return [
        _look(probe, known)
        for probe in sorted(probes, key=lambda probe: str(probe.unique_id))
        if virtual or not probe.unique_id.startswith(_VIRTUAL_PREFIX)
    ]


def _look(probe: DebugProbe, boards: list[Board]) -> DetectedBoard:
    coded = _by_code(probe)
    product = coded or f"{probe.vendor_name} {probe.product_name}".strip()
    by_code = next((board for board in boards if coded is not None and _same(board.product, coded)), None)
    try:
        session = Session(
            probe,
            options={"target_override": "cortex_m", "connect_mode": "attach", "resume_on_disconnect": False},
            no_config=True,
        )
        with session:
            target = session.target
            assert target is not None
            found, dev_id = _by_mcu(target, boards, by_code)
            unique_id = None
            if found is not None:
                unique_id = bytes(target.read_memory_block8(found.identity.unique_id_address, 12)).hex()
    except (exceptions.Error, OSError, AssertionError) as error:
        logger.debug("probe %s: %s", probe.unique_id, error)
        remark = f"does not connect ({error}): is the board supplied?"
        return DetectedBoard(probe.unique_id, product, by_code.name if by_code else None, None, remark)
    if found is None:
        return DetectedBoard(probe.unique_id, product, None, None, f"no described board has device id {dev_id:#05x}")
    if coded is not None and by_code is None:
        return DetectedBoard(
            probe.unique_id, product, None, unique_id, f"has the microcontroller of {found.product}, but is {coded}"
        )
    remark = "" if by_code else f"by its microcontroller: check that it is a {found.product}"
    return DetectedBoard(probe.unique_id, product, found.name, unique_id, remark)


def _by_code(probe: DebugProbe) -> str | None:
    """Return what the board's code in the probe (mbed's, of an ST-LINK) says it is, None where there is none or the probe does not open."""
    try:
        probe.open()
        try:
            info = probe.associated_board_info
        finally:
            probe.close()
    except (exceptions.Error, OSError) as error:
        logger.debug("probe %s: %s", probe.unique_id, error)
        return None
    return None if info is None else str(info.name)


def _same(product: str, coded: str) -> bool:
    """Tell whether a board file's product is the one that pyOCD's list of codes means; it calls 32L4R9IDISCOVERY "DISCO-L4R9I"."""
    if coded.upper().startswith("DISCO-"):
        return product.upper() == f"32{coded[6:].upper()}DISCOVERY"
    return product.upper() == coded.upper()


def _by_mcu(target: Target, boards: list[Board], expected: Board | None) -> tuple[Board | None, int]:
    """Return the board whose microcontroller this is, the expected one first, and the device id that was read last."""
    dev_id = 0
    for board in sorted(boards, key=lambda board: board is not expected):
        try:
            dev_id = target.read32(board.identity.idcode_address) & _DEV_ID
            if dev_id != board.identity.dev_id:
                continue
            flash_bytes = target.read16(board.identity.flash_size_address) * 1024
        except exceptions.TransferError:
            continue  # no such register on this microcontroller
        if flash_bytes == board.flash.size_bytes:
            return board, dev_id
    return None, dev_id
