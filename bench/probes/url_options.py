"""Options behind a probe's URL: ``TCPIP0::192.168.1.7::inst0::INSTR?channel=2&range=100mA``."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from bench.errors import ParameterError, UnknownName
from bench.units import parse


def split_url(url: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Return what stands before the ``?`` and the options behind it. Raises UnknownName, ParameterError for an option given twice or badly."""
    target, _, query = url.partition("?")
    options: dict[str, str] = {}
    try:
        # "+" is a sign here, not a blank.
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ParameterError(
            f"{url!r}: {query!r} are no options", hint="write them like ?channel=2&range=100mA"
        ) from None
    for key, value in pairs:
        if key not in known:
            raise UnknownName.among(f"option of {target!r}", key, sorted(known))
        if key in options:
            raise ParameterError(f"{url!r}: option {key} is there twice", hint="keep one of them")
        options[key] = value
    return target.strip(), options


def take_option(url: str, key: str) -> tuple[str, str | None]:
    """Return ``url`` without option ``key``, and the option's value, None where it is not there. Other options are somebody else's and stay."""
    target, _, query = url.partition("?")
    parts = [part for part in query.split("&") if part]
    mine = [part.partition("=")[2] for part in parts if part.partition("=")[0] == key]
    if len(mine) > 1:
        raise ParameterError(f"{url!r}: option {key} is there twice", hint="keep one of them")
    others = "&".join(part for part in parts if part.partition("=")[0] != key)
    return f"{target}?{others}" if others else target, mine[0] if mine else None


def quantity(options: Mapping[str, str], key: str, unit: str, default: float) -> float:
    """Return option ``key`` in ``unit``; it must be positive. Raises ParameterError."""
    if key not in options:
        return default
    value = parse(options[key], unit)
    if not value > 0.0:
        raise ParameterError(f"option {key}={options[key]} must be positive", hint=f"like {key}=100 m{unit}")
    return value


def share(options: Mapping[str, str], key: str, default: float) -> float:
    """Return option ``key``, written as ``30%`` or ``0.3``; above 0, below 1. Raises ParameterError."""
    if key not in options:
        return default
    text = options[key].strip()
    value = parse(text.removesuffix("%"), "") / (100.0 if text.endswith("%") else 1.0)
    if not 0.0 < value < 1.0:
        raise ParameterError(f"option {key}={text} must be above 0 and below 100 %", hint=f"like {key}=30%")
    return value


def stated_limits(options: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Return the limits of error that a user states, ``gain`` (0.05%) and ``offset`` (10uA); None for one that is not stated. Raises ParameterError."""
    return (
        share(options, "gain", 0.0) if "gain" in options else None,
        quantity(options, "offset", "A", 0.0) if "offset" in options else None,
    )
