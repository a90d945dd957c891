"""What enters: names, numbers and texts of bounded size. None of them is ever part of a path."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bench.daemon.service import Service
from bench.domain.station import Source
from bench.errors import ParameterError
from bench.store import Selection
from bench.units import parse

MAX_ID = 2**31 - 1
MAX_IMAGES = 5_000
"""More images than this are submitted from the command line, which is not in the way of others while it plans them."""
WORD = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
START = r"^(\d{1,2}:\d{2}|20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)$"

Word = Annotated[str, Field(pattern=WORD)]
Line = Annotated[str, Field(pattern=LINE)]
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Grid = Annotated[list[Integer | Word], Field(min_length=1, max_length=256)]
Words = Annotated[list[Word], Field(min_length=1, max_length=32)]
Many = Annotated[list[Word], Query(max_length=32)]
JobNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the job.")]
RunNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the run.")]
StationName = Annotated[str, Path(pattern=WORD, description="Name of the station.")]
Cursor = Annotated[int, Query(ge=0, le=MAX_ID)]


class Body(BaseModel):
    """Base of what is sent: unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PrimitiveGrid(Body):
    """A primitive, and values of its parameters to go through."""

    name: Word
    grid: Annotated[dict[Word, Grid], Field(max_length=16)] = Field(default_factory=dict)


class Submission(Body):
    """A sweep: the keys of a plan file, all of which may be left out, and what a job has besides."""

    stations: Annotated[list[Word], Field(max_length=32)] | None = None
    primitives: Annotated[list[Word | PrimitiveGrid], Field(max_length=64)] | None = None
    dtypes: Words | None = None
    flavors: Words | None = None
    opt_levels: Words | None = None
    freq: (
        Annotated[Line, Field(min_length=1, max_length=2000)]
        | Annotated[list[Annotated[Line, Field(min_length=1, max_length=100)]], Field(min_length=1, max_length=64)]
        | None
    ) = Field(default=None, description='"all", or core clocks or clock ids', examples=["16MHz,180MHz"])
    accelerators: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    repeats: Annotated[int, Field(ge=2, le=100_000)] | None = None
    window: Annotated[str, Field(pattern=r"^\d{1,6}(\.\d{1,6})? ?[mu]?s$", examples=["100 ms"])] | None = None
    seed: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None
    again: bool | None = None
    name: Annotated[Line, Field(max_length=80)] = ""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    start_at: Annotated[str, Field(pattern=START, examples=["22:00"])] | None = None
    spares: Annotated[list[Word], Field(max_length=32)] = Field(default_factory=list)
    shared: bool = False

    def request(self) -> dict[str, Any]:
        """Return the plan's part, as a plan file has it. Raises ParameterError for more than ``MAX_IMAGES`` images."""
        of_job = {"name", "priority", "start_at", "spares", "shared"}
        plan = self.model_dump(exclude=of_job, exclude_none=True)
        images = max(1, len(self.stations or ())) * self._workloads()
        if images > MAX_IMAGES:
            raise ParameterError(
                f"about {images} images are too many for one request",
                hint=f"at most {MAX_IMAGES}; submit larger plans with: bench submit PLAN.yaml",
            )
        return plan

    def _workloads(self) -> int:
        combinations = 0
        for asked in self.primitives or ():
            count = 1
            for values in asked.grid.values() if isinstance(asked, PrimitiveGrid) else ():
                count *= len(values)
            combinations += count
        return max(1, combinations) * len(self.dtypes or "12") * len(self.flavors or "1") * len(self.opt_levels or "1")


def _clock(text: str) -> str:
    if "-" not in text:
        try:
            parse(text, "Hz")
        except ParameterError as error:
            raise ValueError(error.message) from None
    return text


Clocks = Annotated[
    list[Annotated[str, Field(pattern=LINE, min_length=1, max_length=100), AfterValidator(_clock)]],
    Query(max_length=32, description="Core clocks such as 16MHz, or clock ids."),
]


def selection(
    station: Many = [],  # noqa: B006 (FastAPI copies it)
    board: Many = [],  # noqa: B006
    primitive: Many = [],  # noqa: B006
    dtype: Many = [],  # noqa: B006
    flavor: Many = [],  # noqa: B006
    opt: Many = [],  # noqa: B006
    freq: Clocks = [],  # noqa: B006
    source: Annotated[list[Source], Query(max_length=3)] = [],  # noqa: B006
) -> Selection:
    """Return which measurements are meant; each parameter may be repeated, and one that is left out wants all."""
    return Selection(
        stations=tuple(station),
        boards=tuple(board),
        primitives=tuple(primitive),
        dtypes=tuple(dtype),
        sources=tuple(source),
        flavors=tuple(flavor),
        opt_levels=tuple(opt),
        clock_ids=tuple(text for text in freq if "-" in text),
        sysclks_hz=tuple(parse(text, "Hz") for text in freq if "-" not in text),
    )


def service_of(request: Request) -> Service:
    """Return the service that the application was made with."""
    found: Service = request.app.state.service
    return found


Selected = Annotated[Selection, Depends(selection)]
TheService = Annotated[Service, Depends(service_of)]
