"""Sweep plans: in YAML files for people, as dictionaries of the same keys for jobs and the HTTP API.

A plan file; every key may be left out:

    stations: [virtual-nucleo_f446ze]     # default: your first, else a virtual board
    primitives:                           # default: all, with the parameters of the published measurements
      - relu
      - name: conv2d
        grid: {k: [3, 5], in_h: [16, 32]} # every combination; a parameter left out has its default
    dtypes: [fp32, int8]
    flavors: [naive]
    opt_levels: [O3]
    freq: [16 MHz, 180 MHz]               # or all; clock ids are allowed
    accelerators: default                 # or none, or a list like [prefetch, icache]
    repeats: 10
    window: 100 ms
    seed: 1
    again: false                          # true: measure once more what is there already
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from bench.boards.paths import data_dir
from bench.boards.schema import Block, Text
from bench.boards.yaml_file import YamlFile, read
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import ConfigurationError, ParameterError
from bench.units import parse

_DEFAULT = SweepRequest()


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _joined(value: Any) -> Any:
    """Return a list of texts as one text with commas."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, str) or not value.strip().endswith("s"):
        raise ValueError("expected a time with its unit, like 100 ms")
    try:
        return parse(value, "s")
    except ParameterError:
        raise ValueError("expected a time with its unit, like 100 ms") from None


_Values = Annotated[list[int | str], BeforeValidator(_listed), Field(min_length=1)]
_Texts = Annotated[list[Text], BeforeValidator(_listed), Field(min_length=1)]
_Joined = Annotated[Text, BeforeValidator(_joined)]


class PrimitiveBlock(Block):
    """A primitive by name, or with a grid of its parameters."""

    name: Text
    grid: dict[str, _Values] = Field(default_factory=dict)

    def build(self) -> PrimitiveSweep:
        return PrimitiveSweep(self.name, tuple((name, tuple(values)) for name, values in self.grid.items()))


class SweepFile(Block):
    """A whole plan."""

    stations: Annotated[list[Text], BeforeValidator(_listed)] = Field(default_factory=list)
    primitives: Annotated[list[Annotated[PrimitiveBlock, BeforeValidator(_named)]], BeforeValidator(_listed)] = Field(
        default_factory=list
    )
    dtypes: _Texts = Field(default_factory=lambda: list(_DEFAULT.dtypes))
    flavors: _Texts = Field(default_factory=lambda: list(_DEFAULT.flavors))
    opt_levels: _Texts = Field(default_factory=lambda: list(_DEFAULT.opt_levels))
    freq: _Joined = _DEFAULT.freq
    accelerators: _Joined = _DEFAULT.accelerators
    repeats: int = _DEFAULT.repeats
    window: Annotated[float, BeforeValidator(_seconds)] = _DEFAULT.window_s
    seed: int = _DEFAULT.seed
    again: bool = _DEFAULT.again

    def build(self) -> SweepRequest:
        return SweepRequest(
            stations=tuple(self.stations),
            primitives=tuple(block.build() for block in self.primitives),
            dtypes=tuple(self.dtypes),
            flavors=tuple(self.flavors),
            opt_levels=tuple(self.opt_levels),
            freq=self.freq,
            accelerators=self.accelerators,
            repeats=self.repeats,
            window_s=self.window,
            seed=self.seed,
            again=self.again,
        )


def load_plan(path: Path) -> SweepRequest:
    """Return the request in the plan file ``path``, or in the plan of that name that comes with the bench ("cost-model").

    Raises ConfigurationError that names file and line.
    """
    shipped = data_dir("plans") / f"{path.name}.yaml"
    return (
        read(shipped if not path.suffix and not path.exists() and shipped.is_file() else path).parse(SweepFile).build()
    )


def request_from_dict(data: Mapping[str, Any], where: str = "request") -> SweepRequest:
    """Return the request that ``data`` says, with the keys and forms of a plan file; an empty one is the whole primitive set.

    Raises ConfigurationError for an unknown key or a wrong value, which begins with ``where``.
    """
    try:
        return SweepFile.model_validate(dict(data)).build()
    except ValidationError:
        try:
            return YamlFile(Path(where), dict(data)).parse(SweepFile).build()
        except ConfigurationError as error:  # it has no lines
            message, detail = (text.replace(f"{where}:1: ", f"{where}: ") for text in (error.message, error.detail))
            raise ConfigurationError(message, hint=error.hint, detail=detail) from None


def request_to_dict(request: SweepRequest) -> dict[str, Any]:
    """Return ``request`` as ``request_from_dict`` reads it, ready for JSON; every key is there."""
    return {
        "stations": list(request.stations),
        "primitives": [
            {"name": asked.name, "grid": {name: list(values) for name, values in asked.grid}}
            for asked in request.primitives
        ],
        "dtypes": list(request.dtypes),
        "flavors": list(request.flavors),
        "opt_levels": list(request.opt_levels),
        "freq": request.freq,
        "accelerators": request.accelerators,
        "repeats": request.repeats,
        "window": f"{request.window_s!r} s",
        "seed": request.seed,
        "again": request.again,
    }
