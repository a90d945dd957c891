"""Whole networks on the virtual board: right to the bit or the bound, the sum of their layers, recorded and compared with their estimate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.boards.paths import data_dir
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.cli.validate import print_comparisons, validate
from bench.domain.network import Network
from bench.domain.workload import DType
from bench.errors import OutputMismatch, UsageError
from bench.estimate import networks
from bench.estimate.builder import Builder
from bench.estimate.models import MissingPoints
from bench.firmware.generator import PATTERN_EDGE, PATTERN_EDGES, PATTERN_RANDOM
from bench.firmware.network import NetworkLayout, lay_out
from bench.firmware.network_golden import NetworkGolden
from bench.measure.image import Image
from bench.measure.network_image import prepare_network
from bench.measure.network_layers import count_layers
from bench.measure.settings import Settings
from bench.measure.verify import Verifier
from bench.store import Selection, open_store
from bench.sweep.layers import Cost
from bench.sweep.validate import compare, plan_network
from bench.target.board_under_test import BoardUnderTest
from tests.end_to_end.conftest import Workplace
from tests.end_to_end.kernels import BOARD, CLOCK, call, net_cycles, start
from tests.firmware.network_samples import interleaved, varied

CASES = [
    pytest.param(varied, DType.FP32, "naive", id="fp32"),
    pytest.param(varied, DType.INT8, "naive", id="int8"),
    pytest.param(interleaved, DType.INT8, "dsp", id="int8-dsp"),
]


def built(laid_out: NetworkLayout, cache: BuildCache, *, per_layer: bool = False) -> Image:
    return prepare_network(laid_out, BOARD, [CLOCK], find_toolchain(), cache, per_layer=per_layer)


def verify(image: Image, laid_out: NetworkLayout, output: bytes, seed: int, pattern: int = PATTERN_RANDOM) -> None:
    Verifier(laid_out.work, image.firmware.layout, seed, pattern, NetworkGolden(laid_out)).check(output)


@pytest.mark.parametrize(("network", "dtype", "flavor"), CASES)
def test_a_network_computes_what_its_layers_do_and_costs_their_sum(
    virtual_board: BoardUnderTest, build_cache: BuildCache, network: Callable[[], Network], dtype: DType, flavor: str
) -> None:
    laid_out = lay_out(network(), dtype, flavor)
    image = built(laid_out, build_cache)
    start(virtual_board, image, image.segments)
    for seed, pattern in ((1, PATTERN_EDGES), (1, PATTERN_EDGE), (2, PATTERN_RANDOM)):
        report, output = call(virtual_board, image, seed, pattern)
        verify(image, laid_out, output, seed, pattern)
    total = net_cycles(report)

    counting = built(laid_out, build_cache, per_layer=True)
    start(virtual_board, counting, counting.segments)
    (counted,) = count_layers(virtual_board, counting, len(laid_out.steps), Settings(seed=2))
    assert all(cycles > 0 for cycles in counted.cycles)
    assert sum(counted.cycles) == pytest.approx(total, rel=0.02)
    assert image.built.info.workload_ram_bytes == laid_out.arena.size_bytes
    assert image.built.info.workload_rodata_bytes == pytest.approx(laid_out.weight_bytes, abs=16 * 60)


def test_a_wrong_kernel_in_the_middle_is_found(
    virtual_board: BoardUnderTest, build_cache: BuildCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    name = "depthwise_conv2d_fp32_naive.c.j2"
    text = (data_dir("firmware_templates") / "kernels" / name).read_text(encoding="utf-8")
    (kernels / name).write_text(text.replace("float sum = args->bias[c];", "float sum = 0.0F;"), encoding="utf-8")
    monkeypatch.setenv("BENCH_TEMPLATES", str(tmp_path))
    laid_out = lay_out(varied(), DType.FP32)
    image = built(laid_out, build_cache)
    start(virtual_board, image, image.segments)
    with pytest.raises(OutputMismatch):
        verify(image, laid_out, call(virtual_board, image, 1)[1], 1)


def tiny(name: str) -> Network:
    net = Builder(name, (1, 1, 12))
    net.add("relu", "relu")
    net.add("fc", "fully_connected", n_out=6)
    net.add("softmax", "softmax")
    return net.build()


@pytest.fixture
def tiny_is_built_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build_cache: BuildCache) -> str:
    monkeypatch.setattr(networks, "NETWORKS", {**networks.NETWORKS, "tiny": tiny})
    monkeypatch.setenv("BENCH_CACHE", str(build_cache.root))
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    return f"sqlite:///{tmp_path}/measurements.db"


def test_validate_measures_records_and_compares(tiny_is_built_in: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = {
        "station": "virtual-nucleo_f446ze",
        "freq": "16MHz",
        "window": "5ms",
        "model": "layers",
        "db": tiny_is_built_in,
    }
    with pytest.raises(MissingPoints, match="lacks 3 points of 3 layers") as refusal:
        validate("tiny", **options)  # type: ignore[arg-type]
    assert "--sweep" in refusal.value.hint
    capsys.readouterr()
    assert validate("tiny", sweep=True, layers=True, as_json=True, **options) == 0  # type: ignore[arg-type]
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row)[:7] == ["network", "board", "source", "dtype", "reduce", "clock_id", "sysclk_hz"]
    for name in ("latency_s", "energy_j", "current_a", "flash_bytes", "ram_bytes"):
        assert row[f"{name}_estimated"] == pytest.approx(row[f"{name}_measured"], rel=0.1), name
    assert [layer["layer"] for layer in row["layers"]] == ["relu", "fc", "softmax"]
    assert sum(layer["cycles_measured"] for layer in row["layers"]) / 16e6 == pytest.approx(
        row["latency_s_measured"], rel=0.02
    )
    with open_store(tiny_is_built_in) as store:
        assert {run.point.workload.primitive for run in store.repository.latest_accepted()} == {
            "relu",
            "fully_connected",
            "softmax",
        }
        (run,) = store.repository.latest_accepted(Selection(primitives=("network",)))
        assert run.point.workload["name"] == "tiny"
    plan = plan_network(
        find_station(all_stations(None), run.point.station), BOARD, tiny("tiny"), DType.FP32, [run.point.clock]
    )
    print_comparisons(plan, compare(plan, [run], {run.point.clock.id: Cost(1.0, None, 1.0, 1, 1)}))
    text = capsys.readouterr().out
    assert "mean absolute error: latency" in text
    assert all(len(line) <= 80 for line in text.splitlines() if "clock" in line or "MHz" in line)


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("no_such_net", {}, "unknown network"),
        ("lenet5", {"reduce": ["prune=100"]}, "prune"),
        ("lenet5", {"model": "guess"}, "unknown model"),
        ("lenet5", {"opt": "O9"}, "unknown optimisation level"),
        ("lenet5", {"flavor": "dsp", "reduce": ["int8"]}, "planar"),
        ("resnet8", {}, "of RAM"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    network: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        validate(network, station="virtual-nucleo_f446ze", db=f"sqlite:///{tmp_path}/m.db", **options)
    assert not list(tmp_path.iterdir())


def test_bad_usage_exits_with_2(workplace: Workplace) -> None:
    outcome = workplace.bench("validate", "lenet", "--reduce", "int8")
    assert (outcome.code, outcome.out) == (2, "")
    assert "Did you mean 'lenet5'" in outcome.err
    assert "Traceback" not in outcome.err
