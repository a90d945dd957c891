"""The options that choose measurements, and what they mean."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.domain.station import Source

Stations = Annotated[list[str] | None, typer.Option("--station", help="Only this station; may be repeated.")]
Boards = Annotated[list[str] | None, typer.Option("--board", help="Only this board; may be repeated.")]
Primitives = Annotated[list[str] | None, typer.Option("--primitive", help="Only this primitive; may be repeated.")]
DTypes = Annotated[list[str] | None, typer.Option("--dtype", help="Only this data type; may be repeated.")]
Sources = Annotated[
    list[Source] | None,
    typer.Option("--source", help="Only this source; needed where the database holds several, repeated to mix them."),
]
