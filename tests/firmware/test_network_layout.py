"""How networks are laid out: every built-in one, what is shared, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from bench.boards import load_board
from bench.clocktree import solve
from bench.domain.arena import live_bytes
from bench.domain.network import INPUT, Layer, Network
from bench.domain.primitives import workload
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName
from bench.estimate.memory import buffers, constant_bytes, live_ram_bytes
from bench.estimate.networks import NETWORKS, network
from bench.firmware.network import lay_out, network_workload, structure
from bench.firmware.network_render import check_network_memory, render_network
from tests.firmware.network_samples import interleaved, varied

BOARD = load_board("nucleo_f446ze")


@pytest.mark.parametrize("dtype", list(DType))
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_built_in_network_is_laid_out_and_takes_the_memory_that_estimates_say(name: str, dtype: DType) -> None:
    laid_out = lay_out(network(name), dtype)
    assert laid_out.weight_bytes == constant_bytes(network(name), dtype)
    assert (
        laid_out.arena.size_bytes == live_ram_bytes(network(name), dtype) == live_bytes(buffers(network(name), dtype))
    )


def test_the_code_of_a_kernel_is_there_once_and_so_is_a_table() -> None:
    laid_out = lay_out(network("lenet5_sigmoid"), DType.FP32)
    tables = [tensor for tensor in laid_out.layout.tensors if tensor.name.endswith("_table")]
    assert len(tables) == 1
    files = render_network(laid_out, BOARD, [solve(BOARD, 16e6)]).tree.files
    kernels = {path for path in files if path.startswith("code/") and path.endswith("kernel.c")}
    assert kernels == {
        f"code/{name}/kernel.c" for name in ("conv2d", "sigmoid", "avgpool2d", "fully_connected", "softmax")
    }


def test_kernels_that_render_otherwise_are_units_of_their_own() -> None:
    files = render_network(lay_out(interleaved(), DType.INT8, "dsp"), BOARD, [solve(BOARD, 16e6)]).tree.files
    assert {"code/conv2d/kernel.c", "code/conv2d_2/kernel.c"} <= set(files)  # channels a multiple of four, and not


def test_a_layer_in_a_network_is_the_layer_that_is_measured_alone() -> None:
    for step in lay_out(varied(), DType.INT8).steps:
        params = dict(step.layer.params)
        assert step.work == workload(step.layer.primitive, params, DType.INT8)


def test_runs_are_told_apart_by_structure_and_weights() -> None:
    net = network("lenet5")
    narrower = Network(net.name, net.in_shape, net.layers[:-1])
    assert structure(net) != structure(narrower)
    plain = network_workload(net, DType.FP32)
    assert plain["weights"] == "drawn"
    one = {"conv1": {"weights": np.zeros((6, 1, 5, 5), np.float32)}}
    other = {"conv1": {"weights": np.ones((6, 1, 5, 5), np.float32)}}
    ids = {network_workload(net, DType.FP32, parameters=parameters) for parameters in (None, one, other)}
    assert len(ids) == 3


def test_interleaved_kernels_do_not_feed_planar_ones() -> None:
    with pytest.raises(ParameterError, match="interleaved") as refusal:
        lay_out(network("lenet5"), DType.INT8, "dsp")
    assert "--flavor naive" in refusal.value.hint


def test_libraries_are_refused() -> None:
    with pytest.raises(ParameterError, match="cmsis-nn"):
        lay_out(network("lenet5"), DType.INT8, "cmsis-nn")


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        (
            (Layer("a", "relu", (("n", 8),), (INPUT,), (1, 1, 8)), Layer("b", "relu", (("n", 9),), ("a",), (1, 1, 9))),
            ParameterError,
        ),
        ((Layer("a", "residual_add", (("n", 8), ("in_c", 1)), (INPUT,), (1, 1, 8)),), ParameterError),
        ((Layer("a", "no_such", (("n", 8),), (INPUT,), (1, 1, 8)),), UnknownName),
    ],
)
def test_layers_that_do_not_fit_each_other_are_refused(layers: tuple[Layer, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        lay_out(Network("odd", (1, 1, 8), layers), DType.FP32)


def test_weights_of_another_shape_are_refused() -> None:
    net = network("lenet5")
    with pytest.raises(ParameterError, match="the model has no weights"):
        lay_out(net, DType.FP32, parameters={})
    with pytest.raises(ParameterError, match="shape"):
        lay_out(net, DType.FP32, parameters={"conv1": {"weights": np.zeros((1, 1), np.float32)}})
    with pytest.raises(ParameterError, match="fp32 only"):
        lay_out(net, DType.INT8, parameters={})


def test_what_does_not_fit_the_board_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ParameterError, match="of RAM") as refusal:
        check_network_memory(lay_out(network("resnet8"), DType.FP32), BOARD)
    assert "--reduce" in refusal.value.hint
    with pytest.raises(ParameterError, match="weights and tables"):
        check_network_memory(lay_out(network("autoencoder"), DType.FP32), BOARD)


def test_names_from_a_file_do_no_harm_in_the_sources() -> None:
    net = network("lenet5")
    layers = (
        Layer("*/ int x; /*", *[getattr(net.layers[0], f) for f in ("primitive", "params", "inputs", "out_shape")]),
    )
    files = render_network(
        lay_out(Network("*/ #error /*", net.in_shape, layers), DType.FP32), BOARD, [solve(BOARD, 16e6)]
    ).tree.files
    assert not any("*/ int x" in text or "#error" in text for text in files.values())
