"""Estimates against measurements. Who estimates hands in plain values; who has none gets no section."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.errors import ConfigurationError
from bench.report.over_clock import is_wide
from bench.report.plot import Axis, Curve, Plot
from bench.report.text import file_stem


@dataclass(frozen=True, slots=True)
class Residuals:
    """One quantity: (label, estimated, measured) of everything that was both, in ``unit`` (SI). ``source``: where the measurements come from.

    Raises ValueError for a measurement that is not positive.
    """

    quantity: str
    unit: str
    pairs: tuple[tuple[str, float, float], ...]
    source: str

    def __post_init__(self) -> None:
        for label, _, measured in self.pairs:
            if not measured > 0:
                raise ValueError(f"{self.quantity} of {label}: measured {measured} is not positive")

    def relative(self) -> list[float]:
        """Return (estimated - measured) / measured of each pair."""
        return [(estimated - measured) / measured for _, estimated, measured in self.pairs]

    @property
    def mean_absolute(self) -> float:
        """Mean absolute relative residual, as published comparisons give it."""
        return fmean(map(abs, self.relative()))

    @property
    def bias(self) -> float:
        """Mean relative residual: above 0, the estimate is too high on average."""
        return fmean(self.relative())

    @property
    def worst(self) -> tuple[str, float]:
        """Label and relative residual of the pair that is furthest off."""
        residuals = self.relative()
        index = max(range(len(residuals)), key=lambda i: abs(residuals[i]))
        return self.pairs[index][0], residuals[index]


def residuals_section(given: Sequence[Residuals]) -> list[tuple[Residuals, tuple[Plot, ...]]]:
    """Return each quantity that has pairs with its plots: estimate over measurement with the line where both agree, and the residual in percent."""
    return [(one, _plots(one)) for one in given if one.pairs]


def _plots(one: Residuals) -> tuple[Plot, ...]:
    estimated = tuple(e for _, e, _ in one.pairs)
    measured = tuple(m for _, _, m in one.pairs)
    wide = is_wide((*estimated, *measured))
    x = Axis(f"{one.quantity}, measured", one.unit, wide)
    agreement = Plot(
        name=file_stem("estimate-over-measurement", one.quantity, one.source),
        title=f"{one.quantity}: estimate over measurement",
        source=one.source,
        x=x,
        y=Axis(f"{one.quantity}, estimated", one.unit, wide),
        curves=(Curve("estimates; the line is agreement", measured, estimated, joined=False),),
        diagonal=True,
    )
    off = Plot(
        name=file_stem("residuals", one.quantity, one.source),
        title=f"{one.quantity}: residuals of the estimate",
        source=one.source,
        x=x,
        y=Axis("residual [%]"),
        curves=(
            Curve("(estimated - measured) / measured", measured, tuple(100 * r for r in one.relative()), joined=False),
        ),
        level=0.0,
    )
    return agreement, off


_COLUMNS = (
    ("latency", "latency_s", "s"),
    ("energy", "energy_j", "J"),
    ("current", "current_a", "A"),
    ("flash", "flash_bytes", "B"),
    ("RAM", "ram_bytes", "B"),
)


def read_validation(path: Path) -> list[Mapping[str, object]]:
    """Return the array of objects in ``path`` that ``bench validate --json`` printed. Raises ConfigurationError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", hint="check the path") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}", hint=_HINT) from None
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise ConfigurationError(f"{path} holds no array of objects", hint=_HINT)
    return content


_HINT = "write it with: bench validate NETWORK --station S --json > FILE"


def residuals_of(entries: Iterable[Mapping[str, object]], where: str) -> list[Residuals]:
    """Return latency, energy, current, flash and RAM of ``entries`` (objects of ``bench validate --json``); sources apart.

    A quantity that was not measured (null) has no pair. Raises ConfigurationError for objects without the contract's names, and for values
    that are no positive numbers.
    """
    pairs: dict[tuple[str, str, str], list[tuple[str, float, float]]] = {}
    for number, entry in enumerate(entries):
        try:
            source = str(entry["source"])
            words = [str(entry[name]) for name in ("network", "board", "dtype", "reduce") if entry[name]]
            label = " ".join(dict.fromkeys(words))  # int8 reduced by int8 is int8
            clock = f"{float(str(entry['sysclk_hz'])) / 1e6:g} MHz"
            for quantity, column, unit in _COLUMNS:
                estimated, measured = entry[f"{column}_estimated"], entry[f"{column}_measured"]
                if estimated is not None and measured is not None:
                    pair = (f"{label} {clock}", float(str(estimated)), float(str(measured)))
                    pairs.setdefault((source, quantity, unit), []).append(pair)
        except KeyError as error:
            raise ConfigurationError(f"{where}, object {number + 1}: misses {error}", hint=_HINT) from None
        except ValueError as error:
            raise ConfigurationError(f"{where}, object {number + 1}: {error}", hint=_HINT) from None
    try:
        return [Residuals(quantity, unit, tuple(found), source) for (source, quantity, unit), found in pairs.items()]
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}", hint=_HINT) from None
