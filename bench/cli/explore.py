"""``bench explore``: which board, clock, data type and reduction meet the limits."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out, print_json, table
from bench.cli.estimating import (
    Dtype,
    Extrapolate,
    Flavor,
    Freq,
    Lut,
    ModelOption,
    Reduce,
    SourceOption,
    choose_model,
    estimators,
    load_network,
    load_table,
    parse_reductions,
    reduced_networks,
)
from bench.cli.options import DEFAULT_DB, Db, Json
from bench.errors import BenchError, UsageError
from bench.units import format_si, parse, plural

if TYPE_CHECKING:
    from bench.domain.network import Network
    from bench.estimate.estimator import Estimate, Estimator
    from bench.estimate.explore import Candidate, Limits

STANDARD_REDUCTIONS = ("none", "int8", "prune=50", "prune=60", "prune=70", "prune=80", "prune=90", "int8,prune=70")


def explore(
    network: Annotated[str, typer.Argument(help="Built-in network, or a file: .onnx, .tflite.", metavar="NETWORK")],
    board: Annotated[list[str], typer.Option("--board", help="Board; repeat to compare.")],
    max_latency: Annotated[str | None, typer.Option(help="Longest inference.", metavar="TIME")] = None,
    max_energy: Annotated[str | None, typer.Option(help="Most energy of an inference.", metavar="ENERGY")] = None,
    max_flash: Annotated[str | None, typer.Option(help="Most flash. [default: all of the board's]")] = None,
    max_ram: Annotated[str | None, typer.Option(help="Most RAM. [default: all of the board's]")] = None,
    battery: Annotated[str | None, typer.Option(help="Cell, as 220mAh@3V; with --period.", metavar="CELL")] = None,
    period: Annotated[str | None, typer.Option(help="One inference every so often.", metavar="TIME")] = None,
    sleep_current: Annotated[
        str | None, typer.Option(help="Current between inferences. [default: asleep (WFI) at the same clock]")
    ] = None,
    freq: Freq = "all",
    reduce: Reduce = None,
    dtype: Dtype = None,
    flavor: Flavor = "naive",
    model: ModelOption = "fitted",
    extrapolate: Extrapolate = False,
    lut: Lut = None,
    source: SourceOption = None,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Show which combinations of board, clock, data type and reduction meet the limits, and why the others fail.

    Without --reduce tries int8, pruning by 50 to 90 %, and both. Prints the Pareto front over latency, energy, flash and RAM, and the clock of
    least energy of each combination. Exit code 0 also where nothing fits.

    Example: bench explore resnet8 --board nucleo_f446ze --max-latency 500ms --battery 220mAh@3V --period 10s
    """
    choose_model(model)
    if (battery is None) != (period is None) or (sleep_current is not None and battery is None):
        raise UsageError("--battery and --period belong together", hint="--battery 220mAh@3V --period 10s")

    from bench.estimate.explore import Battery, Limits
    from bench.estimate.explore import explore as judge

    cell = None if battery is None or period is None else Battery.parse(battery, period, sleep_current)
    asked = Limits(
        None if max_latency is None else parse(max_latency, "s"),
        None if max_energy is None else parse(max_energy, "J"),
        None if max_flash is None else parse(max_flash, "B"),
        None if max_ram is None else parse(max_ram, "B"),
    )
    own_limits = {name: _limits_of(name) for name in board}
    limits = {name: asked.tightened(whole) for name, whole in own_limits.items()}
    net, own, notes = load_network(network)
    texts = reduce or [
        text for text in STANDARD_REDUCTIONS if not ("int8" in text and (own is not None or dtype is not None))
    ]
    variants = reduced_networks(net, parse_reductions(texts), dtype, own)
    points = load_table(lut, db, source or [])
    makers = estimators(points, board, freq, model=model, flavor=flavor, extrapolate=extrapolate)
    found, refused = [], []
    for make in makers:
        for reduced, kind, label in variants:
            try:
                found.extend(_estimates(make(kind), reduced, kind, label, limits))
            except BenchError as error:
                if reduce:
                    raise
                refused.append((f"{kind} {label}".strip(), error))
    if not found and refused:
        raise refused[0][1]
    candidates = judge(found, limits, battery=cell, idle_a=points.idle_current_a)
    if as_json:
        print_json([_json(candidate) for candidate in candidates])
        return 0
    for note in notes:
        err().print(f"note: {note}", markup=False)
    for label, why in refused:
        err().print(f"not estimated: {label}: {why}", markup=False)
    _print(candidates, limits, with_battery=cell is not None)
    return 0


def _estimates(
    estimator: Estimator, reduced: Network, kind: str, label: str, limits: dict[str, Limits]
) -> list[Estimate]:
    """Return the estimates; what fits no memory may be larger than anything measured, and is then extrapolated: it fails all the same."""
    flash, ram = estimator.memory_bytes(reduced, kind)
    limit = limits[estimator.board]
    too_large = flash > (limit.flash_bytes or flash) or ram > (limit.ram_bytes or ram)
    if too_large and not estimator.extrapolate:
        estimator = replace(estimator, extrapolate=True, _models={})
    return estimator.estimate(reduced, kind, label)


def _limits_of(board: str) -> Limits:
    """Return the board's own flash and RAM as limits. Raises UnknownName."""
    from bench.boards import load_board
    from bench.estimate.explore import Limits

    described = load_board(board)
    return Limits(flash_bytes=described.flash.size_bytes, ram_bytes=described.sram.size_bytes)


def _json(candidate: Candidate) -> dict[str, object]:
    return candidate.estimate.contract() | {
        "feasible": candidate.feasible,
        "failures": list(candidate.failures),
        "pareto": candidate.on_front,
        "least_energy_clock": candidate.least_energy,
        "battery_life_s": candidate.battery_life_s,
    }


def _print(candidates: list[Candidate], limits: dict[str, Limits], *, with_battery: bool) -> None:
    console = out()
    for name, limit in limits.items():
        texts = [
            f"{what} {format_si(value, unit)}"
            for what, value, unit in (
                ("latency", limit.latency_s, "s"),
                ("energy", limit.energy_j, "J"),
                ("flash", limit.flash_bytes, "B"),
                ("RAM", limit.ram_bytes, "B"),
            )
            if value is not None
        ]
        console.print(f"{name}: at most {', '.join(texts)}", markup=False)
    feasible = [each for each in candidates if each.feasible]
    console.print(f"feasible: {len(feasible)} of {plural(len(candidates), 'combination')}", markup=False)
    shown = [each for each in feasible if each.on_front or each.least_energy]
    if shown:
        console.print()
        boards = len(limits) > 1  # of one the first line tells
        headings = ([("board", "")] if boards else []) + [("type, reduced", "wrap")]
        headings += [("clock", "right"), ("latency", "right"), ("energy", "right")]
        headings += [("flash", "right"), ("RAM", "right")] + ([("lasts", "right")] if with_battery else []) + [("", "")]
        made = table(*headings)
        for each in shown:
            entry = each.estimate
            made.add_row(
                *([entry.board] if boards else []),
                entry.dtype + ("" if entry.reduce in ("", entry.dtype) else f" {entry.reduce}"),
                format_si(entry.sysclk_hz, "Hz", 3),
                format_si(entry.latency_s, "s", 3),
                "" if entry.energy_j is None else format_si(entry.energy_j, "J", 3),
                format_si(entry.flash_bytes, "B", 3),
                format_si(entry.ram_bytes, "B", 3),
                *([_life(each.battery_life_s)] if with_battery else []),
                ("*" if each.on_front else "") + ("e" if each.least_energy else ""),
            )
        console.print(made)
        console.print("* on the Pareto front (latency, energy, flash, RAM); e least energy of its combination")
    failed = sorted((each for each in candidates if not each.feasible), key=lambda each: each.combination)
    if failed:
        console.print("\n[bold]why the others fail[/]")
    for (name, kind, label), group in groupby(failed, key=lambda each: each.combination):
        members = sorted(group, key=lambda each: each.estimate.sysclk_hz)
        console.print(f"{name} {kind} {'' if label == kind else label}".rstrip() + ":", markup=False)
        for what, broken in _by_limit(members).items():
            first, last = broken[0], broken[-1]
            clocks = format_si(first[0], "Hz", 3)
            if len(broken) > 1:
                clocks += f" .. {format_si(last[0], 'Hz', 3)}"
            text = first[1] if first[1] == last[1] else f"{first[1]} .. {last[1].removeprefix(what).lstrip()}"
            console.print(f"  {text} ({clocks})", markup=False)


def _by_limit(members: list[Candidate]) -> dict[str, list[tuple[float, str]]]:
    """Return (clock, text) of what breaks each limit, by the limit's name."""
    found: dict[str, list[tuple[float, str]]] = {}
    for each in members:
        for text in each.failures:
            found.setdefault(text.split(" ", 1)[0], []).append((each.estimate.sysclk_hz, text))
    return found


def _life(life_s: float | None) -> str:
    return "" if life_s is None else f"{life_s / 86400:.3g} d"
