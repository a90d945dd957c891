"""What a user asks a sweep for: names and ranges, not yet looked up. It is what a plan file, a command line and a submitted job say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.domain.primitives import PRIMITIVES, primitive
from bench.domain.workload import DType, OptLevel
from bench.errors import ParameterError, UnknownName

MAX_POINTS = 1_000_000
"""More points than any station measures in its life; a request beyond it is a mistake."""


@dataclass(frozen=True, slots=True)
class PrimitiveSweep:
    """A primitive and the values of its parameters to go through: the product of ``grid``, or the published sets where it is empty.

    Raises UnknownName for a primitive or parameter that is not there, ParameterError for a value that is not allowed.
    """

    name: str
    grid: tuple[tuple[str, tuple[int | str, ...]], ...] = ()

    def __post_init__(self) -> None:
        entry = primitive(self.name)
        known = {parameter.name: parameter for parameter in entry.parameters}
        names = [name for name, _ in self.grid]
        for name, values in self.grid:
            if name not in known:
                raise UnknownName.among(f"parameter of {self.name}", name, list(known))
            if names.count(name) > 1:
                raise ParameterError(f"{self.name}: parameter {name} is given twice")
            if not values:
                raise ParameterError(f"{self.name}: {name} has no value", hint=f"{name}: {known[name].range_text}")
            for value in values:
                known[name].parse(value, self.name)

    @property
    def combinations(self) -> int:
        """How many sets of parameters ``grid`` has; 0 where the published sets are meant."""
        count = 1 if self.grid else 0
        for _, values in self.grid:
            count *= len(values)
        return count


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """Stations x primitives x parameters x data types x flavors x optimisation levels x clocks.

    No ``stations`` means the default one, no ``primitives`` the whole registry. ``freq`` and ``accelerators`` are as on the command line
    of ``bench run``. ``again`` measures what is there already once more. Names of primitives, data types, flavors and optimisation levels
    are checked at birth (UnknownName, ParameterError); stations and clocks when the plan is made, because they depend on the host.
    """

    stations: tuple[str, ...] = ()
    primitives: tuple[PrimitiveSweep, ...] = ()
    dtypes: tuple[str, ...] = ("fp32", "int8")
    flavors: tuple[str, ...] = ("naive",)
    opt_levels: tuple[str, ...] = ("O3",)
    freq: str = "all"
    accelerators: str = "default"
    repeats: int = 10
    window_s: float = 0.1
    seed: int = 1
    again: bool = False

    def __post_init__(self) -> None:
        flavors = dict.fromkeys(
            flavor for entry in PRIMITIVES.values() for names in entry.flavors.values() for flavor in names
        )
        for key, what, values, known in (
            ("dtypes", "data type", self.dtypes, map(str, DType)),
            ("flavors", "flavor", self.flavors, flavors),
            ("opt_levels", "optimisation level", self.opt_levels, map(str, OptLevel)),
        ):
            _check(key, what, values, known)
        combinations = sum(max(1, asked.combinations) for asked in self.primitives)
        if combinations * len(self.dtypes) * len(self.flavors) * len(self.opt_levels) > MAX_POINTS:
            raise ParameterError(
                f"primitives: {combinations} sets of parameters, in {len(self.dtypes)} data types, are too many",
                hint=f"a sweep has at most {MAX_POINTS} workloads",
            )


def _check(key: str, what: str, values: tuple[str, ...], known: Iterable[str]) -> None:
    names = list(known)
    if not values:
        raise ParameterError(f"{key} is empty", hint=f"choose among: {', '.join(names)}")
    for value in values:
        if value not in names:
            found = UnknownName.among(what, value, names)
            raise UnknownName(f"{key}: {found.message}", hint=found.hint)
