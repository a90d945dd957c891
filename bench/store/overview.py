"""What a selection of runs holds as a whole: counts, conditions, failures, origins. For reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.orm import Session

from bench.domain.measurement import Verdict
from bench.store.models import EnergyRow, ImageRow, PointRow, RunRow, StationRow, WorkloadRow
from bench.store.selection import Selection

MAX_FAILURES = 5000
"""Different reasons that are fetched, the most frequent first."""
MAX_ORIGINS = 100

_Statement: TypeAlias = "Select[*tuple[Any, ...]]"


@dataclass(frozen=True, slots=True)
class StationConditions:
    """One station as it measured. Ranges are (least, greatest) over the accepted runs, None where nothing of it is known."""

    name: str
    source: str
    board: str
    mcu: str
    core: str
    accepted: int
    rejected: int
    first: datetime
    last: datetime
    probes: tuple[str, ...]
    vdd_v: tuple[float, float] | None
    vdd_measured: bool
    temperature_degc: tuple[float, float] | None
    window_s: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Rejected runs of one station, class and reason: how many runs, and when last."""

    station: str
    failure_class: str
    reason: str
    runs: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """What made runs: version of the bench, compiler (empty for runs that were not built), and how many runs and images."""

    bench_version: str
    compiler: str
    runs: int
    images: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of runs by verdict, of points, and of points that no accepted run has; ``environments`` are values by name."""

    accepted: int
    rejected: int
    points: int
    never_accepted: int
    stations: tuple[StationConditions, ...]
    failures: tuple[Failure, ...]
    origins: tuple[Origin, ...]
    environments: tuple[tuple[str, tuple[str, ...]], ...]


def overview(session: Session, selection: Selection) -> Overview:
    """Return the overview of ``selection``; everything but the ranges counts all runs, not only the latest."""
    accepted_points = (
        _of(select(func.count(RunRow.point_id.distinct())), selection).where(RunRow.verdict == str(Verdict.ACCEPTED))
    )  # fmt: skip
    verdicts = {
        row[0]: row[1]
        for row in session.execute(_of(select(RunRow.verdict, func.count()), selection).group_by(RunRow.verdict))
    }
    points = session.scalar(_of(select(func.count(RunRow.point_id.distinct())), selection)) or 0
    return Overview(
        accepted=verdicts.get(str(Verdict.ACCEPTED), 0),
        rejected=verdicts.get(str(Verdict.REJECTED), 0),
        points=points,
        never_accepted=points - (session.scalar(accepted_points) or 0),
        stations=tuple(_stations(session, selection)),
        failures=tuple(_failures(session, selection)),
        origins=tuple(_origins(session, selection)),
        environments=tuple(_environments(session, selection)),
    )


def _of(statement: _Statement, selection: Selection) -> _Statement:
    return (
        statement.select_from(RunRow)
        .join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .where(*selection.conditions())
    )


def _stations(session: Session, selection: Selection) -> Iterable[StationConditions]:
    by_verdict = _of(
        select(StationRow, RunRow.verdict, func.count(), func.min(RunRow.measured_at), func.max(RunRow.measured_at)),
        selection,
    ).group_by(StationRow.id, RunRow.verdict)
    conditions = (
        _of(
            select(
                StationRow.id,
                EnergyRow.probe,
                EnergyRow.vdd_measured,
                *(bound(column) for column in _RANGES for bound in (func.min, func.max)),
            ),
            selection,
        )
        .join(EnergyRow, EnergyRow.run_id == RunRow.id)
        .where(RunRow.verdict == str(Verdict.ACCEPTED))
        .group_by(StationRow.id, EnergyRow.probe, EnergyRow.vdd_measured)
    )
    measured: dict[int, list[Any]] = {}
    for row in session.execute(conditions):
        measured.setdefault(row[0], []).append(row)
    counted: dict[int, list[Any]] = {}
    for row in session.execute(by_verdict):
        counted.setdefault(row[0].id, []).append(row)
    for rows in sorted(counted.values(), key=lambda rows: (rows[0][0].source, rows[0][0].name, rows[0][0].id)):
        station, found = rows[0][0], measured.get(rows[0][0].id, [])
        numbers = {row[1]: row[2] for row in rows}
        yield StationConditions(
            name=station.name,
            source=station.source,
            board=station.board,
            mcu=station.mcu,
            core=station.core,
            accepted=numbers.get(str(Verdict.ACCEPTED), 0),
            rejected=numbers.get(str(Verdict.REJECTED), 0),
            first=min(row[3] for row in rows),
            last=max(row[4] for row in rows),
            probes=tuple(sorted({row[1] for row in found})),
            vdd_v=_range(found, 3),
            vdd_measured=any(row[2] for row in found),
            temperature_degc=_range(found, 5),
            window_s=_range(found, 7),
        )


_RANGES = (EnergyRow.vdd_v, EnergyRow.temperature_degc, EnergyRow.window_s)


def _range(rows: list[Any], index: int) -> tuple[float, float] | None:
    low = [row[index] for row in rows if row[index] is not None]
    high = [row[index + 1] for row in rows if row[index + 1] is not None]
    return (min(low), max(high)) if low and high else None


def _failures(session: Session, selection: Selection) -> Iterable[Failure]:
    number = func.count()
    columns = (StationRow.name, RunRow.failure_class, RunRow.reason)
    statement = (
        _of(select(*columns, number, func.max(RunRow.measured_at)), selection)
        .where(RunRow.verdict == str(Verdict.REJECTED))
        .group_by(*columns)
        .order_by(number.desc(), *columns)
        .limit(MAX_FAILURES)
    )
    return (Failure(*row) for row in session.execute(statement))


def _origins(session: Session, selection: Selection) -> Iterable[Origin]:
    compiler, last = ImageRow.compiler, func.max(RunRow.measured_at)
    statement = (
        _of(
            select(
                RunRow.bench_version,
                compiler,
                func.count(),
                func.count(ImageRow.sha256.distinct()),
                func.min(RunRow.measured_at),
                last,
            ),
            selection,
        )
        .outerjoin(ImageRow, ImageRow.id == RunRow.image_id)
        .group_by(RunRow.bench_version, compiler)
        .order_by(last.desc())
        .limit(MAX_ORIGINS)
    )
    return (Origin(made_by, name or "", *rest) for made_by, name, *rest in session.execute(statement))


def _environments(session: Session, selection: Selection) -> Iterable[tuple[str, tuple[str, ...]]]:
    # PostgreSQL cannot compare JSON, so equal environments are found by their text.
    chosen = _of(select(func.min(RunRow.id)), selection).group_by(cast(RunRow.environment, Text)).limit(MAX_ORIGINS)
    values: dict[str, set[str]] = {}
    for environment in session.scalars(select(RunRow.environment).where(RunRow.id.in_(chosen))):
        for name, value in environment.items():
            values.setdefault(name, set()).add(str(value))
    return ((name, tuple(sorted(found))) for name, found in sorted(values.items()))
