"""``bench plot``: one quick look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, out
from bench.cli.options import DEFAULT_DB, Db
from bench.cli.selection import Boards, DTypes, Primitives, Sources, Stations
from bench.errors import BenchError, UnknownName, UsageError
from bench.units import parse

_QUANTITIES = ("latency", "current", "power", "energy", "cycles")
_OVER = ("clock", "kernel")
_COMPARE = ("dtype", "flavor", "board")
_ENDINGS = ("png", "svg", "pdf")


def plot(
    quantity: Annotated[str, typer.Argument(help="latency, current, power, energy or cycles.", metavar="QUANTITY")],
    file: Annotated[
        Path | None,
        typer.Argument(help="Write the plot here (.png, .svg or .pdf) instead of drawing it in the terminal."),
    ] = None,
    over: Annotated[str, typer.Option(help="clock, or kernel: per application over the kernel's size.")] = "clock",
    compare: Annotated[
        str | None, typer.Option(help="Draw curves that differ in this alone: dtype, flavor or board.")
    ] = None,
    k: Annotated[list[int] | None, typer.Option("--k", help="Only this kernel size; may be repeated.")] = None,
    freq: Annotated[
        str | None,
        typer.Option(help="Clock for --over kernel. [default: the fastest that all sizes share]", metavar="CLOCK"),
    ] = None,
    station: Stations = None,
    board: Boards = None,
    primitive: Primitives = None,
    dtype: DTypes = None,
    source: Sources = None,
    db: Db = DEFAULT_DB,
) -> int:
    """Draw what was measured, here or into a file.

    Where the selection holds more curves than one plot can show, those that belong together are drawn and the rest is
    counted; --primitive, --k and the like choose others.

    Example: bench plot energy --primitive conv2d --compare dtype energy.png
    """
    for what, given, known in (
        ("quantity", quantity, _QUANTITIES),
        ("axis", over, _OVER),
        ("comparison", compare, _COMPARE),
    ):
        if given is not None and given not in known:
            raise UnknownName.among(what, given, list(known))
    ending = "" if file is None else file.suffix.lower().removeprefix(".")
    if file is not None and ending not in _ENDINGS:
        raise UsageError(f"the ending of {file} names no format", hint=f"end it with .{', .'.join(_ENDINGS)}")
    if freq is not None and over != "kernel":
        raise UsageError("--freq is for --over kernel", hint="leave it out, or add --over kernel")
    clock_hz = None if freq is None else parse(freq, "Hz")

    # Late: these bring SQLAlchemy, and Matplotlib where a file is written.
    from bench.lut import rows
    from bench.report.quick import Compare, Over, quick_plot
    from bench.report.series import collect
    from bench.store import Selection, open_store

    selection = Selection(
        tuple(station or ()), tuple(board or ()), tuple(primitive or ()), tuple(dtype or ()), tuple(source or ())
    )
    with open_store(db, create=False) as store:
        found = collect(row for row in rows(store, selection) if not k or row.kernel_w in k)
        if not found.points:
            sizes = f", k {' or '.join(map(str, k))}" if k else ""
            raise BenchError(
                f"{store.name} holds no accepted run of {selection}{sizes}", hint="measure first: bench run"
            )
    made = quick_plot(
        found, quantity, over=Over(over), compare=None if compare is None else Compare(compare), clock_hz=clock_hz
    )
    if made.left_out:
        err().print(
            f"not drawn: {made.left_out} more curve{'s' if made.left_out > 1 else ''}; choose with --primitive, --k, --dtype, --board or --compare",
            markup=False,
        )
    if file is None:
        from bench.report.text_plot import text_plot

        console = out()
        console.print(text_plot(made.plot, console.width), markup=False, highlight=False, soft_wrap=True)
        console.print(made.common, markup=False, highlight=False)
        return 0

    from bench.lut.files import replacing
    from bench.report.draw import save

    with replacing(file) as target:
        save(made.plot, target, ending)
    err().print(f"{made.common}: written to {file}", markup=False)
    return 0
