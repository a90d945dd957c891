"""``bench stations --detect``: a stations file from what is connected."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.boards import board_names, load_board
from bench.cli.console import err
from bench.probes.connected import FoundProbe, connected_current_probes
from bench.target.detect import DetectedBoard, detected_boards

_EXAMPLE = """\
# stations:
#   - name: desk
#     board: nucleo_f446ze                       # `bench boards` lists them
#     debug_probe: 066BFF515049657187203642      # `pyocd list` shows it
#     current_probe: {driver: lpm01a, url: /dev/serial/by-id/usb-STMicroelectronics_PowerShield-if00}
"""


def detect() -> tuple[str, list[dict[str, object]]]:
    """Return the text of a stations file for what is connected, and the same as objects; says on standard error what is missing."""
    boards = detected_boards([load_board(name) for name in board_names()])
    probes = connected_current_probes()
    given = assign(boards, probes)
    usable = [board for board in boards if board.board is not None]
    console = err()
    if not boards:
        console.print(
            "no debug probe is connected; on Linux pyOCD needs udev rules (docs/hardware/udev.md), then: pyocd list",
            markup=False,
        )
    for board in boards:
        if board.remark:
            console.print(f"debug probe {board.debug_probe} ({board.product}): {board.remark}", markup=False)
    if usable and not probes:
        console.print("no current probe is connected: cycles only", markup=False)
    return stations_yaml(boards, probes), [_object(board, given.get(board.debug_probe)) for board in boards]


def assign(boards: Sequence[DetectedBoard], probes: Sequence[FoundProbe]) -> dict[str, FoundProbe]:
    """Return the current probe of each board, by its debug probe, where there is no doubt: one cable for both (equal serial numbers), or one of each."""
    usable = [board for board in boards if board.board is not None]
    given = {
        board.debug_probe: probe
        for board in usable
        for probe in probes
        if probe.serial and probe.serial.lower() == board.debug_probe.lower()
    }
    boards_left = [board for board in usable if board.debug_probe not in given]
    probes_left = [probe for probe in probes if probe not in given.values()]
    if len(boards_left) == len(probes_left) == 1:
        given[boards_left[0].debug_probe] = probes_left[0]
    return given


def stations_yaml(boards: Sequence[DetectedBoard], probes: Sequence[FoundProbe]) -> str:
    """Return a stations file, valid whatever was found: what cannot be decided stands in it as a comment."""
    given = assign(boards, probes)
    usable = [board for board in boards if board.board is not None]
    free = [probe for probe in probes if probe not in given.values()]
    lines = ["# Written by `bench stations --detect`; `bench doctor --station NAME` checks a station."]
    if usable:
        lines.append("stations:")
        names = _names(usable)
        for board in usable:
            lines += _station(names[board.debug_probe], board, given.get(board.debug_probe))
    else:
        lines += ["stations: []", "# Nothing that could be measured was found. A station looks like this:"]
        lines += _EXAMPLE.splitlines()
    for board in boards:
        if board.board is None:
            lines.append(_comment(f"debug probe {board.debug_probe} ({board.product}): {board.remark}"))
    if free:
        lines.append("# Current probes that may belong to any of the boards; add each to the station that it supplies:")
        lines += [f"#     {_current_probe(probe)}" for probe in free]
    return "\n".join(lines) + "\n"


def _names(boards: Sequence[DetectedBoard]) -> dict[str, str]:
    """Return a name for each station: its board, and as much of the end of the probe's unique id as tells equal boards apart."""
    names: dict[str, str] = {}
    for board in boards:
        others = [each.debug_probe for each in boards if each.board == board.board and each is not board]
        if not others:
            names[board.debug_probe] = str(board.board)
            continue
        size = 4
        while size < len(board.debug_probe) and any(each[-size:] == board.debug_probe[-size:] for each in others):
            size += 2
        ending = "".join(each if each.isalnum() else "-" for each in board.debug_probe[-size:]).lower()
        names[board.debug_probe] = f"{board.board}-{ending}"
    return names


def _station(name: str, board: DetectedBoard, probe: FoundProbe | None) -> list[str]:
    lines = [
        f"  - name: {name}",
        f"    board: {board.board}",
        f"    product: {_quoted(board.product)}",
        f"    debug_probe: {_quoted(board.debug_probe)}",
    ]
    if board.mcu_unique_id is not None:
        lines.append(f"    mcu_unique_id: {_quoted(board.mcu_unique_id)}")
    if board.remark:
        lines.append(f"    {_comment(board.remark)}")
    if probe is not None:
        lines.append(f"    {_current_probe(probe)}")
    return lines


def _current_probe(probe: FoundProbe) -> str:
    others = f"; or {', '.join(probe.drivers[1:])}" if len(probe.drivers) > 1 else ""
    remark = _comment(f"{probe.description}{others}")
    return f"current_probe: {{driver: {probe.drivers[0]}, url: {_quoted(probe.url)}}}  {remark}"


def _quoted(text: str) -> str:
    """Return ``text`` as a YAML scalar that stays a text, whatever is in it: a JSON string is one."""
    return json.dumps(text)


def _comment(text: str) -> str:
    return "# " + " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _object(board: DetectedBoard, probe: FoundProbe | None) -> dict[str, object]:
    return {
        "debug_probe": board.debug_probe,
        "product": board.product,
        "board": board.board,
        "mcu_unique_id": board.mcu_unique_id,
        "remark": board.remark,
        "current_probe": None if probe is None else {"driver": probe.drivers[0], "url": probe.url},
    }
