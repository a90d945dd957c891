"""Every line of the fault table, on a virtual board: what the bench said, did and recorded, and that the other points came out right."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.paths import data_dir
from bench.build import BuildCache
from bench.clocktree import solve
from bench.domain.event import Event
from bench.domain.measurement import Run, Verdict
from bench.domain.primitives import workload
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.errors import BenchError
from bench.measure.settings import Settings
from bench.store import Store, open_store
from bench.sweep.execute import execute
from bench.sweep.plan import plan_image
from tests.end_to_end.fault_cases import (
    CASES,
    CLOCKS_MHZ,
    FIRST,
    ORDER_SEED,
    SECOND,
    SOMEWHERE,
    THIRD,
    Case,
    policy_table,
    table,
)

BOARD = load_board("nucleo_f446ze")
UNIQUE_ID = "virtual-nucleo_f446ze-faults"
SETTINGS = Settings(repeats=10, window_s=10e-3, idle_s=5e-3, order_seed=ORDER_SEED)
KERNEL = "conv2d_fp32_naive.c.j2"
DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass
class Audience:
    """Hears everything; ``on_event`` and ``on_record`` may do something about it."""

    said: list[str] = field(default_factory=list)
    recorded_runs: list[Run] = field(default_factory=list)
    given_up: int = 0
    on_event: Callable[[str], None] = lambda _: None
    on_record: Callable[[], None] = lambda: None

    def event(self, text: str) -> None:
        """Take note."""
        self.said.append(text)
        self.on_event(text)

    def step(self, text: str) -> None:
        """Ignore."""

    def recorded(self, run: Run) -> None:
        """Take note."""
        self.recorded_runs.append(run)
        self.on_record()

    def gave_up(self, points: int) -> None:
        """Take note."""
        self.given_up += points


@dataclass(frozen=True)
class Witness:
    """What is left of an execution: in the database, in the ears, and the error that ended it."""

    runs: dict[int, Run]
    events: list[Event]
    audience: Audience
    error: BenchError | None

    def accepted(self) -> dict[int, Run]:
        """Return the accepted runs by clock [MHz]."""
        return {mhz: run for mhz, run in self.runs.items() if run.verdict is Verdict.ACCEPTED}


def mhz_of(run: Run | Event) -> int:
    """Return the core clock."""
    return round(run.point.clock.hclk_hz / 1e6)


def a_station(case: Case | None) -> Station:
    """Return the station of ``case``."""
    faults = "" if case is None else case.how.get("probe", "")
    probe = CurrentProbeConfig("lpm01a", f"virtual://{UNIQUE_ID}/lpm01a?seed=7{f'&fault={faults}' if faults else ''}")
    station = Station("virtual-faulty", BOARD.name, Source.VIRTUAL, UNIQUE_ID, probe)
    wrong = "" if case is None else case.how.get("station", "")
    if wrong == "mcu_unique_id":
        return replace(station, mcu_unique_id="00" * 12)
    if wrong == "debug_probe":
        other = "virtual-nucleo_l496zg-faults"
        return replace(
            station, debug_probe=other, current_probe=CurrentProbeConfig("lpm01a", f"virtual://{other}/lpm01a")
        )
    return station


def put_kernel(folder: Path, ending: str) -> None:
    """Write a copy of the convolution that ends each call with ``ending``."""
    text = (data_dir("firmware_templates") / "kernels" / KERNEL).read_text(encoding="utf-8")
    body, brace, _ = text.rpartition("}")
    text = body.replace(
        '#include "harness.h"', '#include "harness.h"\n#include "mailbox.h"\nextern volatile struct mailbox mailbox;'
    )
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / KERNEL).write_text(f"{text}    {ending}\n{brace}\n", encoding="utf-8")


def measure(
    case: Case | None, cache: BuildCache, store: Store, audience: Audience, mend: Callable[[], None] = lambda: None
) -> Witness:
    """Measure three clocks, ``mend`` the database, and return what is left."""
    clocks = [solve(BOARD, mhz * 1e6) for mhz in CLOCKS_MHZ]
    work = workload("conv2d", {"k": 3, "in_h": 8, "in_w": 8})
    plan = plan_image(a_station(case), BOARD, work, clocks)
    error: BenchError | None = None
    try:
        for _ in execute(plan, store.repository, SETTINGS, cache, audience):
            pass
    except BenchError as raised:
        error = raised
    mend()
    runs = {mhz_of(stored.run): stored.run for stored in reversed(list(store.repository.runs()))}
    return Witness(runs, list(store.repository.events()), audience, error)


@pytest.fixture(scope="module")
def cache(build_cache: BuildCache) -> BuildCache:
    """Return the cache of all tests."""
    return build_cache


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, cache: BuildCache) -> tuple[Witness, Path]:
    """Measure without any fault; return what is left, and where the board's flash lies."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch, open_store(str(folder / "m.db")) as store:
        patch.setenv("BENCH_VIRTUAL_STATE", str(folder / "virtual"))
        return measure(None, cache, store, Audience()), folder / "virtual"


@pytest.fixture(scope="module")
def undisturbed(first: tuple[Witness, Path]) -> Witness:
    """Return what is left of a measurement without any fault."""
    return first[0]


def fill_up(store: Store, pages: int) -> None:
    """Let the database have only ``pages`` pages, 0: as many as it has."""
    with ExitStack() as stack:
        for _ in range(store._engine.pool.checkedin()):  # type: ignore[attr-defined]  # a QueuePool; each connection has its own limit
            connection = stack.enter_context(store._engine.connect())
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages or 1}")


def disturb_database(how: str, store: Store, path: Path, audience: Audience) -> Callable[[], None]:
    """Let the database fail after the first run was recorded; where it is "freed", until the bench has said so. Returns what ends it."""
    locker = sqlite3.connect(path, isolation_level=None)
    enough = 1 << 30

    def begin() -> None:
        if len(audience.recorded_runs) == 1:
            if how.startswith("full"):
                locker.execute("VACUUM")  # else there may be room inside
                fill_up(store, 0)
            else:
                locker.execute("BEGIN IMMEDIATE")

    def end(text: str = "database") -> None:
        if "database" in text:
            fill_up(store, enough)
            if locker.in_transaction:
                locker.execute("ROLLBACK")

    audience.on_record = begin
    if how.endswith("freed"):
        audience.on_event = end

    def finish() -> None:
        end()
        locker.close()

    return finish


def test_the_undisturbed_run_is_in_the_order_of_its_seed(undisturbed: Witness) -> None:
    assert undisturbed.error is None
    assert undisturbed.events == []
    assert [mhz_of(run) for run in undisturbed.audience.recorded_runs] == [FIRST, SECOND, THIRD, FIRST]
    assert [run.sentinel for run in undisturbed.audience.recorded_runs] == [False, False, False, True]
    assert {run.order_seed for run in undisturbed.audience.recorded_runs} == {ORDER_SEED}
    assert [run.order_position for run in undisturbed.audience.recorded_runs] == [0, 1, 2, 3]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(
    case: Case, tmp_path: Path, cache: BuildCache, first: tuple[Witness, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, flash = first
    if "flash" not in case.fault:  # programming takes longer than measuring; who programs first is the first run of all
        shutil.copytree(flash, tmp_path / "virtual")
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    monkeypatch.setenv("BENCH_VIRTUAL_FAULTS", case.how.get("board", ""))
    if kernel := case.how.get("kernel"):
        put_kernel(tmp_path / "templates", kernel)
        monkeypatch.setenv("BENCH_TEMPLATES", str(tmp_path / "templates"))
    audience = Audience()
    path = tmp_path / "m.db"
    with open_store(str(path), busy_timeout_s=0.01) as store:
        if "database" in case.how:
            seen = measure(case, cache, store, audience, disturb_database(case.how["database"], store, path, audience))
        else:
            seen = measure(case, cache, store, audience)

    assert type(seen.error).__name__ == (case.ends or "NoneType")
    everything = [event.cause for event in seen.events] + audience.said
    if seen.error is not None:
        everything.append(f"{seen.error} {seen.error.detail}")
    assert any(case.said in text for text in everything), everything

    did: dict[int, tuple[str, ...]] = {}
    for event in seen.events:
        where = SOMEWHERE if SOMEWHERE in case.did else mhz_of(event)
        did[where] = (*did.get(where, ()), str(event.action))
    assert did == case.did, "\n".join(map(str, seen.events))

    rejected = {mhz: run.failure_class for mhz, run in seen.runs.items() if run.verdict is Verdict.REJECTED}
    assert rejected == case.rejected
    if case.ends != "DatabaseUnusable":
        assert seen.runs.keys() == set(CLOCKS_MHZ)
    assert_right(seen, undisturbed, case)


def assert_right(seen: Witness, undisturbed: Witness, case: Case) -> None:
    """Compare the accepted points with the undisturbed ones: cycles to the cycle, energy but for noise."""
    own_kernel = "kernel" in case.how  # has some instructions more, and is compared with itself
    for mhz, run in seen.accepted().items():
        right = undisturbed.runs[mhz]
        assert run.result is not None
        assert right.result is not None
        assert run.cycle_run is not None
        assert right.cycle_run is not None
        assert run.cycle_run.output_sha256 == right.cycle_run.output_sha256
        tolerance = 0.02 if own_kernel else 0.0
        assert run.result.cycles == pytest.approx(right.result.cycles, rel=tolerance, abs=0.5)
        assert run.result.energy_j == pytest.approx(right.result.energy_j, rel=tolerance + 1e-3)
        assert run.result.sysclk_measured_hz == pytest.approx(right.result.sysclk_measured_hz, rel=1e-3)


def test_the_tables_in_the_documentation_are_these() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert table() in text
    assert policy_table() in text
