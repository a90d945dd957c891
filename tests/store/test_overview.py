"""What a selection holds as a whole, on either database."""

from __future__ import annotations

from dataclasses import replace

from bench.domain.station import Source
from bench.store import Selection, Store
from tests.store.store_samples import ENERGY, NOON, SLOW, a_failure, a_point, a_run

COLD = replace(ENERGY, temperature_degc=-4.0, vdd_v=3.0, trace=None)
HARDWARE = a_point(station="desk", source=Source.HARDWARE)


def test_an_empty_database(store: Store) -> None:
    found = store.repository.overview()
    assert (found.accepted, found.rejected, found.points, found.never_accepted) == (0, 0, 0, 0)
    assert (found.stations, found.failures, found.origins, found.environments) == ((), (), (), ())


def test_counts_conditions_failures_and_origins(store: Store) -> None:
    record = store.repository.record
    record(a_run())
    record(a_run(minutes=1, energy_run=COLD, environment=(("host", "lab-4"), ("python", "3.11"))))
    for minutes in (2, 3):
        record(a_failure(minutes=minutes))
    record(a_failure(a_point(clock=SLOW), minutes=4, reason="another"))
    record(a_run(HARDWARE, minutes=5, energy_run=None, bench_version="0.2.0"))

    found = store.repository.overview()
    assert (found.accepted, found.rejected, found.points, found.never_accepted) == (3, 3, 3, 1)
    desk, virtual = found.stations
    assert (desk.name, desk.source, desk.probes, desk.vdd_v, desk.window_s) == ("desk", "hardware", (), None, None)
    assert (virtual.accepted, virtual.rejected) == (2, 3)
    assert (virtual.probes, virtual.vdd_v, virtual.temperature_degc) == (("lpm01a",), (3.0, 3.3), (-4.0, 25.0))
    assert virtual.first == NOON
    assert [(f.failure_class, f.reason, f.runs) for f in found.failures] == [
        ("flash", "sector 3 does not erase", 2),
        ("flash", "another", 1),
    ]
    assert [(o.bench_version, o.compiler, o.runs, o.images) for o in found.origins] == [
        ("0.2.0", "arm-none-eabi-gcc 12.2.1", 1, 1),
        ("0.1.0", "", 3, 0),
        ("0.1.0", "arm-none-eabi-gcc 12.2.1", 2, 1),
    ]
    assert found.environments == (("host", ("lab-3", "lab-4")), ("python", ("3.11",)))


def test_only_what_is_selected_counts(store: Store) -> None:
    store.repository.record(a_run())
    store.repository.record(a_run(HARDWARE))
    store.repository.record(a_failure())
    found = store.repository.overview(Selection().narrowed(["hardware"]))
    assert (found.accepted, found.rejected, found.points) == (1, 0, 1)
    assert [station.name for station in found.stations] == ["desk"]
    assert store.repository.overview(Selection(primitives=("relu",))).points == 0
