"""Rendering: everything in the registry renders for every board, and what cannot be is refused with its numbers."""

from pathlib import Path

import pytest

from bench.boards import board_names, load_board
from bench.clocktree import clock_table
from bench.domain.clock import ClockConfiguration
from bench.domain.primitives import EXTERNAL_FLAVORS, PRIMITIVES, workload
from bench.errors import BuildError, ParameterError
from bench.firmware.render import render

BOARD = load_board("nucleo_f446ze")
CLOCKS: tuple[ClockConfiguration, ...] = tuple(clock for _, clock in clock_table(BOARD))
CASES = [
    (board, name, dtype, flavor)
    for board in board_names()
    for name, entry in PRIMITIVES.items()
    for dtype, flavors in entry.flavors.items()
    for flavor in flavors
    if flavor not in EXTERNAL_FLAVORS
]


@pytest.mark.parametrize(("board", "name", "dtype", "flavor"), CASES)
def test_every_primitive_renders_for_every_board(board: str, name: str, dtype: str, flavor: str) -> None:
    described = load_board(board)
    clocks = [clock for _, clock in clock_table(described)]
    firmware = render(workload(name, {}, dtype, flavor), described, clocks)
    assert [entry.id for entry in firmware.clocks] == [clock.id for clock in clocks]
    assert "{{" not in "".join(firmware.tree.files.values())
    assert "noipa" in firmware.tree.files["kernel.c"]


def test_the_image_id_follows_the_sources() -> None:
    first = render(workload("conv2d", {"k": 3}), BOARD, CLOCKS)
    assert first.image_id == render(workload("conv2d", {"k": 3}), BOARD, CLOCKS).image_id
    assert first.image_id != render(workload("conv2d", {"k": 5}), BOARD, CLOCKS).image_id
    assert first.image_id != render(workload("conv2d", {"k": 3}), BOARD, CLOCKS[:3]).image_id


def test_only_the_kernels_follow_the_optimisation_level() -> None:
    tree = render(workload("conv2d", opt_level="Os"), BOARD, CLOCKS).tree
    assert {unit: tree.opt_level(unit) for unit in tree.units if tree.opt_level(unit) != "-O2"} == {
        "kernel.c": "-Os",
        "kernel_empty.c": "-Os",
    }


@pytest.mark.parametrize(
    ("params", "memory"),
    [({"in_h": 256, "in_w": 256}, "RAM"), ({"k": 9, "in_h": 9, "in_w": 9, "in_c": 64, "out_c": 64}, "flash")],
)
def test_a_workload_that_does_not_fit_is_refused_with_the_numbers(params: dict[str, int | str], memory: str) -> None:
    with pytest.raises(ParameterError, match=rf"need \d+ bytes of {memory}.* has \d+"):
        render(workload("conv2d", params), BOARD, CLOCKS)


def test_template_mistakes_name_template_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_TEMPLATES", str(tmp_path))
    kernel = tmp_path / "kernels" / "conv2d_fp32_naive.c.j2"
    kernel.parent.mkdir()
    kernel.write_text("/* one */\n{% if %}\n")
    with pytest.raises(BuildError, match=r"conv2d_fp32_naive\.c\.j2, line 2"):
        render(workload("conv2d"), BOARD, CLOCKS)
    kernel.write_text("{{ no_such_value }}\n")
    with pytest.raises(BuildError, match="no_such_value"):
        render(workload("conv2d"), BOARD, CLOCKS)


def test_a_missing_template_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.firmware.render.template_folders", lambda: [])
    with pytest.raises(BuildError, match=r"main\.c\.j2 is missing"):
        render(workload("conv2d"), BOARD, CLOCKS)
