"""Tables for architecture search tools: what those tools find in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.lut import LutRow, row
from bench.domain.primitives import workload
from bench.errors import UsageError
from bench.lut import Format, read, write
from tests.store.store_samples import SLOW, a_point, a_run


def a_row(primitive: str, **params: int | str) -> LutRow:
    return row(a_run(replace(a_point(), workload=workload(primitive, params))))


def table(rows: list[LutRow], format: Format, path: Path) -> dict[str, dict[str, dict[str, object]]]:
    write(path, rows, format)
    found: dict[str, dict[str, dict[str, object]]] = json.loads(path.read_text())
    return found


def test_nn_meter_finds_its_configuration_and_latency(tmp_path: Path) -> None:
    convolution = a_row("conv2d", k=3, in_h=28, in_w=28, in_c=3, out_c=16, stride=2)
    connected = a_row("fully_connected", n_in=84, n_out=10)
    found = table([convolution, connected, a_row("relu")], Format.NN_METER, tmp_path / "t")
    assert set(found) == {"conv_block", "fc_block"}  # an element-wise primitive has no image
    (entry,) = found["conv_block"].values()
    assert entry["config"] == {"HW": 28, "CIN": 3, "COUT": 16, "KERNEL_SIZE": 3, "STRIDES": 2}
    mean, deviation = map(float, str(entry["latency"]).split(" +- "))
    assert mean == pytest.approx(convolution.latency_s * 1e3)
    assert deviation == pytest.approx(convolution.latency_u95_s * 1e3 / 2)


def test_once_for_all_finds_its_key(tmp_path: Path) -> None:
    rows = [
        a_row("conv2d", k=3, in_h=28, in_w=28, in_c=3, out_c=16, stride=2, padding="same"),
        a_row("conv2d", k=3, in_h=28, in_w=28, in_c=3, out_c=16, stride=2),
        a_row("fully_connected", n_in=84, n_out=10),
    ]
    found = table(rows, Format.OFA, tmp_path / "t")
    assert set(found) == {
        "conv2d-input:28x28x3-output:14x14x16-kernel:3-stride:2",
        "conv2d-input:28x28x3-output:13x13x16-kernel:3-stride:2",
        "fully_connected-input:84-output:10",
    }
    assert found["fully_connected-input:84-output:10"]["mean"] == pytest.approx(rows[2].latency_s * 1e3)


@given(
    shapes=st.lists(
        st.tuples(st.sampled_from((1, 3, 5)), st.integers(5, 40), st.integers(1, 9)), unique=True, min_size=1
    )
)
def test_no_two_workloads_share_a_key(
    shapes: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [a_row("conv2d", k=k, in_h=size, in_w=size, out_c=out_c) for k, size, out_c in shapes]
    path = tmp_path_factory.mktemp("nas") / "t"
    assert len(table(rows, Format.OFA, path)) == len(rows)


@pytest.mark.parametrize("format", [Format.NN_METER, Format.OFA])
def test_two_clocks_are_refused_and_the_filter_named(format: Format, tmp_path: Path) -> None:
    rows = [row(a_run()), row(a_run(a_point(clock=SLOW)))]
    with pytest.raises(UsageError, match="of one clock_id, the selection has 2") as caught:
        write(tmp_path / "t", rows, format)
    assert "--freq" in caught.value.hint
    assert not (tmp_path / "t").exists()


def test_a_selection_without_a_layer_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing that nn-meter"):
        write(tmp_path / "t", [a_row("relu")], Format.NN_METER)


def test_they_are_not_read_back(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("{}")
    with pytest.raises(UsageError, match="cannot be read back"):
        read(tmp_path / "t", Format.OFA)
