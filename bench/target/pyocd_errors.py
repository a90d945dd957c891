"""The border where pyOCD's errors become the bench's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyocd.core import exceptions

from bench.errors import BenchError, DebugProbeError


@contextmanager
def pyocd_errors(doing: str, error_class: type[BenchError] = DebugProbeError) -> Iterator[None]:
    """Convert whatever pyOCD raises while ``doing`` something to ``error_class``."""
    try:
        yield
    except (exceptions.Error, OSError) as error:
        raise error_class(
            f"{doing}: {error or type(error).__name__}",
            hint="check the cable and the supply, then try again; `bench doctor` looks at both",
        ) from error
