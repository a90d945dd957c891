"""``bench validate``: run a whole network on a station, and compare it with its estimate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out, print_json, table
from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, Json, StationsFile, known_stations
from bench.domain.workload import DType, OptLevel
from bench.errors import UnknownName
from bench.units import format_si, parse, plural

if TYPE_CHECKING:
    from bench.build import BuildCache
    from bench.domain.network import Network
    from bench.estimate.reduction import Reduction
    from bench.firmware.network import Parameters
    from bench.measure.network_layers import LayerCycles
    from bench.measure.settings import Settings
    from bench.store import Repository
    from bench.sweep.validate import Comparison, NetworkPlan


def validate(
    network: Annotated[str, typer.Argument(help="Built-in network, or a file: .onnx, .tflite.", metavar="NETWORK")],
    station: Annotated[
        str | None,
        typer.Option(help="Where to measure; `bench stations` lists them. [default: your first, else a virtual board]"),
    ] = None,
    freq: Annotated[
        str,
        typer.Option(
            help='Core clocks: "all" of the board\'s own, or a list of frequencies or clock ids like 16MHz,180MHz.'
        ),
    ] = "all",
    reduce: Annotated[
        list[str] | None,
        typer.Option(
            help="A reduction like int8 or int8,prune=70; repeated: one network after the other.", metavar="REDUCTION"
        ),
    ] = None,
    flavor: Annotated[str, typer.Option(help="Kernels: naive, or dsp where a layer has one (int8).")] = "naive",
    opt: Annotated[str, typer.Option(help="Compiler optimisation of the kernels: O0, O2, O3, Os or Ofast.")] = "O3",
    model: Annotated[
        str,
        typer.Option(
            help="The estimate: fitted or published, as of `bench estimate`, or layers: each layer's own measurement, added up."
        ),
    ] = "fitted",
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Estimate sizes outside what was measured, too.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Count the cycles of every layer, too.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Measure first what the table lacks of the layers, each alone.")
    ] = False,
    drawn_weights: Annotated[
        bool, typer.Option("--drawn-weights", help="Draw the weights of an ONNX model, too, instead of taking its own.")
    ] = False,
    repeats: Annotated[int, typer.Option(help="Counted inferences a clock.")] = 2,
    window: Annotated[str, typer.Option(help="Shortest energy window; it holds at least one inference.")] = "100ms",
    seed: Annotated[int, typer.Option(help="Seed of the input data.")] = 1,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Run a whole network on a station, and compare latency, energy, current, flash and RAM with the estimate, clock by clock.

    The firmware is made of the same kernels as those of single layers and measured by the same procedure; its output is checked against the layers'
    references, and every run is recorded. The estimate takes its costs from the look-up table of the station's board and source; with --sweep every
    layer that is not in it is measured first.

    Example: bench validate lenet5 --station virtual-nucleo_f446ze --reduce none --reduce int8 --freq 16MHz,180MHz --sweep
    """
    from bench.boards import load_board
    from bench.boards.stations import find_station
    from bench.cli.estimating import load_network, parse_reductions

    if opt not in tuple(OptLevel):
        raise UnknownName.among("optimisation level", opt, [str(level) for level in OptLevel])
    original, own_dtype, notes = load_network(network)
    reduced = [(reduction, reduction.apply(original)) for reduction in parse_reductions(reduce or [])]
    for note in notes:
        err().print(note, markup=False)
    place = find_station(known_stations(stations), station)
    board = load_board(place.board)

    from bench.build import BuildCache
    from bench.measure.settings import Settings
    from bench.sweep.plan import choose_clocks
    from bench.sweep.validate import MODELS, plan_network

    if model not in MODELS:
        raise UnknownName.among("model", model, list(MODELS))
    settings = Settings(repeats=repeats, warmup=1, window_s=parse(window, "s"), seed=seed)
    clocks = choose_clocks(board, freq)
    plans = [
        plan_network(
            place,
            board,
            made,
            reduction.dtype or own_dtype or DType.FP32,
            clocks,
            flavor=flavor,
            opt_level=OptLevel(opt),
            reduce=str(reduction),
            parameters=None if drawn_weights else _parameters(network, made, reduction),
        )
        for reduction, made in reduced
    ]

    from bench.store import open_store

    rows: list[dict[str, object]] = []
    failed = False
    with open_store(db) as store:
        for plan in plans:
            if not as_json:
                err().print(
                    f"{plan.laid_out.work} on {place.name} ({place.source}), {plural(len(clocks), 'clock')}",
                    markup=False,
                )
            _check_model(network, plan, settings)
            comparisons = _validate(
                plan,
                store.repository,
                settings,
                BuildCache.default(),
                sweep=sweep,
                model=model,
                extrapolate=extrapolate,
            )
            counted = _count_layers(plan, settings, BuildCache.default()) if layers else []
            failed |= len(comparisons) < len(clocks)
            rows += _rows(plan, comparisons, counted, store.repository)
            if not as_json:
                print_comparisons(plan, comparisons)
                _show_layers(plan, counted, store.repository)
        name = store.name
    if as_json:
        print_json(rows)
    else:
        out().print(f"runs are recorded in {name} (source: {place.source})", markup=False)
    return 1 if failed else 0


def _parameters(name: str, network: Network, reduction: Reduction) -> Parameters | None:
    """Return the weights of an ONNX model that is measured as it is; of anything else None: they are drawn."""
    path = Path(name)
    if path.suffix.lower() != ".onnx" or str(reduction):
        return None
    from bench.firmware.network_onnx import read_parameters

    return read_parameters(path, network)


def _check_model(name: str, plan: NetworkPlan, settings: Settings) -> None:
    """Compare the reference of a model with its own weights with ONNX Runtime's output. Raises OutputMismatch."""
    if not plan.laid_out.own_weights:
        return
    from bench.firmware.network_onnx import check_against_onnxruntime

    share = check_against_onnxruntime(Path(name), plan.laid_out, settings.seed)
    if share is None:
        err().print("onnxruntime is not installed: the output is checked against the bench's references alone")
    else:
        err().print(f"ONNX Runtime and the reference agree: within {share:.1%} of the bound", markup=False)


def _validate(
    plan: NetworkPlan,
    repository: Repository,
    settings: Settings,
    cache: BuildCache,
    *,
    sweep: bool,
    model: str,
    extrapolate: bool,
) -> list[Comparison]:
    """Measure what the table lacks of the layers if ``sweep``, then estimate, then measure the network, and return the comparisons.

    The estimate comes before the measurement: where the table cannot give one, nothing is run. Raises MissingPoints.
    """
    from bench.cli.progress import progressing
    from bench.measure.settings import Settings
    from bench.sweep.layers import missing
    from bench.sweep.validate import compare, estimates, measure_layers, measure_network, table_of

    lacking = missing(plan.laid_out, plan.clocks, table_of(repository, plan.station))
    if lacking and sweep:
        with progressing(sum(len(clocks) for _, clocks in lacking)) as listener:
            for _ in measure_layers(plan, lacking, repository, Settings(seed=settings.seed), cache, listener):
                pass
    expected = estimates(plan, table_of(repository, plan.station), model, extrapolate=extrapolate)
    with progressing(len(plan.clocks)) as listener:
        runs = list(measure_network(plan, repository, settings, cache, listener))
    return compare(plan, runs, expected)


def _count_layers(plan: NetworkPlan, settings: Settings, cache: BuildCache) -> list[LayerCycles]:
    """Return the cycles of every layer at every clock."""
    from bench.build import find_toolchain
    from bench.measure.network_image import prepare_network
    from bench.measure.network_layers import count_layers
    from bench.measure.station import open_station

    image = prepare_network(plan.laid_out, plan.board, plan.clocks, find_toolchain(), cache, per_layer=True)
    with open_station(plan.station, plan.board, settings) as (under_test, _):
        return list(count_layers(under_test, image, len(plan.laid_out.steps), settings))


def _rows(
    plan: NetworkPlan, comparisons: Sequence[Comparison], counted: Sequence[LayerCycles], repository: Repository
) -> list[dict[str, object]]:
    """Return the objects of the contract, with the layers where they were counted."""
    by_clock = {layer["clock_id"]: layer["layers"] for layer in _layer_rows(plan, counted, repository)}
    rows = [comparison.row() for comparison in comparisons]
    return [{**row, "layers": by_clock[row["clock_id"]]} if counted else row for row in rows]


def _layer_rows(plan: NetworkPlan, counted: Sequence[LayerCycles], repository: Repository) -> list[dict[str, object]]:
    from bench.sweep.layers import layer_cycles
    from bench.sweep.validate import table_of

    if not counted:
        return []
    rows = table_of(repository, plan.station)
    return [
        {
            "clock_id": at.clock.id,
            "layers": [
                {
                    "layer": step.layer.name,
                    "primitive": step.work.primitive,
                    "cycles_estimated": estimated,
                    "cycles_measured": measured,
                }
                for step, estimated, measured in zip(
                    plan.laid_out.steps, layer_cycles(plan.laid_out, at.clock, rows), at.cycles, strict=True
                )
            ],
        }
        for at in counted
    ]


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:+.2f} %"


def _optional(value: float | None, unit: str) -> str:
    return "-" if value is None else format_si(value, unit)


_SHORT = {"ram_bytes": "RAM"}


def print_comparisons(plan: NetworkPlan, comparisons: Sequence[Comparison]) -> None:
    """Print what was measured and how much the estimate is off: per clock, flash and RAM once, and the means."""
    from bench.sweep.validate import mean_absolute_errors

    if not comparisons:
        return
    console = out()
    dtype = str(plan.laid_out.work.dtype)
    what = f"{plan.laid_out.network.name}, {dtype}" + (f" ({plan.reduce})" if plan.reduce not in ("", dtype) else "")
    console.print(f"[bold]{what}[/] on {plan.station.name}: measured, and how far the estimate is off")
    lines = table(
        ("clock", "right"),
        ("latency", "right"),
        ("estimate", "right"),
        ("energy", "right"),
        ("estimate", "right"),
        ("current", "right"),
        ("estimate", "right"),
    )
    for comparison in comparisons:
        measured, errors = comparison.measured, comparison.errors()
        lines.add_row(
            format_si(comparison.run.point.clock.hclk_hz, "Hz"),
            format_si(measured.latency_s, "s"),
            _percent(errors["latency_s"]),
            _optional(measured.energy_j, "J"),
            _percent(errors["energy_j"]),
            _optional(measured.current_a, "A"),
            _percent(errors["current_a"]),
        )
    console.print(lines)
    last, errors = comparisons[-1], comparisons[-1].errors()
    for name, label in (("flash_bytes", "flash"), ("ram_bytes", "RAM")):
        console.print(
            f"{label}: {getattr(last.measured, name):,} bytes measured, {getattr(last.estimated, name):,} estimated ({_percent(errors[name])})",
            markup=False,
        )
    means = mean_absolute_errors(comparisons)
    console.print(
        "mean absolute error: "
        + ", ".join(
            f"{_SHORT.get(name) or name.rpartition('_')[0]} {100 * mean:.2f} %"
            for name, mean in means.items()
            if mean is not None
        ),
        markup=False,
    )


def _show_layers(plan: NetworkPlan, counted: Sequence[LayerCycles], repository: Repository) -> None:
    """Print the cycles of every layer, at the slowest and the fastest clock: in between they only grow with the wait states."""
    found = _layer_rows(plan, counted, repository)
    if not found:
        return
    console = out()
    chosen = [(at, by) for at, by in zip(counted, found, strict=True) if at in (counted[0], counted[-1])]
    for at, by in chosen:
        lines = table(
            ("layer", ""),
            ("primitive", ""),
            ("cycles", "right"),
            ("estimate", "right"),
            title=f"layers at {format_si(at.clock.hclk_hz, 'Hz')}",
        )
        layers = by["layers"]
        assert isinstance(layers, list)
        for layer in layers:
            measured, estimated = layer["cycles_measured"], layer["cycles_estimated"]
            lines.add_row(
                layer["layer"],
                layer["primitive"],
                f"{measured:,}",
                _percent(estimated / measured - 1 if measured else None),
            )
        console.print(lines)
