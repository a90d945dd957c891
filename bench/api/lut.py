"""Download of the look-up table, in every format of ``bench export``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from bench.api.problems import Refused, refused_as, responses
from bench.api.values import Selected, TheService
from bench.errors import BenchError, UnknownName, UsageError
from bench.lut import Format, rows, write, write_provenance
from bench.lut.selection import sources
from bench.store import Selection, Store

_CHUNK_BYTES = 256 * 1024
_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSON: "application/json",
    Format.NN_METER: "application/json",
    Format.OFA: "application/yaml",
}
_ENDINGS = {Format.NN_METER: "nn-meter.json", Format.OFA: "ofa.yaml"}
_CONTENT: dict[str, dict[str, str]] = {kind.partition(";")[0]: {} for kind in _TYPES.values()}

_at_a_time = threading.BoundedSemaphore(2)
"""Exports at a time: each keeps a processor busy that measures as well."""

router = APIRouter(tags=["look-up table"])


@router.get(
    "/lut.{format}",
    responses={**responses(404, 409), 200: {"description": "The table.", "content": _CONTENT}},
    response_class=StreamingResponse,
)
def get_lut(format: Format, service: TheService, selection: Selected) -> StreamingResponse:
    """Return the look-up table: one row a point, the latest accepted run of each.

    The sources hardware, virtual and published are never mixed unless ``source`` asks for each (409). nn-meter and ofa tables hold one
    setting only: choose clock, data type and flavor (422). The header ``Bench-Provenance`` says as JSON where the numbers come from.
    """
    if not _at_a_time.acquire(timeout=5):
        raise Refused(503, BenchError("two other tables are being made", hint="try again in a moment"))
    try:
        with refused_as(422):
            file, provenance = _made(service.store, selection, format)
    finally:
        _at_a_time.release()
    name = f"lut.{_ENDINGS.get(format, str(format))}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Bench-Provenance": json.dumps(provenance)}
    return StreamingResponse(_chunks(file), media_type=_TYPES[format], headers=headers)


def _made(store: Store, selection: Selection, format: Format) -> tuple[BinaryIO, dict[str, object]]:
    """Return the whole table as a nameless file, so that an error comes instead of half a table, and its provenance."""
    found = sources(store, selection)
    if not selection.sources and len(found) > 1:
        hint = f"add source={found[0]} to the query, or mix them with " + "&".join(f"source={name}" for name in found)
        mixed = f"this selection holds measurements of several sources: {' and '.join(found)}"
        raise Refused(409, UsageError(mixed, hint=hint))
    table = rows(store, selection)
    first = next(table, None)
    if first is None:
        raise Refused(404, UnknownName(f"{store.name} holds no accepted run of {selection}", hint="measure first"))
    with TemporaryDirectory(prefix="bench-lut-") as folder:
        path = Path(folder) / "lut"
        count = write(path, chain((first,), table), format)
        side_car = write_provenance(
            path, store, selection, rows=count, created_at=datetime.now(UTC), bench_version=version("mcu-bench")
        )
        provenance = json.loads(side_car.read_text(encoding="utf-8"))
        provenance.pop("file")
        return path.open("rb"), provenance


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
