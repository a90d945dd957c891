"""What ``bench estimate`` and ``bench explore`` share: the table they rest on, boards, clocks, networks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.domain.station import Source
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName, UsageError
from bench.units import parse

if TYPE_CHECKING:
    from bench.domain.clock import ClockConfiguration
    from bench.domain.network import Network
    from bench.estimate.estimator import Estimator
    from bench.estimate.reduction import Reduction
    from bench.estimate.table import PointRow, Table

MODELS = ("fitted", "published")
_CACHE_VERSION = 2

Boards = Annotated[
    list[str] | None, typer.Option("--board", help="Board; may be repeated. [default: all in the look-up table]")
]
Freq = Annotated[
    str, typer.Option(help='Core clocks: "all" measured ones, or a list of frequencies or clock ids like 16MHz,180MHz.')
]
Reduce = Annotated[
    list[str] | None,
    typer.Option(
        help="What to change first: int8, prune=70, prune.LAYER=50, width=0.5, student=resnet8, fold, none; "
        "combine by commas, repeat to compare.",
        metavar="REDUCTION",
    ),
]
Dtype = Annotated[str | None, typer.Option(help="fp32 or int8, where no reduction says it. [default: the model's own]")]
Flavor = Annotated[str, typer.Option(help="Implementation of the kernels; naive where a primitive has no such one.")]
ModelOption = Annotated[
    str,
    typer.Option(help="fitted: terms fitted to each primitive's points; published: unit cost x applications."),
]
Lut = Annotated[
    Path | None, typer.Option("--lut", help="Look-up table to use in place of the database.", metavar="FILE")
]
SourceOption = Annotated[
    list[Source] | None,
    typer.Option("--source", help="Only this source; needed where there are several, repeated to mix them."),
]
Extrapolate = Annotated[bool, typer.Option("--extrapolate", help="Also estimate outside what was measured.")]


def load_table(lut: Path | None, db: str, sources: Sequence[Source]) -> Table:
    """Return the points of the file ``lut``, else of the database ``db``, of one source unless ``sources`` names several."""
    from bench.estimate.table import Table

    return Table.of(_rows(lut, db), tuple(str(source) for source in sources))


def _rows(lut: Path | None, db: str) -> list[PointRow]:
    """Return the rows, from a digest in the cache where the file has not changed since: reading a large table takes longer than estimating."""
    key = _key(lut, db)
    cached = None if key is None else _cache_file(key)
    if cached is not None and (rows := _from_cache(cached)) is not None:
        return rows
    from bench.estimate.table import PointRow

    if lut is not None:
        from bench.lut import read

        rows = [PointRow.of(row) for row in read(lut)]
    else:
        from bench.lut import rows as select
        from bench.store import Selection, open_store

        with open_store(db, create=False) as store:
            everything = Selection(sources=tuple(store.repository.sources(Selection())))
            rows = [PointRow.of(row) for row in select(store, everything)]
    if cached is not None:
        _to_cache(cached, rows)
    return rows


def _key(lut: Path | None, db: str) -> str | None:
    """Return what the rows depend on, as a digest: the file's content; size and time of an SQLite file and its log. None: do not cache."""
    if lut is not None:
        try:
            with lut.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() + lut.suffix.lower().removeprefix(".")
        except OSError:
            return None  # the reader says what is wrong
    path = Path(db.removeprefix("sqlite:///"))
    if "://" in str(db).removeprefix("sqlite:///"):
        return None
    parts = [str(path.absolute())]
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            status = name.stat()
            parts.append(f"{status.st_size} {status.st_mtime_ns} {status.st_ino}")
        except OSError:
            parts.append("-")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _cache_file(key: str) -> Path:
    base = os.environ.get("BENCH_CACHE") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "bench")
    return Path(base).expanduser() / "tables" / f"{key}.json"


def _from_cache(path: Path) -> list[PointRow] | None:
    """Return the cached rows, None where there are none or the file is not what this version writes."""
    from bench.estimate.table import NAMES, PointRow

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _CACHE_VERSION or content["names"] != list(NAMES):
            return None
        columns = [[names[at] for at in values] if names else values for names, values in content["columns"]]
        return [PointRow(*values) for values in zip(*columns, strict=True)]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _to_cache(path: Path, rows: Iterable[PointRow]) -> None:
    """Keep ``rows``; a cache that cannot be written is none."""
    from bench.estimate.table import NAMES

    columns = [_shortened(column) for column in zip(*rows, strict=True)]
    content = {"version": _CACHE_VERSION, "names": list(NAMES), "columns": columns}
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def _shortened(column: Sequence[str | float | None]) -> tuple[list[str], Sequence[str | float | None]]:
    """Return a column of texts as its different ones and the position of each row's among them; others as they are, without such a list."""
    names = list(dict.fromkeys(value for value in column if isinstance(value, str)))
    if not names:
        return [], column
    positions: dict[str | float | None, int] = {name: at for at, name in enumerate(names)}
    return names, [positions[value] for value in column]


def load_network(name: str) -> tuple[Network, DType | None, tuple[str, ...]]:
    """Return the built-in network or the one in the file ``name``, the data type that a quantised file fixes, and what importing had to say."""
    path = Path(name)
    if path.suffix.lower() in (".onnx", ".tflite"):
        from bench.estimate.importers import load

        imported = load(path)
        return imported.network, imported.dtype, imported.notes
    from bench.estimate.networks import NETWORKS, network

    try:
        return network(name), None, ()
    except UnknownName as error:
        known = ", ".join(sorted(NETWORKS))
        raise UnknownName(error.message, hint=f"known: {known}; or a file ending in .onnx or .tflite") from None


def parse_reductions(texts: Sequence[str]) -> list[Reduction]:
    """Return the reductions asked for, each once; without any the one that changes nothing. Raises ParameterError."""
    from bench.estimate.reduction import Reduction

    return list(dict.fromkeys(Reduction.parse(text) for text in texts or [""]))


def choose_model(model: str) -> str:
    """Return ``model``. Raises UnknownName."""
    if model not in MODELS:
        raise UnknownName.among("model", model, list(MODELS))
    return model


def reduced_networks(
    network: Network, reductions: Sequence[Reduction], dtype: str | None, own: DType | None
) -> list[tuple[Network, DType, str]]:
    """Return (network, data type, label) of each reduction; ``dtype`` is the option's, ``own`` the model's. Raises UsageError where they contradict."""
    if dtype is not None and dtype not in tuple(DType):
        raise UnknownName.among("data type", dtype, [str(entry) for entry in DType])
    made = []
    for reduction in reductions:
        chosen = reduction.dtype or (DType(dtype) if dtype else None) or own or DType.FP32
        if reduction.dtype and dtype and reduction.dtype != dtype:
            raise UsageError(f"--dtype {dtype} contradicts --reduce {reduction}", hint="leave one of them out")
        if own is DType.INT8 and chosen is DType.FP32:
            raise UsageError(f"{network.name} is quantised; it cannot be estimated in fp32", hint="give the fp32 model")
        made.append((reduction.apply(network), chosen, str(reduction)))
    return made


def estimators(
    table: Table,
    boards: Sequence[str],
    freq: str,
    *,
    model: str,
    flavor: str,
    extrapolate: bool,
) -> list[Callable[[DType], Estimator]]:
    """Return for each board what makes its estimator for a data type. Raises UnknownName, ParameterError, UnreachableClock."""
    from bench.estimate.clocks import basis
    from bench.estimate.estimator import Estimator
    from bench.estimate.models import Model
    from bench.estimate.table import Scope

    def maker(board: str) -> Callable[[DType], Estimator]:
        made: dict[DType, Estimator] = {}
        targets = None if freq.strip() == "all" else _configurations(board, freq)

        def make(dtype: DType) -> Estimator:
            if dtype not in made:
                whole = Estimator.at_measured_clocks(
                    table, board, dtype=dtype, model=Model(model), flavor=flavor, extrapolate=extrapolate
                )
                if targets is not None:
                    known = table.usual_clocks(Scope(board, dtype))
                    clocks = tuple(basis(target, known, extrapolate=extrapolate) for target in targets)
                    whole = replace(whole, clocks=clocks, skip_incomplete=False)
                made[dtype] = whole
            return made[dtype]

        return make

    if not boards:
        boards = table.boards
    for board in boards:
        if board not in table.boards:
            raise UnknownName(
                f"no points of board {board!r} (source: {table.source})",
                hint=f"measured: {', '.join(table.boards)}; measure it: bench sweep --station"
                f" {'virtual-' if table.source == 'virtual' else ''}{board}",
            )
    return [maker(board) for board in dict.fromkeys(boards)]


def _configurations(board: str, freq: str) -> list[ClockConfiguration]:
    """Return the clock configurations that ``freq`` names; one text may be a frequency or a clock id."""
    from bench.boards import load_board
    from bench.clocktree import solve
    from bench.domain.clock import ClockConfiguration

    described = load_board(board)
    found = [
        ClockConfiguration.parse(text) if "-" in text else solve(described, parse(text, "Hz"))
        for text in (piece.strip() for piece in freq.split(","))
        if text
    ]
    if not found:
        raise ParameterError(f"--freq {freq!r} names no clock", hint='give "all" or a list like 16MHz,180MHz')
    return list(dict.fromkeys(found))
