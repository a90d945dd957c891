"""A filled database, and pages made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bench.domain.lut import LutRow
from bench.report.page import Origin, Report
from bench.report.residuals import Residuals
from bench.report.series import collect
from bench.store import Overview, Store, open_store
from tests.report.report_samples import fill, rejections, runs, table
from tests.store.store_samples import NOON

NOTHING = Overview(0, 0, 0, 0, (), (), (), ())
ESTIMATES = (
    Residuals("latency", "s", (("LeNet-5 fp32", 0.011, 0.010), ("LeNet-5 int8", 0.0045, 0.005)), "virtual"),
    Residuals("energy", "J", (("LeNet-5 fp32", 1.2e-3, 1.0e-3),), "virtual"),
)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return a database of two boards, accepted and rejected runs."""
    with open_store(str(tmp_path_factory.mktemp("filled") / "measurements.db")) as store:
        fill(store, [*runs(every=6), *rejections()])
        yield store


@pytest.fixture(scope="session")
def report(filled: Store) -> Report:
    """Return a report with everything: all clocks (too many to record in a test), what ``filled`` says of its runs, and estimates."""
    found = collect(table(runs()))
    origin = Origin("What the primitives cost", filled.name, "everything", "0.1.0", NOON)
    return Report(origin, found, filled.repository.overview(), ESTIMATES)


@pytest.fixture
def report_of() -> Callable[..., Report]:
    """Return a maker of reports of some rows, without a database."""

    def make(found: Sequence[LutRow], overview: Overview = NOTHING, residuals: Sequence[Residuals] = ()) -> Report:
        return Report(Origin("A title", "a.db", "everything", "0.1.0", NOON), collect(found), overview, residuals)

    return make


@pytest.fixture(scope="session")
def html(report: Report) -> str:
    """Return the page of ``report``."""
    return report.html()


@pytest.fixture(scope="session")
def page(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of ``report`` in a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path
