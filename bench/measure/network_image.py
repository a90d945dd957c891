"""Renders and builds the image of a whole network, for all its clocks."""

from __future__ import annotations

from collections.abc import Sequence

from bench.build import BuildCache, Toolchain, build
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.firmware.network import NetworkLayout
from bench.firmware.network_render import render_network
from bench.measure.image import Image


def prepare_network(
    laid_out: NetworkLayout,
    board: Board,
    clocks: Sequence[ClockConfiguration],
    toolchain: Toolchain,
    cache: BuildCache,
    *,
    per_layer: bool = False,
) -> Image:
    """Return the image of a network, which is measured like any other; ``per_layer`` the one that counts every layer.

    Raises ParameterError where it does not fit the board, BuildError where it does not build.
    """
    firmware = render_network(laid_out, board, clocks, per_layer=per_layer)
    return Image(laid_out.work, board, tuple(clocks), firmware, build(firmware.tree, toolchain, cache))
