"""What a page asks every second, whether all is well, and what can be measured."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel

from bench.api.problems import responses
from bench.api.stations import stations_of
from bench.api.values import TheService
from bench.api.views import JobView, StationView, job_view
from bench.domain.primitives import PRIMITIVES
from bench.domain.workload import OptLevel

NEWEST_JOBS = 20
MOST_JOBS = 100

router = APIRouter(tags=["overview"])


class Overview(BaseModel):
    """Stations, jobs (the newest twenty, and all that are not over), and the number of the newest run."""

    now: datetime
    stations: list[StationView]
    jobs: list[JobView]
    cursor: int


class Health(BaseModel):
    """All is well; otherwise the answer is an error."""

    status: str
    version: str
    database: str
    daemons: int


class ParameterView(BaseModel):
    """A parameter of a primitive; ``values`` says in words which are allowed."""

    name: str
    default: str
    values: str
    help: str
    dtypes: list[str]


class PrimitiveView(BaseModel):
    """A primitive, its parameters, and its flavors by data type."""

    name: str
    summary: str
    parameters: list[ParameterView]
    flavors: dict[str, list[str]]


class Catalogue(BaseModel):
    """What can be measured."""

    primitives: list[PrimitiveView]
    opt_levels: list[str]


class Names(BaseModel):
    """The names that occur among the measurements of the database."""

    stations: list[str]
    boards: list[str]
    primitives: list[str]
    dtypes: list[str]
    flavors: list[str]
    opt_levels: list[str]
    sources: list[str]


@router.get("/status", responses=responses())
def get_status(service: TheService) -> Overview:
    """Return what goes on."""
    now = service.store.jobs.clock()
    listed = service.jobs(limit=NEWEST_JOBS)
    listed += [job for job in service.jobs(limit=MOST_JOBS, active=True) if listed and job.id < listed[-1].id]
    return Overview(
        now=now,
        stations=stations_of(service),
        jobs=[job_view(service, job, now) for job in listed],
        cursor=service.store.live.cursor(),
    )


@router.get("/health", responses=responses())
def get_health(service: TheService) -> Health:
    """Return whether all is well: the database answers, and how many daemons live."""
    alive = [daemon for daemon in service.daemons() if daemon.alive]
    return Health(status="ok", version=version("mcu-bench"), database=service.store.name, daemons=len(alive))


@router.get("/primitives", responses=responses())
def get_primitives() -> Catalogue:
    """Return what can be measured."""
    found = [
        PrimitiveView(
            name=entry.name,
            summary=entry.summary,
            parameters=[
                ParameterView(
                    name=parameter.name,
                    default=parameter.default_text,
                    values=parameter.range_text,
                    help=parameter.help,
                    dtypes=[str(dtype) for dtype in parameter.dtypes],
                )
                for parameter in entry.parameters
            ],
            flavors={str(dtype): list(names) for dtype, names in entry.flavors.items()},
        )
        for entry in PRIMITIVES.values()
    ]
    return Catalogue(primitives=found, opt_levels=[str(level) for level in OptLevel])


@router.get("/names", responses=responses())
def get_names(service: TheService) -> Names:
    """Return the names by which measurements can be selected."""
    known = service.store.repository.known()
    return Names(
        stations=list(known.stations),
        boards=list(known.boards),
        primitives=list(known.primitives),
        dtypes=list(known.dtypes),
        flavors=list(known.flavors),
        opt_levels=list(known.opt_levels),
        sources=[str(source) for source in known.sources],
    )
