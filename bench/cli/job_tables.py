"""Jobs and stations as tables."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from bench.cli.console import table
from bench.daemon.service import Service
from bench.domain.job import EventKind, Job, Status, UnitState

MOST_CAUSES = 12


def overview(service: Service, limit: int | None) -> RenderableType:
    """Return the stations that daemons serve, and the newest jobs."""
    parts: list[RenderableType] = []
    stations = service.stations()
    if stations:
        places = table(("station", ""), ("board", ""), ("state", ""), ("since", ""), ("doing", "wrap"))
        for place in stations:
            since = place.quarantined_at or (place.since if place.served_by else place.last_seen_at)
            doing = place.cause if place.quarantined_at else place.doing
            of = "" if place.job_id is None else f"job {place.job_id}: "
            when = "" if since is None else f"{since.astimezone():%H:%M:%S}"
            places.add_row(place.name, place.station.board, place.state, when, Text(of + doing))
        parts += [places, ""]
    else:
        parts.append("no daemon has served a station yet; start one with: bench daemon")
    jobs = service.jobs(limit=limit)
    if jobs:
        listed = table(
            ("job", "right"),
            ("status", ""),
            ("points", "right"),
            ("rej.", "right"),
            ("miss.", "right"),
            ("name", "wrap"),
        )
        for job in jobs:
            counts = job.counts
            listed.add_row(
                str(job.id),
                _status(service, job),
                f"{counts.done}/{counts.points}",
                str(counts.rejected or ""),
                str(counts.missing or ""),
                Text(job.name),
            )
        parts.append(listed)
    else:
        parts.append("no job was submitted yet; submit one with: bench submit")
    return Group(*parts)


def job_text(service: Service, job_id: int) -> RenderableType:
    """Return one job: its counts, and why what is missing is missing."""
    job = service.job(job_id)
    counts = job.counts
    lines = [
        f"job {job.id}: {job.name}",
        f"{_status(service, job)}; priority {job.priority}; submitted {job.submitted_at.astimezone():%Y-%m-%d %H:%M} by {job.submitted_by}",
        f"stations: {', '.join(job.stations)}",
        f"{counts.points} points: {counts.done} done, {counts.rejected} rejected, {counts.running} running, {counts.missing} missing",
    ]
    lines += service.held(job)
    causes = [
        f"{unit.counts.points - unit.counts.done} points of {unit.label}: {unit.failure_class}: {unit.cause}"
        for unit in service.units(job_id, (UnitState.FAILED,))
    ]
    rejected = [event for event in service.failures(job_id) if event.kind is EventKind.REJECTED]
    causes += [f"{event.station} {event.label}: {event.text}" for event in rejected]
    shown = list(dict.fromkeys(causes))
    lines += [f"  {cause}" for cause in shown[:MOST_CAUSES]]
    if len(shown) > MOST_CAUSES:
        lines.append(f"  and {len(shown) - MOST_CAUSES} more: bench logs {job.id}")
    if job.state == "ended" and counts.done < counts.points:
        lines.append(f"try again what is missing: bench resume {job.id}")
    return Text("\n".join(lines))


def _status(service: Service, job: Job) -> str:
    status = service.status(job)
    if status is Status.SCHEDULED and job.start_at is not None:
        return f"{status} {job.start_at.astimezone():%m-%d %H:%M}"
    return str(status)
