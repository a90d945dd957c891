"""Every plot of a report as files of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.errors import UsageError
from bench.report.draw import save
from bench.report.plot import Plot


def write_figures(plots: Iterable[Plot], folder: Path) -> Iterator[Path]:
    """Write each of ``plots`` as PNG and SVG into ``folder``, made if missing, and yield each path; older files of these names are replaced.

    Raises UsageError for a folder that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used: dict[str, int] = {}
        for plot in plots:
            used[plot.name] = used.get(plot.name, 0) + 1
            stem = plot.name if used[plot.name] == 1 else f"{plot.name}_{used[plot.name]}"
            for ending in ("svg", "png"):
                path = folder / f"{stem}.{ending}"
                save(plot, path, ending)
                yield path
    except OSError as error:
        raise UsageError(
            f"cannot write figures to {folder}: {error.strerror or error}", hint="name a folder that you may write to"
        ) from None
