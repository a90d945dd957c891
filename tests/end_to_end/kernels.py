"""Runs kernels on the virtual board, one call at a time, without the whole procedure."""

from __future__ import annotations

from collections.abc import Mapping

from bench.boards import load_board
from bench.boards.stations import VIRTUAL_PREFIX
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.primitives import applications
from bench.domain.workload import Workload
from bench.firmware.generator import PATTERN_EDGE, PATTERN_EDGES, PATTERN_RANDOM
from bench.firmware.library import KernelLibrary
from bench.firmware.mailbox import Command, Report, Request
from bench.measure.image import Image, prepare
from bench.measure.verify import Verifier
from bench.target.board_under_test import BoardUnderTest
from bench.virtual import world

BOARD = load_board("nucleo_f446ze")
CLOCK = solve(BOARD, 180e6)
SEEDS = (1, 2, 3)
TIMEOUT_S = 30.0


UNIQUE_ID = f"{VIRTUAL_PREFIX}{BOARD.name}"


def load(board: BoardUnderTest, work: Workload, cache: BuildCache, library: KernelLibrary | None = None) -> Image:
    """Build ``work``, put it into the flash and start its harness."""
    image = prepare(work, BOARD, [CLOCK], find_toolchain(), cache, library)
    start(board, image, image.segments)
    return image


def start(board: BoardUnderTest, image: Image, segments: Mapping[int, bytes]) -> None:
    """Start the harness of ``image`` in ``segments``, which lie in the flash by magic: programming it is tested elsewhere, and slow."""
    virtual = world.peek(UNIQUE_ID)
    assert virtual is not None
    for address, data in segments.items():
        virtual.cpu.write_memory(address, data)
    assert board.flash(segments) == 0
    board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)


def call(board: BoardUnderTest, image: Image, seed: int, pattern: int = PATTERN_RANDOM) -> tuple[Report, bytes]:
    """Run the kernel on the inputs of ``seed`` and ``pattern``; return the report and the output."""
    request = Request(board.next_sequence(), Command.CYCLES, 0, seed, warmup=1, repeats=2, input_pattern=pattern)
    report = board.run(request, TIMEOUT_S)
    return report, board.read(image.output_address, image.firmware.layout.output.size_bytes)


def net_cycles(report: Report) -> int:
    """Return the cycles of one call without the call itself."""
    return min(report.words("kernel_cycles")[:2]) - min(report.words("empty_cycles")[:2])


def assert_conforms(
    board: BoardUnderTest,
    work: Workload,
    cache: BuildCache,
    library: KernelLibrary | None = None,
    *,
    thoroughly: bool = True,
) -> None:
    """Assert that ``work`` computes what its reference says: for random inputs and a mixture of edge values, ``thoroughly`` of several seeds and of each edge value."""
    image = load(board, work, cache, library)
    layout = image.firmware.layout
    edges = max(len(tensor.edge_values) for tensor in layout.tensors if not (tensor.constant or tensor.written))
    for seed in SEEDS if thoroughly else SEEDS[:1]:
        report, output = call(board, image, seed)
        Verifier(work, layout, seed).check(output)
        assert net_cycles(report) > applications(work)
    for pattern in (PATTERN_EDGES, *(range(PATTERN_EDGE, PATTERN_EDGE + edges) if thoroughly else ())):
        Verifier(work, layout, 1, pattern).check(call(board, image, 1, pattern)[1])
