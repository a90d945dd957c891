"""Cost models against laws that are known: what is fitted, refused, interpolated, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.domain.clock import ClockConfiguration
from bench.domain.lut import LutRow
from bench.domain.primitives import PRIMITIVES
from bench.domain.primitives.windows import output_size
from bench.domain.workload import DType
from bench.errors import BenchError, ParameterError, UnknownName, UsageError
from bench.estimate.clocks import basis
from bench.estimate.estimator import Estimate, Estimator
from bench.estimate.memory import buffers, linked_bytes, live_ram_bytes, published_ram_bytes
from bench.estimate.models import MissingPoints, Model
from bench.estimate.networks import NETWORKS, network
from bench.estimate.nonnegative import solve
from bench.estimate.published import table as published
from bench.estimate.reduction import pruned
from bench.estimate.table import Table
from bench.estimate.terms import window_lines
from bench.firmware.golden import golden
from bench.firmware.golden.convolution import padding
from bench.firmware.layout import Role
from tests.estimate.laws import CLOCKS, CODE_BYTES, SHAPES, VDD_V, cycles, grid, power_w, table_rows

BOARD = "nucleo_f446ze"


@cache
def rows() -> tuple[LutRow, ...]:
    """Return the law's table for one board in fp32."""
    return tuple(table_rows())


@cache
def table() -> Table:
    """Return it indexed."""
    return Table.of(rows())


def law_s(name: str, clock: ClockConfiguration) -> float:
    """Return what the network costs by the law."""
    layers = network(name).layers
    return sum(cycles(layer.workload(DType.FP32), clock.flash_wait_states) for layer in layers) / clock.hclk_hz


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_fit_finds_the_law(name: str) -> None:
    """Latency, energy, current of shapes that were not measured; the uncertainty is the table's, as all of it is common."""
    for found, clock in zip(Estimator.at_measured_clocks(table(), BOARD).estimate(network(name)), CLOCKS, strict=True):
        assert found.latency_s == pytest.approx(law_s(name, clock), rel=1e-6)
        assert found.energy_j == pytest.approx(law_s(name, clock) * power_w(clock), rel=1e-6)
        assert found.current_a == pytest.approx(power_w(clock) / VDD_V, rel=1e-6)
        assert found.latency_u95_s == pytest.approx(1e-4 * found.latency_s, rel=0.01)
        assert found.energy_u95_j == pytest.approx(0.02 * (found.energy_j or 0), rel=0.01)
        assert found.extrapolated_layers == 0
        assert sum(layer.latency_s for layer in found.layers) == pytest.approx(found.latency_s)


def test_scatter_widens_the_uncertainty() -> None:
    """Points that no model meets make the estimate less sure, and it stays within what it says."""
    generator = np.random.default_rng(1)

    def scattered(row: LutRow) -> LutRow:
        return replace(row, latency_s=row.latency_s * (1 + 0.03 * generator.standard_normal()))

    noisy = Table.of(table_rows(change=scattered))
    for found, clock in zip(
        Estimator.at_measured_clocks(noisy, BOARD).estimate(network("lenet5")), CLOCKS, strict=True
    ):
        assert 0.01 < found.latency_u95_s / found.latency_s < 0.1
        assert abs(found.latency_s - law_s("lenet5", clock)) < found.latency_u95_s


def test_published_is_unit_cost_times_applications() -> None:
    """The unit cost is that of the published shape where it was measured; a layer's own row where it is one."""
    shapes: list[tuple[str, dict[str, int | str]]] = [
        *grid("conv2d", size=[32], k=[5]),
        *grid("avgpool2d", size=[32], k=[2]),
        ("relu", {}),
        ("softmax", {"n": 10}),
        ("fully_connected", {"n_in": 400, "n_out": 120}),
        ("fully_connected", {"n_in": 120, "n_out": 84}),
        ("fully_connected", {"n_in": 84, "n_out": 10}),
    ]
    made = table_rows([*shapes, *SHAPES[:20]])
    estimator = Estimator.at_measured_clocks(Table.of(made), BOARD, model=Model.PUBLISHED)
    found = estimator.estimate(network("lenet5"))[0]
    by_shape = {(row.primitive, row.params): row for row in made if row.clock_id == CLOCKS[0].id}

    def unit(primitive: str, at: int) -> float:
        return next(row for row in made[at * 4 :] if row.primitive == primitive).latency_per_application_s

    expected = unit("conv2d", 0) * 14304 + unit("avgpool2d", 1) * 1576 + unit("relu", 2) * 6508
    expected += sum(made[at * 4].latency_s for at in (3, 4, 5, 6))
    assert found.latency_s == pytest.approx(expected)
    assert by_shape
    assert "unit cost of k=5, in_h=32" in found.layers[0].basis
    assert found.layers[6].basis == "a measured layer"


def test_missing_points_are_named_with_the_command() -> None:
    """Every primitive at once."""
    few = Table.of([row for row in rows() if row.primitive not in ("softmax", "avgpool2d")])
    with pytest.raises(MissingPoints, match="avgpool2d k=2, softmax 10/10") as caught:
        Estimator.at_measured_clocks(few, BOARD).estimate(network("lenet5"))
    assert "bench sweep plans/cost-model.yaml --station virtual-nucleo_f446ze --dtype fp32" in caught.value.hint
    with pytest.raises(MissingPoints) as caught:
        Estimator.at_measured_clocks(few, BOARD, model=Model.PUBLISHED).estimate(network("lenet5"))
    assert "--primitive avgpool2d --primitive softmax --dtype fp32" in caught.value.hint


def test_a_clock_without_points_is_left_out_or_refused() -> None:
    """All clocks: the others; this clock: an error that names it."""
    last = CLOCKS[-1]
    part = Table.of([row for row in rows() if row.clock_id != last.id or row.primitive != "softmax"])
    estimator = Estimator.at_measured_clocks(part, BOARD)
    assert [found.clock_id for found in estimator.estimate(network("lenet5"))] == [clock.id for clock in CLOCKS[:-1]]
    with pytest.raises(MissingPoints, match="softmax") as caught:
        replace(estimator, skip_incomplete=False).estimate(network("lenet5"))
    assert last.id in caught.value.hint


def test_a_point_that_misses_a_clock_does_not_matter() -> None:
    """A rejected run here and there: the other points of that clock carry it."""
    generator = np.random.default_rng(2)
    part = Table.of([row for row in rows() if generator.random() > 0.05 or row.primitive in ("softmax", "relu")])
    for found, clock in zip(Estimator.at_measured_clocks(part, BOARD).estimate(network("lenet5")), CLOCKS, strict=True):
        assert found.latency_s == pytest.approx(law_s("lenet5", clock), rel=1e-3)


def test_extrapolation_is_refused_unless_asked_for() -> None:
    """Layer, parameter and range are named."""
    small = Table.of([row for row in rows() if row.primitive != "relu" or "40000" not in row.params])
    with pytest.raises(ParameterError, match="lie outside what was measured") as caught:
        Estimator.at_measured_clocks(small, BOARD).estimate(network("lenet5"))
    assert "act1 (relu): n = 4704 (measured 4 .. 600)" in caught.value.detail
    made = Estimator.at_measured_clocks(small, BOARD, extrapolate=True).estimate(network("lenet5"))[0]
    assert made.extrapolated_layers == 2
    assert made.latency_s == pytest.approx(law_s("lenet5", CLOCKS[0]), rel=1e-6)


def test_sources_are_not_mixed_unasked() -> None:
    """Nor is an empty table silent, nor an unknown board."""
    mixed = [rows()[0], replace(rows()[1], source="hardware")]
    with pytest.raises(UsageError, match="hardware and virtual"):
        Table.of(mixed)
    assert Table.of(mixed, ("virtual", "hardware")).source == "hardware+virtual"
    assert Table.of(mixed, ("hardware",)).source == "hardware"
    with pytest.raises(BenchError, match="no rows of source published"):
        Table.of(mixed, ("published",))
    with pytest.raises(UnknownName, match="nucleo_x"):
        Estimator.at_measured_clocks(table(), "nucleo_x")


def test_the_latest_row_counts() -> None:
    """Two stations, one point."""
    old = rows()[0]
    new = replace(old, station="other", latency_s=9.0, measured_at=old.measured_at.replace(year=2027))
    point = next(iter(Table.of([new, old]).points.values()))[0]
    assert point.rows[old.clock_id].latency_s == 9.0


def test_a_clock_between_measured_ones() -> None:
    """Cycles by wait states, power by frequency; outside the measured clocks only when asked."""
    target = ClockConfiguration.parse("hsebyp8-m4n200r4-ahb1-apb4.2-scale3-ws3-pid")
    known = table().clocks[BOARD]
    between = basis(target, known)
    assert (between.low, between.high) == (CLOCKS[2].id, CLOCKS[3].id)
    estimator = replace(Estimator.at_measured_clocks(table(), BOARD), clocks=(between,))
    found = estimator.estimate(network("resnet8"))[0]
    assert found.latency_s == pytest.approx(law_s("resnet8", target), rel=1e-6)
    assert found.energy_j == pytest.approx(law_s("resnet8", target) * power_w(target), rel=1e-6)
    assert found.clock_basis.startswith("interpolated between")
    low = ClockConfiguration.parse("hsi16-ahb4-apb1.1-scale3-ws0-pid")
    with pytest.raises(ParameterError, match=r"4 MHz is outside the measured clocks, 16 \.\. 180 MHz"):
        basis(low, known)
    assert str(basis(low, known, extrapolate=True)).startswith("extrapolated")


@given(size=st.integers(1, 60), k=st.integers(1, 10), stride=st.integers(1, 8), mode=st.sampled_from(["same", "valid"]))
@settings(max_examples=200)
def test_lines_of_windows_inside_the_image(size: int, k: int, stride: int, mode: str) -> None:
    """As the kernels clip them."""
    if k > size:
        return
    before = padding(size, k, stride, mode)[0]
    starts = [at * stride - before for at in range(output_size(size, k, stride, mode))]
    expected = sum(min(start + k, size) - max(start, 0) for start in starts)
    values = [np.array([float(value)]) for value in (size, k, stride, mode == "same")]
    assert window_lines(values[0], values[1], values[2], values[3])[0] == expected


@given(seed=st.integers(0, 2**32 - 1), points=st.integers(3, 12), terms=st.integers(1, 6))
@settings(max_examples=60)
def test_non_negative_least_squares(seed: int, points: int, terms: int) -> None:
    """The solution is optimal: no coefficient can be moved, within its bound, to a better fit."""
    generator = np.random.default_rng(seed)
    matrix, values = generator.random((points, terms)), generator.normal(size=(points, 3))
    found = solve(matrix, values)
    gradient = matrix.T @ (matrix @ found - values)
    assert (found >= 0).all()
    assert (gradient > -1e-6).all()
    assert np.abs(gradient * found).max() < 1e-6


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize(("dtype", "flavor"), [(DType.FP32, "naive"), (DType.INT8, "naive"), (DType.INT8, "dsp")])
def test_memory_is_what_the_kernels_take(name: str, dtype: DType, flavor: str) -> None:
    """Weights, tables, tensors and working memory as the firmware lays them out."""
    net = network(name)
    tables: dict[str, int] = {}
    constants, scratch, outputs = 0, [], []
    for layer in net.layers:
        own = flavor if flavor in PRIMITIVES[layer.primitive].flavors[dtype] else "naive"
        for tensor in golden(layer.primitive).layout(layer.workload(dtype, own)).tensors:
            if tensor.name == "table":
                tables[layer.primitive] = tensor.size_bytes
            elif tensor.constant:
                constants += -(-tensor.size_bytes // 16) * 16
            elif tensor.role is Role.SCRATCH:
                scratch.append(tensor.size_bytes)
            elif tensor.role is Role.OUTPUT:
                outputs.append(tensor.size_bytes)
    assert linked_bytes(net, dtype, {}) == constants + sum(tables.values()) + 12 + 8 * len(net.layers)
    found = buffers(net, dtype, flavor)[1:]
    names = {layer.name for layer in net.layers}
    assert [buffer.size_bytes for buffer in found if buffer.name in names] == outputs
    assert [buffer.size_bytes for buffer in found if buffer.name not in names] == scratch


def test_ram_by_the_published_rule() -> None:
    """As printed: LeNet-5 in both types and pruned, ResNet8; where the printed tables do not follow their own rule the shapes count."""
    printed = [
        row for row in published("memory") if row["quantity"] == "ram" and row["table"] in ("4.5", "4.11", "4.18")
    ]
    for config in {row["config"] for row in printed}:
        most = max(float(row["value"]) for row in printed if row["config"] == config)
        rate = int(config.partition("_p")[2] or 0)
        dtype = DType.INT8 if config == "int8" else DType.FP32
        assert published_ram_bytes(pruned(network("lenet5"), rate), dtype) / 1000 == pytest.approx(most, abs=0.006)
    assert published_ram_bytes(network("resnet8"), DType.FP32) == 196_608
    assert published_ram_bytes(network("resnet8"), DType.INT8) == 49_152
    # Table 5.6 prints 73.73 kB for 70 %: it takes an output of 8,192 where five channels leave 5 x 32 x 32.
    assert published_ram_bytes(pruned(network("resnet8"), 70), DType.FP32) == 4 * 3 * 5 * 32 * 32


def test_flash_counts_code_once() -> None:
    """Five kernels of equal code, in units of 32 bytes; ten tensors, in units of 16; twelve calls. RAM is the arena."""
    found: Estimate = Estimator.at_measured_clocks(table(), BOARD).estimate(network("lenet5"))[0]
    assert CODE_BYTES == 500
    tensors = 608 + 32 + 9600 + 64 + 192000 + 480 + 40320 + 336 + 3360 + 48
    assert found.flash_bytes == 5 * 512 + tensors + 12 * 8 + 12
    assert found.ram_bytes == live_ram_bytes(network("lenet5"), DType.FP32) == 4 * (4704 + 4704)
