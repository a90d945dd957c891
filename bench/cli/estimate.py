"""``bench estimate``: what a network will cost, from the look-up table."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out, print_json, table
from bench.cli.estimating import (
    Boards,
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
from bench.units import format_si

if TYPE_CHECKING:
    from bench.estimate.estimator import Estimate


def estimate(
    network: Annotated[str, typer.Argument(help="Built-in network, or a file: .onnx, .tflite.", metavar="NETWORK")],
    board: Boards = None,
    freq: Freq = "all",
    reduce: Reduce = None,
    dtype: Dtype = None,
    flavor: Flavor = "naive",
    model: ModelOption = "fitted",
    extrapolate: Extrapolate = False,
    layers: Annotated[bool, typer.Option("--layers", help="Also what each layer costs, at the fastest clock.")] = False,
    lut: Lut = None,
    source: SourceOption = None,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Estimate latency, energy, current, flash and RAM of a network before anyone ports it.

    Adds up what its layers cost, from what the bench has measured of their primitives. Built in: lenet5, lenet5_sigmoid, resnet8, resnet26,
    dscnn, mobilenetv1_025, autoencoder.

    Example: bench estimate resnet8 --board nucleo_f446ze --reduce none --reduce int8,prune=70
    """
    choose_model(model)
    reductions = parse_reductions(reduce or [])
    net, own, notes = load_network(network)
    variants = reduced_networks(net, reductions, dtype, own)
    points = load_table(lut, db, source or [])
    makers = estimators(
        points,
        board or [],
        freq,
        model=model,
        flavor=flavor,
        extrapolate=extrapolate,
    )
    found = [
        entry
        for make in makers
        for reduced, kind, label in variants
        for entry in make(kind).estimate(reduced, kind, label)
    ]
    if as_json:
        print_json([entry.contract() | (_layers_json(entry) if layers else {}) for entry in found])
        return 0
    for note in notes:
        err().print(f"note: {note}", markup=False)
    console = out()
    for _, group in groupby(found, key=lambda entry: (entry.board, entry.dtype, entry.reduce)):
        _print_group(list(group), layers=layers)
    console.print(
        f"source: {points.source}; model: {model}. ± is the expanded uncertainty (95 %): the table's, taken as common to"
        " all layers, and the model's own residual.",
        markup=False,
    )
    return 0


def _print_group(group: list[Estimate], *, layers: bool) -> None:
    console, first = out(), group[0]
    reduced = f" reduced by {first.reduce}" if first.reduce else ""
    console.print(f"[bold]{first.network}[/]{reduced} in {first.dtype} {first.flavor} on {first.board}")
    console.print(
        f"flash {format_si(first.flash_bytes, 'B')}, RAM {format_si(first.ram_bytes, 'B')}"
        f" (by the published rule {format_si(first.ram_published_bytes, 'B')});"
        f" {first.interpolated_layers} layers between measured shapes, {first.extrapolated_layers} outside",
        markup=False,
    )
    least = min((entry.energy_j for entry in group if entry.energy_j is not None), default=None)
    made = table(("clock", "right"), ("latency", "right"), ("energy", "right"), ("current", "right"), ("", ""))
    for entry in group:
        remark = "" if entry.clock_basis == "measured" else "interpolated"
        if "extrapolated" in entry.clock_basis:
            remark = "extrapolated"
        if len(group) > 1 and least is not None and entry.energy_j == least:
            remark = f"{remark} <- least energy".strip()
        made.add_row(
            format_si(entry.sysclk_hz, "Hz"),
            with_u95(entry.latency_s, entry.latency_u95_s, "s"),
            "" if entry.energy_j is None else with_u95(entry.energy_j, entry.energy_u95_j, "J"),
            "" if entry.current_a is None else format_si(entry.current_a, "A"),
            remark,
        )
    console.print(made)
    for entry in group:
        if entry.clock_basis != "measured":
            console.print(f"{format_si(entry.sysclk_hz, 'Hz')}: {entry.clock_basis}", markup=False)
    if layers:
        _print_layers(max(group, key=lambda entry: entry.sysclk_hz))
    console.print()


def with_u95(value: float, u95: float | None, unit: str) -> str:
    """Return ``value`` with its relative expanded uncertainty."""
    share = "" if u95 is None or not value else f" ±{100 * u95 / value:.2g} %"
    return f"{format_si(value, unit)}{share}"


def _print_layers(entry: Estimate) -> None:
    made = table(("layer", ""), ("primitive", ""), ("appl.", "right"), ("latency", "right"), ("energy", "right"))
    made.title = f"layers at {format_si(entry.sysclk_hz, 'Hz')}"
    made.add_column("share", justify="right")
    made.add_column("basis", overflow="fold")
    for part in entry.layers:
        made.add_row(
            part.layer.name,
            part.layer.primitive,
            str(part.layer.applications),
            format_si(part.latency_s, "s", 3),
            "" if part.energy_j is None else format_si(part.energy_j, "J", 3),
            f"{100 * part.latency_s / entry.latency_s:.1f} %",
            part.basis,
        )
    out().print(made)


def _layers_json(entry: Estimate) -> dict[str, object]:
    return {
        "layers": [
            {
                "layer": part.layer.name,
                "primitive": part.layer.primitive,
                "params": dict(part.layer.params),
                "applications": part.layer.applications,
                "latency_s_estimated": part.latency_s,
                "energy_j_estimated": part.energy_j,
                "basis": part.basis,
            }
            for part in entry.layers
        ]
    }
