"""Built-in networks against the published counts, and what is wrong with those."""

from __future__ import annotations

import pytest

from bench.domain.network import Layer, Network
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName
from bench.estimate.builder import Builder
from bench.estimate.decompose import decompose
from bench.estimate.networks import NETWORKS, network
from bench.estimate.published import primitive_counts
from bench.estimate.reduction import Reduction, folded, pruned

# Where the published counts contradict the layers they come from: 8 maps of 5 x 5 are 200, not 225; 1568 + 500 + 120 + 84 = 2272.
WRONG = {("fp32_p50", "avgpool2d"): 788, ("fp32_p70", "relu"): 2272}


@pytest.mark.parametrize(
    ("name", "printed", "config", "source"),
    [
        ("lenet5_sigmoid", "LeNet5", "fp32_sigmoid", "4.1"),
        ("lenet5", "LeNet5", "fp32", "4.6"),
        ("lenet5", "LeNet5", "int8", "4.6"),
        ("resnet8", "ResNet8", "fp32", "5.2"),
        ("resnet26", "ResNet26", "fp32", "5.2"),
    ],
)
def test_the_counts_are_the_published_ones(name: str, printed: str, config: str, source: str) -> None:
    """Every primitive of the network, as often as printed."""
    assert decompose(network(name)) == primitive_counts(printed, config, source)


@pytest.mark.parametrize("rate", [0, 50, 60, 70, 80, 90])
def test_pruned_counts_follow_from_the_shapes(rate: int) -> None:
    """As printed but for two misprints; the published work keeps 400 inputs of the first fully connected layer, which lose their channels."""
    config = f"fp32_p{rate}" if rate else "fp32"
    counts = decompose(pruned(network("lenet5"), rate))
    published = primitive_counts("LeNet5", config, "4.12")
    for (primitive, label), count in published.items():
        if primitive == "fully_connected" and label == "400/120":
            kept = -(-16 * (100 - rate) // 100) * 25
            assert counts[primitive, f"{kept}/120"] == 1
        else:
            assert counts[primitive, label] == WRONG.get((config, primitive), count)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("reduce", ["", "prune=90", "width=0.5", "fold,prune=37.5", "width=1.5"])
def test_every_layer_is_a_workload_in_both_types(name: str, reduce: str) -> None:
    """Whatever was taken away, what stays can be measured, and the output keeps its size."""
    net = network(name)
    reduced = Reduction.parse(reduce).apply(net)
    assert reduced.layers[-1].out_shape == net.layers[-1].out_shape
    for layer in reduced.layers:
        for dtype in DType:
            layer.workload(dtype)


def test_resnet_keeps_added_tensors_alike() -> None:
    """A layer that is added to another keeps as many channels as that one."""
    reduced = pruned(network("resnet8"), 70, {"s2b1_shortcut": 0})
    by_name = {layer.name: layer for layer in reduced.layers}
    assert by_name["s2b1_add"].out_shape == (16, 16, 32)
    assert by_name["s2b1_conv1"].out_shape == (16, 16, 10)
    assert by_name["s1b1_add"].out_shape == (32, 32, 5)
    assert by_name["fc"].out_shape == (1, 1, 10)


def test_folding_leaves_no_normalisation() -> None:
    """The ResNets' batch normalisations all follow a convolution."""
    net = folded(network("resnet8"))
    assert not [layer for layer in net.layers if layer.primitive == "batchnorm"]
    assert decompose(net)["conv2d", "k=3"] == decompose(network("resnet8"))["conv2d", "k=3"]


def test_a_student_takes_the_place() -> None:
    """ResNet8 for ResNet26, under ResNet26's name."""
    reduced = Reduction.parse("int8,student=resnet8").apply(network("resnet26"))
    assert reduced.name == "resnet26"
    assert reduced.layers == network("resnet8").layers


@pytest.mark.parametrize(
    "text", ["", "int8", "int8,prune=70", "student=resnet8,width=0.5,prune=12.5,prune.conv1=0,fold"]
)
def test_reductions_read_back(text: str) -> None:
    """What is printed can be given again."""
    assert str(Reduction.parse(text)) == text
    assert Reduction.parse(str(Reduction.parse(text))) == Reduction.parse(text)


@pytest.mark.parametrize(
    "text",
    ["prune", "prune=100", "prune=-1", "prune=nan", "width=0", "int4", "int8,fp32", "prune=1,prune=2", "fold=1"],
)
def test_bad_reductions_are_refused(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(ParameterError) as caught:
        Reduction.parse(text)
    assert "prune=PERCENT" in caught.value.hint


def test_unknown_names() -> None:
    """Named, with what there is."""
    with pytest.raises(UnknownName, match="lenet6"):
        network("lenet6")
    with pytest.raises(UnknownName, match="pool1"):
        pruned(network("lenet5"), 0, {"pool1": 10})
    with pytest.raises(ParameterError, match="student"):
        Reduction.parse("student=dscnn").apply(network("resnet8"))
    assert network("LeNet-5_sigmoid") == network("lenet5_sigmoid")
    assert network("MobileNetV1-0.25").name == "mobilenetv1_025"


def test_networks_are_checked() -> None:
    """A layer that reads what has not run, a name twice, shapes that do not fit."""
    relu = Layer("a", "relu", (("n", 4),), ("b",), (1, 1, 4))
    with pytest.raises(ValueError, match="has not run"):
        Network("x", (1, 1, 4), (relu,))
    with pytest.raises(ParameterError, match="layer conv"):
        Builder("x", (4, 4, 1)).add("conv", "conv2d", k=5, out_c=1)
