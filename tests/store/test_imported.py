"""Imported rows: all or nothing, found by every filter, never in the way of what was measured here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.domain.lut import LutRow, row
from bench.domain.station import Source
from bench.errors import UnknownName, UsageError
from bench.lut import rows
from bench.store import Selection, Store
from tests.store.store_samples import NOON, SLOW, a_point, a_run


def published(k: int = 5, cycles: float = 1000.0) -> LutRow:
    return replace(row(a_run(a_point(k=k))), source="published", station="thesis", cycles=cycles)


def bring(store: Store, *table: LutRow) -> tuple[int, int]:
    done = store.imported.record(iter(table), file_name="lut.csv", file_sha256="ab" * 32, imported_at=NOON)
    return done.new, done.replaced


def test_what_was_imported_comes_out_unchanged(store: Store) -> None:
    table = [published(3), published(5), replace(published(7), energy_j=None, vdd_v=None)]
    assert bring(store, *table) == (3, 0)
    assert list(rows(store, Selection())) == table


def test_the_same_file_again_adds_nothing_and_a_newer_one_replaces(store: Store) -> None:
    bring(store, published(), published(3))
    assert bring(store, published(cycles=900.0)) == (0, 1)
    assert {found.cycles for found in rows(store, Selection())} == {900.0, 1000.0}


def test_a_failure_in_the_middle_leaves_nothing(store: Store) -> None:
    def broken() -> Iterator[LutRow]:
        yield published()
        raise OSError("the file ended")

    with pytest.raises(OSError, match="the file ended"):
        store.imported.record(broken(), file_name="f", file_sha256="", imported_at=NOON)
    assert list(rows(store, Selection())) == []


def test_what_was_measured_here_stands(store: Store) -> None:
    store.repository.record(a_run())
    bring(store, replace(row(a_run(minutes=60)), cycles=1.0), row(a_run(a_point(k=3))))
    found = list(rows(store, Selection()))
    assert [line.kernel_h for line in found] == [5, 3]
    assert found[0].cycles != 1.0


def test_sources_are_not_mixed_unasked(store: Store) -> None:
    store.repository.record(a_run())
    bring(store, published())
    with pytest.raises(UsageError, match="several sources"):
        rows(store, Selection())
    (only,) = rows(store, Selection(sources=(Source.PUBLISHED,)))
    assert only.station == "thesis"
    assert len(list(rows(store, Selection(sources=(Source.VIRTUAL, Source.PUBLISHED))))) == 2


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize(
    "selection",
    [
        Selection(boards=("nucleo_f446ze",), primitives=("conv2d",), dtypes=("fp32",)),
        Selection(flavors=("naive",), opt_levels=("O3",)),
        Selection(sysclks_hz=(16e6,)),
        Selection(clock_ids=(SLOW.id,)),
    ],
    ids=str,
)
def test_every_filter_finds_measured_and_imported_alike(store: Store, selection: Selection, measured: bool) -> None:
    run = a_run(a_point(clock=SLOW))
    if measured:
        store.repository.record(run)
    else:
        bring(store, row(run))
    assert list(rows(store, selection)) == [row(run)]
    assert list(rows(store, replace(selection, clock_ids=(), sysclks_hz=(17e6,)))) == []


def test_an_unknown_flavor_is_named(store: Store) -> None:
    bring(store, published())
    with pytest.raises(UnknownName, match="'naiv'"):
        rows(store, Selection(flavors=("naiv",)))
