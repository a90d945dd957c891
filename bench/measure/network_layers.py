"""Counts the cycles of every layer of a network, in an image of its own, so that counting does not disturb the network's total."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bench.domain.clock import ClockConfiguration
from bench.errors import error_context
from bench.firmware.clock_registers import confirm
from bench.firmware.mailbox import Command, Request
from bench.measure.image import Image
from bench.measure.procedure import CYCLES_PER_OPERATION_MAX, MIN_TIMEOUT_S, SETUP_CYCLES_PER_BYTE, TIMEOUT_FACTOR
from bench.measure.settings import Settings
from bench.measure.verify import Verifier
from bench.target.board_under_test import BoardUnderTest

CALLS = 4
"""Of the network in one command: one for the stack, one to warm up, two that are counted."""
SYMBOL = "layer_cycles"


@dataclass(frozen=True, slots=True)
class LayerCycles:
    """The cycles of every layer at one clock, in the order they run, net of what counting costs."""

    clock: ClockConfiguration
    cycles: tuple[int, ...]


def count_layers(under_test: BoardUnderTest, image: Image, layers: int, settings: Settings) -> Iterator[LayerCycles]:
    """Flash ``image``, rendered ``per_layer`` for a network of so many ``layers``, and yield the counts of each of its clocks.

    The clock is confirmed and the output checked as in any run. Raises what the target raises, ClockUnconfirmed and OutputMismatch.
    """
    firmware = image.firmware
    verifier = Verifier(image.work, firmware.layout, settings.seed, reference=firmware.reference)
    under_test.flash(image.segments)
    under_test.boot(image.mailbox_address, firmware.image_id, image.locate, image.frames)
    address = image.built.elf.symbol(SYMBOL).address
    most = CALLS * CYCLES_PER_OPERATION_MAX * firmware.operations + SETUP_CYCLES_PER_BYTE * firmware.layout.ram_bytes
    for index, clock in enumerate(image.clocks):
        with error_context(f"{clock.hclk_hz / 1e6:g} MHz"):
            under_test.expect_clock(clock.hclk_hz)
            request = Request(under_test.next_sequence(), Command.CYCLES, index, settings.seed, warmup=1, repeats=2)
            report = under_test.run(request, MIN_TIMEOUT_S + TIMEOUT_FACTOR * most / clock.hclk_hz)
            confirm(firmware.clocks[index], report.words("clock_registers"))
            verifier.check(under_test.read(image.output_address, firmware.layout.output.size_bytes))
            *counts, empty = struct.unpack(f"<{layers + 1}I", under_test.read(address, 4 * (layers + 1)))
            yield LayerCycles(clock, tuple(count - empty for count in counts))
