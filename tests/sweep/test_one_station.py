"""What happens to the rest when images and stations fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from bench.boards.stations import all_stations
from bench.build import BuildCache
from bench.domain.measurement import Point, Run
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import (
    BenchError,
    CompileError,
    DatabaseUnusable,
    DebugProbeError,
    FlashError,
    IdentifyError,
    ProbeDisconnected,
)
from bench.measure.image import Image
from bench.measure.settings import Settings
from bench.store import Repository
from bench.sweep import station
from bench.sweep.ahead import BuildAhead
from bench.sweep.matrix import plan_sweep
from bench.sweep.plan import ImagePlan
from bench.sweep.station import Tally, measure_station
from tests.store.store_samples import a_failure, a_run

PLAN = plan_sweep(
    SweepRequest(
        primitives=tuple(map(PrimitiveSweep, ("relu", "relu6", "exp", "tanh", "sigmoid", "softmax"))),
        dtypes=("fp32",),
        freq="16MHz,48MHz",
    ),
    all_stations(None),
)
assert len(PLAN.images) == 6


@dataclass
class Heard:
    """A listener that remembers."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, *arguments))


def sweep(monkeypatch: pytest.MonkeyPatch, fates: list[BenchError | str | None]) -> tuple[Tally, Heard, list[str]]:
    """Measure PLAN; each image meets its fate: an error, the failure class of all its points, or nothing."""
    tried: list[str] = []

    def execute(plan: ImagePlan, *_: object) -> Iterator[Run]:
        fate = fates[len(tried)]
        tried.append(plan.work.primitive)
        for index, clock in enumerate(plan.clocks):
            where = plan.station
            point = Point(where.name, where.source, plan.board.name, plan.board.mcu, plan.board.core, plan.work, clock)
            if isinstance(fate, BenchError) and index:
                raise fate
            yield a_failure(point, failure_class=fate, reason="of late") if isinstance(fate, str) else a_run(point)

    monkeypatch.setattr(station, "execute", execute)
    monkeypatch.setattr(station, "build_with", lambda _cache: lambda _plan: None)
    heard, tally = Heard(), Tally("here", PLAN.points)
    measure_station(
        PLAN.images, cast(Repository, None), Settings(), BuildCache(Path("unused")), cast(Any, heard), tally
    )
    return tally, heard, tried


def test_an_image_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fates: list[BenchError | str | None] = [None, CompileError("no"), FlashError("worn"), "verify", "run", None]
    tally, heard, tried = sweep(monkeypatch, fates)
    assert len(tried) == 6
    assert (tally.accepted, len(tally.rejected), tally.not_measured, tally.left_out) == (
        2 + 1 + 1 + 0 + 0 + 2,
        6,
        0,
        "",
    )
    assert {entry.failure_class for entry in tally.rejected} == {"build", "flash", "verify", "run"}
    assert [call[2].failure_class for call in heard.calls if call[0] == "failed"] == ["build", "flash"]


def test_a_station_that_keeps_failing_is_left_out_with_its_first_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    tally, heard, tried = sweep(
        monkeypatch, [None, DebugProbeError("gone"), ProbeDisconnected("silent"), "probe", None, None]
    )
    assert len(tried) == 4
    assert tally.left_out == "gone"
    assert tally.accepted + len(tally.rejected) == 8
    assert tally.not_measured == 4
    assert heard.calls[-1] == ("left_out", "gone", 4)


def test_failures_that_are_not_in_a_row_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = DebugProbeError("gone")
    tally, _, tried = sweep(monkeypatch, [gone, gone, None, gone, gone, None])
    assert (len(tried), tally.left_out, tally.not_measured) == (6, "", 0)


def test_another_board_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tally, _, tried = sweep(monkeypatch, [None, IdentifyError("swapped"), None, None, None, None])
    assert len(tried) == 2
    assert (tally.left_out, tally.not_measured) == ("swapped", 8)


def test_a_database_that_fails_ends_it_with_the_tally_right(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatabaseUnusable):
        sweep(monkeypatch, [None, DatabaseUnusable("full")])


def test_images_are_built_ahead_in_order_and_failures_come_with_theirs() -> None:
    built: list[str] = []

    def builder(plan: ImagePlan) -> Image:
        built.append(plan.work.primitive)
        if plan.work.primitive == "exp":
            raise CompileError("no exp")
        return cast(Image, plan.work.primitive)

    with BuildAhead(PLAN.images, builder, ahead=2) as ahead:
        got: list[str] = []
        for plan in PLAN.images:
            assert len(built) <= len(got) + 2
            try:
                got.append(str(ahead.take(plan)))
            except CompileError as error:
                got.append(error.message)
        assert got == ["relu", "relu6", "no exp", "tanh", "sigmoid", "softmax"]
        with pytest.raises(ValueError, match="not the image that comes next"):
            ahead.take(PLAN.images[0])
    assert built == ["relu", "relu6", "exp", "tanh", "sigmoid", "softmax"]
