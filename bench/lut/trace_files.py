"""A current trace as a file: CSV and Parquet for anything that reads tables, JLS (version 2) for the Joulescope UI.

Tables have one row a sample: ``time_s`` of its start after the trigger's rise, ``current_a`` its mean, and ``window``: ``active`` where
the target computed, ``idle`` where it slept, empty elsewhere. A sample that an edge cuts belongs to where its start is.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.domain.measurement import EnergyRun, Trace
from bench.errors import ConfigurationError, UsageError
from bench.lut.files import replacing

_CHUNK = 100_000
COLUMNS = ("time_s", "current_a", "window")


class TraceFormat(StrEnum):
    """Formats of traces."""

    CSV = "csv"
    PARQUET = "parquet"
    JLS = "jls"


def trace_format(path: Path) -> TraceFormat:
    """Return the format that the ending of ``path`` names. Raises UsageError."""
    try:
        return TraceFormat(path.suffix.lower().removeprefix("."))
    except ValueError:
        raise UsageError(
            f"the ending of {path} names no format of traces", hint=f"end it with .{', .'.join(TraceFormat)}"
        ) from None


def write_trace(path: Path, run: EnergyRun, trace: Trace, title: str) -> int:
    """Write ``trace`` of ``run`` in the format that the ending of ``path`` names, and return the number of samples.

    ``title`` says what was measured. The file appears when it is complete. Raises UsageError for a path that cannot be written or an ending
    that is no format, ConfigurationError where JLS needs a package that is not installed, BenchError for a full disk.
    """
    writer = {TraceFormat.CSV: _csv, TraceFormat.PARQUET: _parquet, TraceFormat.JLS: _jls}[trace_format(path)]
    with replacing(path) as file:
        writer(file, run, trace, title)
    return len(trace.samples_a)


def _windows(run: EnergyRun, times_s: NDArray[np.float64]) -> NDArray[np.str_]:
    active = (times_s >= run.active.start_s) & (times_s < run.active.end_s)
    idle = (times_s >= run.idle.start_s) & (times_s < run.idle.end_s)
    return np.where(active, "active", np.where(idle, "idle", ""))


def _csv(file: BinaryIO, run: EnergyRun, trace: Trace, title: str) -> None:  # noqa: ARG001  a table has no place for it
    file.write((",".join(COLUMNS) + "\r\n").encode())
    for at in range(0, len(trace.samples_a), _CHUNK):
        part = trace.samples_a[at : at + _CHUNK]
        times_s = np.arange(at, at + len(part)) / trace.sample_rate_hz
        rows = zip(times_s.tolist(), part, _windows(run, times_s).tolist(), strict=True)
        # Nine digits tell any two 32-bit floats apart.
        file.write("".join(f"{time_s:.9g},{current_a:.9g},{window}\r\n" for time_s, current_a, window in rows).encode())


def _parquet(file: BinaryIO, run: EnergyRun, trace: Trace, title: str) -> None:
    times_s = np.arange(len(trace.samples_a)) / trace.sample_rate_hz
    metadata = {
        "mcu_bench.table": "trace",
        "title": title,
        "probe": run.probe,
        "sample_rate_hz": repr(trace.sample_rate_hz),
        "vdd_v": repr(run.vdd_v),
        "active_s": f"{run.active.start_s!r} {run.active.end_s!r}",
        "idle_s": f"{run.idle.start_s!r} {run.idle.end_s!r}",
    }
    schema = pa.schema(
        [
            pa.field("time_s", pa.float64()),
            pa.field("current_a", pa.float32()),
            pa.field("window", pa.dictionary(pa.int8(), pa.string())),
        ],
        metadata=metadata,
    )
    window = pa.array(_windows(run, times_s).tolist()).dictionary_encode().cast(schema.field("window").type)
    arrays = [pa.array(times_s), pa.array(np.asarray(trace.samples_a, np.float32)), window]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file, compression="zstd")


def _jls(file: BinaryIO, run: EnergyRun, trace: Trace, title: str) -> None:
    try:
        from pyjls import AnnotationType, Writer  # noqa: PLC0415  an optional package
    except ImportError:
        raise ConfigurationError(
            "JLS files need the package pyjls, which is not installed",
            hint="pip install pyjls, or write .csv or .parquet",
        ) from None
    rate_hz = round(trace.sample_rate_hz)
    if rate_hz != trace.sample_rate_hz:
        raise UsageError(
            f"JLS knows whole sample rates only, this one is {trace.sample_rate_hz} Hz", hint="write .csv or .parquet"
        )
    samples = np.asarray(trace.samples_a, np.float32)
    # The library writes to a path; the file that is open here goes by its name.
    with Writer(file.name) as writer:
        writer.source_def(1, name=title, vendor="MCU bench", model=run.probe, version="", serial_number="")
        writer.signal_def(1, source_id=1, sample_rate=rate_hz, name="current", units="A")
        writer.fsr_f32(1, 0, samples)
        for name, time_s in (
            ("active", run.active.start_s),
            ("end of active", run.active.end_s),
            ("idle", run.idle.start_s),
            ("end of idle", run.idle.end_s),
        ):
            at = min(round(time_s * rate_hz), max(samples.size - 1, 0))
            writer.annotation(1, at, float("nan"), AnnotationType.VMARKER, 0, name)
