"""The side-car of an exported table: where its numbers come from."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

from bench.boards.stations import UNWIRED
from bench.domain.lut import SCHEMA_VERSION
from bench.lut.files import replacing
from bench.lut.selection import sources
from bench.lut.values import time_text
from bench.store import Selection, Store


def provenance_path(path: Path) -> Path:
    """Return where the side-car of ``path`` is: ``lut.csv.provenance.json``."""
    return path.with_name(f"{path.name}.provenance.json")


def measured(probe: str | None) -> bool | None:
    """Tell whether driver ``probe`` measures, or takes the current from what a user states; None where there is no current."""
    return None if probe is None else probe not in UNWIRED


def write_provenance(
    path: Path, store: Store, selection: Selection, *, rows: int, created_at: datetime, bench_version: str
) -> Path:
    """Write the side-car of the table in ``path``, which has ``rows`` rows, and return its path.

    It names the table by its digest, so that the two cannot be confused later, and the probe that every station's currents came from, as rows
    do not: ``measured`` is false where a user stated the current or handed in a trace. Imported rows have no probe. Raises UsageError for a path that cannot be written.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = {
        "file": path.name,
        "sha256": digest,
        "rows": rows,
        "schema_version": SCHEMA_VERSION,
        "database": store.name,
        "database_revision": store.revision(),
        "selection": {
            "stations": selection.stations,
            "boards": selection.boards,
            "primitives": selection.primitives,
            "dtypes": selection.dtypes,
            "sources": [str(source) for source in selection.sources],
            "flavors": selection.flavors,
            "opt_levels": selection.opt_levels,
            "clock_ids": selection.clock_ids,
            "sysclks_hz": selection.sysclks_hz,
        },
        "sources": [str(source) for source in sources(store, selection)],
        "current_from": [
            {"source": source, "station": station, "probe": probe, "points": points, "measured": measured(probe)}
            for source, station, probe, points in store.repository.probes(selection)
        ],
        "bench_version": bench_version,
        "created_at": time_text(created_at),
    }
    target = provenance_path(path)
    with replacing(target) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
    return target
