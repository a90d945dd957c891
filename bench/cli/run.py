"""``bench run``: measure one workload, always anew, and print one row a clock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out, print_json
from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, Json, StationsFile, known_stations
from bench.domain.primitives import primitive as find_primitive
from bench.domain.primitives import workload
from bench.domain.primitives.base import CMSIS_NN
from bench.errors import ParameterError
from bench.units import parse, plural

if TYPE_CHECKING:
    from bench.domain.measurement import Point, Run


def run(
    context: typer.Context,
    primitive: Annotated[str, typer.Option(help="What to measure; `bench primitives` lists them.")],
    k: Annotated[str | None, typer.Option("--k", help="Kernel height and width.", metavar="K")] = None,
    size: Annotated[str | None, typer.Option(help="Input height x width.", metavar="HxW")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="Any other parameter of the primitive; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Data type: fp32 or int8.")] = "fp32",
    flavor: Annotated[str, typer.Option(help="Implementation of the kernel.")] = "naive",
    cmsis_nn: Annotated[
        Path | None,
        typer.Option(envvar="BENCH_CMSIS_NN", help="Folder of Arm's CMSIS-NN, for --flavor cmsis-nn.", metavar="PATH"),
    ] = None,
    opt: Annotated[str, typer.Option(help="Compiler optimisation of the kernel: O0, O2, O3, Os or Ofast.")] = "O3",
    freq: Annotated[
        str,
        typer.Option(
            help='Core clocks: "all" of the board\'s own, or a list of frequencies or clock ids like 16MHz,180MHz.'
        ),
    ] = "all",
    accelerators: Annotated[
        str,
        typer.Option(
            help='Caches and prefetch buffers that are on: "default", "none", or a list like prefetch,icache.'
        ),
    ] = "default",
    station: Annotated[
        str | None,
        typer.Option(help="Where to measure; `bench stations` lists them. [default: your first, else a virtual board]"),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Counted calls of the kernel a clock.")] = 10,
    window: Annotated[str, typer.Option(help="Shortest energy window.")] = "100ms",
    seed: Annotated[int, typer.Option(help="Seed of the input data.")] = 1,
    plot: Annotated[bool, typer.Option(help="Draw energy over frequency below the table.")] = True,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Measure one workload at one or more core clocks: cycles, latency, current, energy.

    Renders the firmware, builds and flashes it, counts cycles with the debugger attached, then lets go of the debug port and samples the
    supply current. Every point is recorded as soon as it is measured.

    Example: bench run --primitive conv2d --k 5 --freq 16MHz,180MHz
    """
    from bench.boards import load_board
    from bench.boards.stations import find_station
    from bench.measure.settings import Settings

    work = workload(primitive, _parameters(primitive, k, size, param or []), dtype, flavor, opt)
    libraries = {CMSIS_NN: cmsis_nn}
    _refuse_unused(context, flavor, libraries)
    settings = Settings(repeats=repeats, window_s=parse(window, "s"), seed=seed)
    place = find_station(known_stations(stations), station)
    board = load_board(place.board)

    # Imported late, so that `--help` needs neither numpy nor Jinja2, and a mistake in the arguments neither pyOCD nor SQLAlchemy.
    from bench.firmware.library import choose_library
    from bench.sweep.plan import choose_clocks, plan_image

    library = choose_library(work, libraries)
    plan = plan_image(place, board, work, choose_clocks(board, freq, accelerators), library)

    from bench.build import BuildCache
    from bench.cli.progress import progressing
    from bench.domain.lut import row
    from bench.domain.measurement import Verdict
    from bench.lut import row_dict
    from bench.report.terminal import energy_plot, results_table
    from bench.store import open_store
    from bench.sweep.execute import execute

    latest: dict[Point, Run] = {}
    with open_store(db) as store:
        if not as_json:
            err().print(f"{work} on {place.name} ({place.source}), {plural(len(plan.clocks), 'clock')}", markup=False)
        with progressing(len(plan.clocks)) as listener:
            for measured in execute(plan, store.repository, settings, BuildCache.default(), listener):
                latest[measured.point] = measured
        name = store.name
    runs = sorted(latest.values(), key=lambda measured: measured.point.clock.hclk_hz)
    accepted = [measured for measured in runs if measured.verdict is Verdict.ACCEPTED]
    if as_json:
        print_json([row_dict(row(measured)) for measured in accepted])
    else:
        console = out()
        if accepted:
            console.print(results_table(accepted, console.width))
        if plot and len(accepted) > 2:
            console.print(energy_plot(accepted, console.width), markup=False, highlight=False)
        console.print(
            f"{len(accepted)} of {len(runs)} points accepted, recorded in {name} (source: {place.source})", markup=False
        )
        if accepted:
            console.print("next: bench export lut.csv", markup=False)
    return 0 if len(accepted) == len(plan.clocks) else 1


def _refuse_unused(context: typer.Context, flavor: str, libraries: Mapping[str, Path | None]) -> None:
    """Raise ParameterError where the folder of a library is given on the command line that ``flavor`` has no use for; in the environment it may stay."""
    for name, folder in libraries.items():
        source = context.get_parameter_source(name.replace("-", "_"))
        if folder is not None and flavor != name and source is not None and source.name == "COMMANDLINE":
            raise ParameterError(
                f"--{name} {folder} is given, but the flavor is {flavor}, which does not use it",
                hint=f"add --flavor {name} (and --dtype int8), or leave --{name} out",
            )


def _parameters(primitive: str, k: str | None, size: str | None, extra: list[str]) -> dict[str, int | str]:
    """Return the parameters that were given. Raises ParameterError for what is not of the form it should have."""
    known = [parameter.name for parameter in find_primitive(primitive).parameters]
    given: dict[str, int | str] = {}
    if k is not None:
        given["k"] = k
    if size is not None:
        height, _, width = size.lower().partition("x")
        given["in_h"], given["in_w"] = height, width or height
    for text in extra:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise ParameterError(
                f"--param {text!r} is not of the form NAME=VALUE", hint=f"{primitive} has: {', '.join(known)}"
            )
        if name in given:
            raise ParameterError(f"parameter {name} is given twice", hint="give it once; --k is --param k=...")
        given[name] = value
    return given
