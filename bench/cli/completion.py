"""What the shell completes besides commands and options: names of stations, boards, primitives, networks, data types and flavors.

Which parameter completes to what goes by its name, in one place, so that a new command has it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_type_hints

import typer
from typer.models import ParameterInfo

from bench.domain.primitives import PRIMITIVES
from bench.domain.workload import DType
from bench.errors import BenchError

Command = Callable[..., int | None]
Completer = Callable[..., Iterable[str | tuple[str, str]]]
"""Takes any of ``ctx``, ``args`` and ``incomplete``; what does not begin with ``incomplete`` is left out by Typer."""


def _stations(ctx: typer.Context) -> list[tuple[str, str]]:
    from bench.boards.stations import all_stations, stations_path

    try:
        asked = ctx.params.get("stations")
        found = all_stations(Path(asked) if asked and Path(asked).is_file() else stations_path())
    except BenchError:  # a shell that completes is no place to tell of it
        return []
    return [(name, f"{station.board}, {station.source}") for name, station in found.items()]


def _boards() -> list[str]:
    from bench.boards import board_names

    try:
        return board_names()
    except BenchError:
        return []


def _primitives() -> list[tuple[str, str]]:
    return [(name, entry.summary) for name, entry in PRIMITIVES.items()]


def _networks(incomplete: str) -> list[str]:
    from bench.estimate.networks import NETWORKS

    folder = Path(incomplete).parent
    files = [path for path in folder.glob("*") if path.suffix.lower() in {".onnx", ".tflite"}]
    return [*NETWORKS, *(str(path) for path in files)]


def _dtypes() -> list[str]:
    return [str(dtype) for dtype in DType]


def _flavors() -> list[str]:
    return sorted({flavor for entry in PRIMITIVES.values() for flavors in entry.flavors.values() for flavor in flavors})


_BY_NAME: dict[str, Completer] = {
    "station": _stations,
    "serve": _stations,
    "spare": _stations,
    "board": _boards,
    "primitive": _primitives,
    "network": _networks,
    "dtype": _dtypes,
    "flavor": _flavors,
}
_OF_COMMAND: dict[tuple[str, str], Completer] = {("boards", "name"): _boards, ("primitives", "name"): _primitives}


def completing(name: str, command: Command) -> Command:
    """Return ``command``, called ``name``, whose parameters complete."""
    resolved: dict[str, Any] = get_type_hints(command, include_extras=True)
    for parameter, hint in resolved.items():
        completer = _OF_COMMAND.get((name, parameter), _BY_NAME.get(parameter))
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, ParameterInfo) and completer is not None:
                info.autocompletion = completer
    command.__annotations__ = resolved
    return command
