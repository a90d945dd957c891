"""The tables. Raw values first (cycle counts, current statistics, traces), derived ones in tables of their own.

    station --+
    workload -+-- point --- run --+-- cycle_run
    clock ----+      image --+    +-- energy_run --- current_window (active, idle)
                                  +-- trace
                                  +-- result
                                  +-- uncertainty_term
    imported_point     rows of look-up tables from elsewhere
                       point --- event

One run is written in one transaction, so that there is never a run with half of its values. Columns bear the names of the fields of
``bench.domain`` and are in SI units. The tables are created by the migrations alone; a test holds both together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.store.columns import PlainText, UtcDateTime

Id = Annotated[int, mapped_column(Integer, primary_key=True)]
RunId = Annotated[int, mapped_column(Integer, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)]


class Base(DeclarativeBase):
    """Base of all tables. Every constraint has a name, so that later migrations can change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger(),
        float: Double(),
        str: PlainText(),
        datetime: UtcDateTime(),
        bytes: LargeBinary(),
        dict[str, str]: JSON(),
        dict[str, Any]: JSON(),
        list[int]: JSON(),
    }


class StationRow(Base):
    """A station as it was when it measured; another board under the same name is another row."""

    __tablename__ = "station"
    __table_args__ = (
        UniqueConstraint("name", "source", "board", "mcu", "core"),
        CheckConstraint("source IN ('hardware', 'virtual', 'published')", name="source"),
    )

    id: Mapped[Id]
    name: Mapped[str]
    source: Mapped[str]
    board: Mapped[str]
    mcu: Mapped[str]
    core: Mapped[str]


class WorkloadRow(Base):
    """A workload; ``params`` is a JSON object in the primitive's order, as text, because it is part of the key."""

    __tablename__ = "workload"
    __table_args__ = (UniqueConstraint("primitive", "params", "dtype", "flavor", "opt_level"),)

    id: Mapped[Id]
    primitive: Mapped[str]
    params: Mapped[str]
    dtype: Mapped[str]
    flavor: Mapped[str]
    opt_level: Mapped[str]


class ClockRow(Base):
    """A clock configuration; ``clock_id`` says everything, ``hclk_hz`` is there for ordering."""

    __tablename__ = "clock"
    __table_args__ = (UniqueConstraint("clock_id"),)

    id: Mapped[Id]
    clock_id: Mapped[str]
    hclk_hz: Mapped[float]


class PointRow(Base):
    """What is measured and where."""

    __tablename__ = "point"
    __table_args__ = (
        UniqueConstraint("workload_id", "clock_id", "station_id"),
        Index(None, "station_id"),
        Index(None, "clock_id"),
    )

    id: Mapped[Id]
    workload_id: Mapped[int] = mapped_column(Integer, ForeignKey("workload.id"))
    clock_id: Mapped[int] = mapped_column(Integer, ForeignKey("clock.id"))
    station_id: Mapped[int] = mapped_column(Integer, ForeignKey("station.id"))


class ImageRow(Base):
    """A firmware image; the same file measured again by other rules (another bench version) is another row."""

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint(
            "sha256",
            "compiler",
            "opt_level",
            "flash_bytes",
            "text_bytes",
            "rodata_bytes",
            "data_bytes",
            "bss_bytes",
            "kernel_code_bytes",
            "kernel_rodata_bytes",
            "workload_rodata_bytes",
            "workload_ram_bytes",
        ),
    )

    id: Mapped[Id]
    sha256: Mapped[str]
    compiler: Mapped[str]
    opt_level: Mapped[str]
    flash_bytes: Mapped[int]
    text_bytes: Mapped[int]
    rodata_bytes: Mapped[int]
    data_bytes: Mapped[int]
    bss_bytes: Mapped[int]
    kernel_code_bytes: Mapped[int]
    kernel_rodata_bytes: Mapped[int]
    workload_rodata_bytes: Mapped[int]
    workload_ram_bytes: Mapped[int]


class RunRow(Base):
    """One measurement of one point, accepted or rejected with its cause.

    The index on (verdict, point_id, measured_at, id) is what finds the latest accepted run of each point without sorting.
    """

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint("verdict IN ('accepted', 'rejected')", name="verdict"),
        CheckConstraint("(verdict = 'accepted') = (reason = '')", name="reason"),
        Index(None, "verdict", "point_id", "measured_at", "id"),
        Index(None, "point_id"),
        Index(None, "image_id"),
        Index(None, "measured_at", "id"),
    )

    id: Mapped[Id]
    point_id: Mapped[int] = mapped_column(Integer, ForeignKey("point.id"))
    image_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("image.id"))
    measured_at: Mapped[datetime]
    verdict: Mapped[str]
    failure_class: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    bench_version: Mapped[str]
    environment: Mapped[dict[str, str]]
    order_seed: Mapped[int | None]
    order_position: Mapped[int | None]
    attempts: Mapped[int]
    sentinel: Mapped[bool]


class CycleRow(Base):
    """The attached run, every count of it.

    The counts are JSON arrays and not packed binary: a run has some tens of them (a few hundred bytes), and raw data should be readable
    with nothing but the database (``json_each`` in SQLite, ``json_array_elements`` in PostgreSQL).
    """

    __tablename__ = "cycle_run"

    run_id: Mapped[RunId]
    warmup: Mapped[int]
    seed: Mapped[int]
    stack_bytes: Mapped[int]
    output_sha256: Mapped[str]
    kernel_cycles: Mapped[list[int]]
    empty_cycles: Mapped[list[int]]


class EnergyRow(Base):
    """The detached run, without its windows and its trace."""

    __tablename__ = "energy_run"

    run_id: Mapped[RunId]
    probe: Mapped[str]
    loops: Mapped[int]
    window_cycles: Mapped[int]
    loop_empty_cycles: Mapped[int]
    window_s: Mapped[float]
    window_resolution_s: Mapped[float]
    vdd_v: Mapped[float]
    vdd_measured: Mapped[bool]
    temperature_degc: Mapped[float | None]


class WindowRow(Base):
    """Statistics of the current in one window of an energy run."""

    __tablename__ = "current_window"
    __table_args__ = (CheckConstraint("kind IN ('active', 'idle')", name="kind"),)

    run_id: Mapped[int] = mapped_column(Integer, ForeignKey("energy_run.run_id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(PlainText(), primary_key=True)
    start_s: Mapped[float]
    end_s: Mapped[float]
    samples: Mapped[int]
    mean_a: Mapped[float]
    std_a: Mapped[float]
    min_a: Mapped[float]
    max_a: Mapped[float]
    charge_c: Mapped[float]


class TraceRow(Base):
    """A current trace: ``data`` is zlib-compressed little-endian float32 in ampere, ``samples`` of them.

    It has a table of its own so that no other query drags it along.
    """

    __tablename__ = "trace"

    run_id: Mapped[int] = mapped_column(Integer, ForeignKey("energy_run.run_id", ondelete="CASCADE"), primary_key=True)
    sample_rate_hz: Mapped[float]
    samples: Mapped[int]
    data: Mapped[bytes]


class ResultRow(Base):
    """Derived values of an accepted run."""

    __tablename__ = "result"

    run_id: Mapped[RunId]
    cycles: Mapped[float]
    cycles_overhead: Mapped[float]
    latency_s: Mapped[float]
    latency_u95_s: Mapped[float]
    sysclk_measured_hz: Mapped[float | None]
    vdd_v: Mapped[float | None]
    current_a: Mapped[float | None]
    idle_current_a: Mapped[float | None]
    power_w: Mapped[float | None]
    energy_j: Mapped[float | None]
    energy_u95_j: Mapped[float | None]


class TermRow(Base):
    """One term of a result's uncertainty budget, in the budget's order."""

    __tablename__ = "uncertainty_term"

    run_id: Mapped[int] = mapped_column(Integer, ForeignKey("result.run_id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    quantity: Mapped[str]
    name: Mapped[str]
    standard_relative: Mapped[float]
    systematic: Mapped[bool]
    source: Mapped[str]
    degrees_of_freedom: Mapped[float | None]


class ImportedRow(Base):
    """A row of a look-up table that came from a file: derived values alone, with nothing raw behind them, so it has no run.

    ``content`` is the row in the columns of the table; the other columns are those by which it is found, and its key.
    """

    __tablename__ = "imported_point"
    __table_args__ = (
        UniqueConstraint(
            "source", "station", "board", "primitive", "params", "dtype", "flavor", "opt_level", "clock_id"
        ),
        CheckConstraint("source IN ('hardware', 'virtual', 'published')", name="source"),
    )

    id: Mapped[Id]
    source: Mapped[str]
    station: Mapped[str]
    board: Mapped[str]
    primitive: Mapped[str]
    params: Mapped[str]
    dtype: Mapped[str]
    flavor: Mapped[str]
    opt_level: Mapped[str]
    clock_id: Mapped[str]
    sysclk_hz: Mapped[float]
    content: Mapped[dict[str, Any]]
    file_name: Mapped[str]
    file_sha256: Mapped[str]
    imported_at: Mapped[datetime]


class EventRow(Base):
    """A failure and what the bench did about it. It belongs to a point and not to a run: a repeated attempt leaves no run of its own."""

    __tablename__ = "event"
    __table_args__ = (Index(None, "point_id"), Index(None, "at", "id"))

    id: Mapped[Id]
    at: Mapped[datetime]
    point_id: Mapped[int] = mapped_column(Integer, ForeignKey("point.id"))
    failure_class: Mapped[str]
    action: Mapped[str]
    attempt: Mapped[int]
    cause: Mapped[str]
    detail: Mapped[str]
