"""Small networks with every kind of layer."""

from __future__ import annotations

from bench.domain.network import Network
from bench.estimate.builder import Builder


def varied() -> Network:
    """Return a network with all kinds of layers: same and valid padding, strides, a depthwise convolution, a residual, every pooling."""
    net = Builder("varied", (12, 12, 3))
    net.add("stem", "conv2d", k=3, out_c=8, padding="same")
    net.add("stem_bn", "batchnorm")
    trunk = net.add("stem_relu", "relu6")
    net.add("dw", "depthwise_conv2d", k=3, stride=2, padding="same")
    net.add("dw_act", "hard_swish")
    body = net.add("pw", "conv2d", k=1, out_c=8)
    shortcut = net.add("short-cut", "conv2d", trunk, k=1, out_c=8, stride=2, padding="same")
    net.add("sum", "residual_add", body, shortcut)
    net.add("relu", "relu")
    net.add("maxpool", "maxpool2d", k=2, stride=1)
    net.add("conv", "conv2d", k=3, out_c=6)
    net.add("sigmoid", "sigmoid")
    net.add("tanh", "tanh")
    net.add("avgpool", "avgpool2d", k=2, stride=1)
    net.add("mean", "global_avgpool2d")
    net.add("fc", "fully_connected", n_out=5)
    net.add("softmax", "softmax")
    return net.build()


def interleaved() -> Network:
    """Return a network whose layers all have dsp kernels, or do not care about the memory order; two sigmoids share a table."""
    net = Builder("interleaved", (9, 9, 2))
    net.add("conv", "conv2d", k=3, out_c=4, stride=2, padding="same")
    net.add("sigmoid1", "sigmoid")
    net.add("dw", "depthwise_conv2d", k=3, padding="same")
    net.add("pw", "conv2d", k=1, out_c=3)
    net.add("sigmoid2", "sigmoid")
    net.add("fc", "fully_connected", n_out=4)
    net.add("softmax", "softmax")
    return net.build()
