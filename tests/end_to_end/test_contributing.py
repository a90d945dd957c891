"""The worked example of CONTRIBUTING.md is a primitive that builds, runs and is verified, as it stands there."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache
from bench.domain import primitives
from bench.domain.primitives.base import Parameter, Primitive
from bench.domain.workload import DType, Shape
from bench.target.session import open_board
from tests.end_to_end.kernels import BOARD, assert_conforms

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of the section on primitives that are in ``language``."""
    section = GUIDE.read_text(encoding="utf-8").split("## Add a primitive")[1].split("\n## ")[0]
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", section, flags=re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix("   ") for line in block.splitlines()) + "\n" for block in found]


def test_the_worked_example_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_text, golden_text = blocks("python")
    (kernel_text,) = blocks("c")
    names = {"Primitive": Primitive, "Parameter": Parameter, "DType": DType, "Shape": Shape}
    exec(compile(entry_text, str(GUIDE), "exec"), names)
    entry = names["LEAKY_RELU"]
    assert isinstance(entry, Primitive)
    monkeypatch.setattr(primitives, "PRIMITIVES", {**primitives.PRIMITIVES, entry.name: entry})
    monkeypatch.setattr("bench.firmware.golden.PRIMITIVES", primitives.PRIMITIVES)
    golden = types.ModuleType(f"bench.firmware.golden.{entry.name}")
    exec(compile(golden_text, str(GUIDE), "exec"), vars(golden))
    monkeypatch.setitem(sys.modules, golden.__name__, golden)
    kernel = tmp_path / "templates" / "kernels" / f"{entry.name}_fp32_naive.c.j2"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(kernel_text, encoding="utf-8")
    monkeypatch.setenv("BENCH_TEMPLATES", str(tmp_path / "templates"))
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    station = find_station(all_stations(None), "virtual-nucleo_f446ze")
    with open_board(station, load_board(BOARD.name)) as board:
        assert_conforms(board, primitives.workload(entry.name), BuildCache(tmp_path / "cache"))
