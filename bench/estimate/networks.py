"""The built-in networks.

LeNet-5 and the ResNets are built as in the published work (J. Garbay, ZIP-CNN, 2023, tables 4.1, 4.6 and 5.2): batch normalisation after
each convolution but the shortcuts', the last pooling as a window of 8 x 8. DS-CNN, MobileNetV1-0.25 and the autoencoder follow MLPerf Tiny
(C. Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021) as they are deployed: batch normalisations folded into the weights before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.domain.network import Network
from bench.errors import UnknownName
from bench.estimate.builder import Builder


def _lenet5(name: str, activation: str) -> Network:
    net = Builder(name, (28, 28, 1))
    net.add("conv1", "conv2d", k=5, out_c=6, padding="same")
    net.add("act1", activation)
    net.add("pool1", "avgpool2d", k=2)
    net.add("conv2", "conv2d", k=5, out_c=16)
    net.add("act2", activation)
    net.add("pool2", "avgpool2d", k=2)
    net.add("fc1", "fully_connected", n_out=120)
    net.add("act3", activation)
    net.add("fc2", "fully_connected", n_out=84)
    net.add("act4", activation)
    net.add("fc3", "fully_connected", n_out=10)
    net.add("softmax", "softmax")
    return net.build()


def resnet(name: str, blocks: int, width: int = 16, classes: int = 10) -> Network:
    """Return a CIFAR ResNet of three stages of ``blocks`` blocks; ``width`` channels in the first stage, doubled from stage to stage."""
    net = Builder(name, (32, 32, 3))
    net.add("conv1", "conv2d", k=3, out_c=width, padding="same")
    net.add("conv1_bn", "batchnorm")
    into = net.add("conv1_relu", "relu")
    for stage in range(3):
        for block in range(blocks):
            at, channels, stride = f"s{stage + 1}b{block + 1}", width << stage, 2 if stage and not block else 1
            net.add(f"{at}_conv1", "conv2d", into, k=3, out_c=channels, stride=stride, padding="same")
            net.add(f"{at}_bn1", "batchnorm")
            net.add(f"{at}_relu1", "relu")
            net.add(f"{at}_conv2", "conv2d", k=3, out_c=channels, padding="same")
            body = net.add(f"{at}_bn2", "batchnorm")
            if stride > 1:
                into = net.add(f"{at}_shortcut", "conv2d", into, k=1, out_c=channels, stride=stride, padding="same")
            net.add(f"{at}_add", "residual_add", body, into)
            into = net.add(f"{at}_relu2", "relu")
    net.add("pool", "avgpool2d", k=8)
    net.add("fc", "fully_connected", n_out=classes)
    net.add("softmax", "softmax")
    return net.build()


def _separable(net: Builder, index: int, channels: int, stride: int = 1) -> None:
    net.add(f"dw{index}", "depthwise_conv2d", k=3, stride=stride, padding="same")
    net.add(f"dw{index}_relu", "relu")
    net.add(f"pw{index}", "conv2d", k=1, out_c=channels)
    net.add(f"pw{index}_relu", "relu")


def _dscnn(name: str) -> Network:
    # The first window is 10 x 4 in MLPerf Tiny; the registry's windows are square (docs/estimate.md).
    net = Builder(name, (49, 10, 1))
    net.add("conv1", "conv2d", k=7, out_c=64, stride=2, padding="same")
    net.add("conv1_relu", "relu")
    for index in range(1, 5):
        _separable(net, index, 64)
    net.add("pool", "global_avgpool2d")
    net.add("fc", "fully_connected", n_out=12)
    net.add("softmax", "softmax")
    return net.build()


MOBILENET_V1 = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *(((512, 1),) * 5),
    *((1024, 2), (1024, 1)),
)
"""Channels at width 1 and stride of MobileNetV1's thirteen separable convolutions (A. Howard et al., 2017, table 1)."""


def mobilenet_v1(name: str, percent: int = 25, size: int = 96, classes: int = 2) -> Network:
    """Return MobileNetV1 of ``percent`` % of its width for ``size`` x ``size`` images."""
    net = Builder(name, (size, size, 3))
    net.add("conv1", "conv2d", k=3, out_c=32 * percent // 100, stride=2, padding="same")
    net.add("conv1_relu", "relu")
    for index, (channels, stride) in enumerate(MOBILENET_V1, 1):
        _separable(net, index, channels * percent // 100, stride)
    net.add("pool", "global_avgpool2d")
    net.add("fc", "fully_connected", n_out=classes)
    net.add("softmax", "softmax")
    return net.build()


def _autoencoder(name: str) -> Network:
    net = Builder(name, (1, 1, 640))
    for index, units in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128), 1):
        net.add(f"fc{index}", "fully_connected", n_out=units)
        net.add(f"relu{index}", "relu")
    net.add("fc10", "fully_connected", n_out=640)
    return net.build()


NETWORKS: Mapping[str, Callable[[str], Network]] = {
    "lenet5": lambda name: _lenet5(name, "relu"),
    "lenet5_sigmoid": lambda name: _lenet5(name, "sigmoid"),
    "resnet8": lambda name: resnet(name, 1),
    "resnet26": lambda name: resnet(name, 4),
    "dscnn": _dscnn,
    "mobilenetv1_025": mobilenet_v1,
    "autoencoder": _autoencoder,
}
"""Built-in networks by name."""

STUDENTS: Mapping[str, tuple[str, ...]] = {"resnet26": ("resnet8",)}
"""Smaller networks for the same task, which a network can be distilled to."""


def network(name: str) -> Network:
    """Return the built-in network ``name``, written as you like: LeNet-5 and lenet5 are one. Raises UnknownName."""
    plain = name.lower().replace("-", "").replace(".", "").replace(" ", "_")
    plain = {"lenet5_relu": "lenet5", "mobilenetv1025": "mobilenetv1_025", "ds_cnn": "dscnn"}.get(plain, plain)
    if plain not in NETWORKS:
        raise UnknownName.among("network", name, sorted(NETWORKS))
    return NETWORKS[plain](plain)
