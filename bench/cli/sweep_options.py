"""What a sweep is asked for with: the options of ``bench sweep`` and ``bench submit``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.domain.primitives import primitive as find_primitive
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import ParameterError, UnknownName
from bench.units import parse

PlanFile = Annotated[
    Path | None,
    typer.Argument(
        help="Plan file, or cost-model for the shipped one; options take the place of what it says.",
        metavar="PLAN.yaml",
    ),
]
StationNames = Annotated[
    list[str] | None,
    typer.Option(help="Where to measure; may be repeated, several measure at the same time. [default: as bench run]"),
]
Primitives = Annotated[
    list[str] | None, typer.Option(help="What to measure; may be repeated. [default: all primitives]")
]
KernelSizes = Annotated[str | None, typer.Option("--k", help="Kernel sizes of the primitives, like 3,5.", metavar="K")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(help="Values of any parameter; may be repeated, every combination counts.", metavar="NAME=V,V"),
]
DataTypes = Annotated[list[str] | None, typer.Option(help="Data type; may be repeated. [default: fp32 and int8]")]
Flavors = Annotated[list[str] | None, typer.Option(help="Implementation; may be repeated. [default: naive]")]
CmsisNn = Annotated[
    Path | None,
    typer.Option(envvar="BENCH_CMSIS_NN", help="Folder of Arm's CMSIS-NN, for --flavor cmsis-nn.", metavar="PATH"),
]
OptLevels = Annotated[
    list[str] | None,
    typer.Option(help="Compiler optimisation; may be repeated: O0, O2, O3, Os or Ofast. [default: O3]"),
]
Clocks = Annotated[
    str | None,
    typer.Option(help='Core clocks: "all" of each board\'s own, or frequencies or clock ids. [default: all]'),
]
Accelerators = Annotated[
    str | None, typer.Option(help='Caches and prefetch buffers that are on: "default", "none", or a list.')
]
Repeats = Annotated[int | None, typer.Option(help="Counted calls of the kernel a clock. [default: 10]")]
Window = Annotated[str | None, typer.Option(help="Shortest energy window. [default: 100ms]")]
Seed = Annotated[int | None, typer.Option(help="Seed of the input data. [default: 1]")]
Again = Annotated[bool, typer.Option("--again", help="Measure also what is there already.")]


def request_of(
    plan: Path | None,
    stations: list[str] | None,
    primitives: list[str] | None,
    k: str | None,
    params: list[str] | None,
    dtypes: list[str] | None,
    flavors: list[str] | None,
    opt_levels: list[str] | None,
    freq: str | None,
    accelerators: str | None,
    repeats: int | None,
    window: str | None,
    seed: int | None,
    *,
    again: bool,
) -> SweepRequest:
    """Return what the plan file asks for, options taking the place of what it says. Raises ConfigurationError, ParameterError, UnknownName."""
    from bench.boards.sweep_file import load_plan

    asked = load_plan(plan) if plan is not None else SweepRequest()
    given: dict[str, Any] = {
        "stations": tuple(stations or ()),
        "primitives": primitives_asked_for(primitives or [], k, params or []),
        "dtypes": tuple(dtypes or ()),
        "flavors": tuple(flavors or ()),
        "opt_levels": tuple(opt_levels or ()),
        "freq": freq,
        "accelerators": accelerators,
        "repeats": repeats,
        "window_s": None if window is None else parse(window, "s"),
        "seed": seed,
        "again": again or None,
    }
    return replace(asked, **{name: value for name, value in given.items() if value not in (None, ())})


def primitives_asked_for(names: list[str], k: str | None, extra: list[str]) -> tuple[PrimitiveSweep, ...]:
    """Return the primitives and grids of the options. Raises ParameterError, UnknownName."""
    texts = [*([f"k={k}"] if k is not None else []), *extra]
    if texts and not names:
        raise ParameterError(
            "--k and --param are given, but no primitive that they belong to", hint="add --primitive NAME"
        )
    grid: list[tuple[str, tuple[int | str, ...]]] = []
    for text in texts:
        name, equals, values = text.partition("=")
        parts = tuple(part.strip() for part in values.split(",") if part.strip())
        if not equals or not name or not parts:
            raise ParameterError(
                f"--param {text!r} is not of the form NAME=VALUE,VALUE", hint="as in: --param in_h=16,32"
            )
        grid.append((name, tuple(int(part) if part.isdecimal() else part for part in parts)))
    has = {name: {parameter.name for parameter in find_primitive(name).parameters} for name in names}
    for parameter, _ in grid:
        if not any(parameter in known for known in has.values()):
            raise UnknownName.among(f"parameter of {', '.join(has)}", parameter, sorted(set().union(*has.values())))
    # Each primitive takes the parameters that it has: relu has no k.
    return tuple(
        PrimitiveSweep(name, tuple(entry for entry in grid if entry[0] in known)) for name, known in has.items()
    )
