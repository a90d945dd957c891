"""From a request to a plan: what is in it, in which order, what is left out and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.stations import all_stations
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import ParameterError, UnknownName, UnreachableClock, UsageError
from bench.sweep.matrix import SweepPlan, plan_sweep

STATIONS = all_stations(None)
F446, L496 = "virtual-nucleo_f446ze", "virtual-nucleo_l496zg"


def plan(primitives: Sequence[str | PrimitiveSweep] = (), **changes: object) -> SweepPlan:
    named = tuple(PrimitiveSweep(entry) if isinstance(entry, str) else entry for entry in primitives)
    return plan_sweep(replace(SweepRequest(primitives=named), **changes), STATIONS)  # type: ignore[arg-type]


def test_no_request_is_the_whole_set_at_fourteen_clocks_on_the_default_station() -> None:
    whole = plan()
    assert {image.work.primitive for image in whole.images} >= {
        "conv2d",
        "relu",
        "exp",
        "fully_connected",
        "residual_add",
    }
    assert {str(image.work.dtype) for image in whole.images} == {"fp32", "int8"}
    assert whole.points == 14 * len(whole.images)
    assert [station.name for station in whole.stations()] == [F446]
    assert whole.skipped == ()
    assert len({image.work for image in whole.images}) == len(whole.images)


def test_the_order_is_the_requests() -> None:
    found = plan(["relu", "add"], stations=(L496, F446), dtypes=("int8", "fp32"), freq="16MHz")
    seen = list(dict.fromkeys((i.station.name, i.work.primitive, str(i.work.dtype)) for i in found.images))
    assert seen == [
        (station, primitive, dtype)
        for station in (L496, F446)
        for primitive in ("relu", "add")
        for dtype in ("int8", "fp32")
    ]
    assert plan(["relu", "add"], stations=(L496, F446), dtypes=("int8", "fp32"), freq="16MHz") == found
    assert found.of_station(F446).points == found.of_station(L496).points == found.points // 2


def test_a_grid_is_every_combination_and_nothing_is_there_twice() -> None:
    grid = PrimitiveSweep("conv2d", (("k", (3, 5, 3)), ("in_h", (16, 24)), ("in_w", (16,))))
    found = plan([grid, grid], dtypes=("fp32",), freq="16MHz")
    assert [(image.work["k"], image.work["in_h"]) for image in found.images] == [(3, 16), (3, 24), (5, 16), (5, 24)]


def test_a_combination_that_cannot_be_is_left_out_and_named() -> None:
    found = plan([PrimitiveSweep("conv2d", (("k", (3, 9)), ("in_h", (8,)), ("in_w", (8,))))], dtypes=("fp32",))
    assert [image.work["k"] for image in found.images] == [3]
    (skipped,) = found.skipped
    assert "k=9" in skipped.what
    assert "larger than the 8 x 8 input" in skipped.reason


def test_a_single_set_of_parameters_that_cannot_be_is_an_error() -> None:
    with pytest.raises(ParameterError, match="larger than the 8 x 8 input"):
        plan([PrimitiveSweep("conv2d", (("k", (9,)), ("in_h", (8,)), ("in_w", (8,))))])
    with pytest.raises(ParameterError, match="bytes of RAM"):
        plan([PrimitiveSweep("conv2d", (("in_h", (400,)), ("in_w", (400,))))])


def test_what_does_not_fit_the_memory_is_left_out_of_a_grid_and_named_with_its_station() -> None:
    found = plan(
        [
            PrimitiveSweep("relu", (("n", (64, 4096, 2048)),)),
            PrimitiveSweep("conv2d", (("in_h", (16, 400)), ("in_w", (400,)))),
        ],
        dtypes=("fp32",),
        freq="16MHz",
    )
    assert [image.work["in_h"] for image in found.images if image.work.primitive == "conv2d"] == [16]
    (skipped,) = found.skipped
    assert skipped.station == F446
    assert "in_h=400" in skipped.what
    assert "bytes of RAM" in skipped.reason


def test_nothing_left_of_a_named_primitive_is_an_error() -> None:
    with pytest.raises(ParameterError, match="nothing is left of relu") as raised:
        plan(["conv2d", "relu"], flavors=("dsp",))
    assert "naive" in raised.value.hint
    with pytest.raises(ParameterError, match="nothing of conv2d fits NUCLEO-F446ZE"):
        plan([PrimitiveSweep("conv2d", (("in_h", (400, 401)), ("in_w", (400,))))])


def test_flavors_that_a_data_type_lacks_are_named() -> None:
    found = plan(["conv2d"], flavors=("naive", "dsp"), freq="16MHz")
    assert {(str(image.work.dtype), image.work.flavor) for image in found.images} == {
        ("fp32", "naive"), ("int8", "naive"), ("int8", "dsp"),
    }  # fmt: skip
    assert [entry.what for entry in found.skipped] == ["conv2d fp32 dsp"]


def test_what_the_host_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown station 'desk'"):
        plan(stations=("desk",))
    with pytest.raises(UnreachableClock):
        plan(["relu"], freq="181MHz")
    with pytest.raises(ParameterError, match="names no clock"):
        plan(["relu"], freq=",")
    with pytest.raises(ParameterError, match="CMSIS-NN"):
        plan(["conv2d"], dtypes=("int8",), flavors=("cmsis-nn",))
    with pytest.raises(ParameterError, match="does not exist"):
        plan_sweep(SweepRequest(dtypes=("int8",), flavors=("cmsis-nn",)), STATIONS, {"cmsis-nn": Path("/nowhere")})


def test_two_stations_on_one_board_are_refused() -> None:
    twin = replace(STATIONS[F446], name="virtual-twin")
    with pytest.raises(UsageError, match="same debug probe"):
        plan_sweep(SweepRequest(stations=(F446, "virtual-twin")), {**STATIONS, "virtual-twin": twin})
