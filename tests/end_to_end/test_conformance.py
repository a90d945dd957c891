"""Every primitive, data type and flavor with its published parameters: built, run on the virtual board, its output what the golden reference says.

The registry is the list, so a new primitive is tested without a line here. Inputs are random for several seeds, and then the values at which
arithmetic goes wrong: zeros, the ends of the integer range, subnormal numbers, whatever the primitive's tensors name besides.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.build import BuildCache
from bench.domain.primitives import EXTERNAL_FLAVORS, PRIMITIVES, operations, published_set, workload
from bench.domain.primitives.base import DSP
from bench.domain.workload import DType, OptLevel, Workload
from bench.errors import OutputMismatch
from bench.measure.verify import Verifier
from bench.target.board_under_test import BoardUnderTest
from tests.end_to_end.kernels import assert_conforms, call, load, net_cycles, start

CASES = [
    work
    for entry in PRIMITIVES.values()
    for dtype, flavors in entry.flavors.items()
    for flavor in flavors
    if flavor not in EXTERNAL_FLAVORS
    for work in published_set(entry, dtype, flavor)
]
KERNELS = list({(work.primitive, work.dtype, work.flavor): work for work in reversed(CASES)}.values())
"""Of each kernel one workload."""

OPTIMISED = [
    replace(work, opt_level=level)
    for work in KERNELS
    for level in ((OptLevel.OFAST,) if work.dtype is DType.FP32 else (OptLevel.O0, OptLevel.OS))
    if work.dtype is DType.FP32 or work.flavor == DSP
]
"""Where the optimisation may change the result: floating point that may be reordered, and SIMD."""

BX_LR = b"\x70\x47"


def doubled(work: Workload) -> Workload:
    """Return ``work`` with its first size doubled."""
    params = dict(work.params)
    name = next(size for size in ("n", "n_in", "in_h") if size in params)
    return workload(work.primitive, {**params, name: 2 * work.integer(name)}, work.dtype, work.flavor, work.opt_level)


@pytest.mark.parametrize("work", [*CASES, *OPTIMISED], ids=str)
def test_the_target_computes_what_the_reference_says(
    virtual_board: BoardUnderTest, work: Workload, build_cache: BuildCache
) -> None:
    assert_conforms(virtual_board, work, build_cache)


@pytest.mark.parametrize("work", KERNELS, ids=str)
def test_the_work_is_done_by_the_kernel_and_grows_with_its_size(
    virtual_board: BoardUnderTest, work: Workload, build_cache: BuildCache
) -> None:
    image = load(virtual_board, work, build_cache)
    once = net_cycles(call(virtual_board, image, 1)[0])
    larger = doubled(work)
    twice = net_cycles(call(virtual_board, load(virtual_board, larger, build_cache), 1)[0])
    assert twice / once == pytest.approx(operations(larger) / operations(work), rel=0.2)

    # With the first instruction of the kernel replaced by a return nothing is computed, and nothing is counted.
    entry = image.built.elf.symbol("kernel").address & ~1
    segments = dict(image.segments)
    base = max(address for address in segments if address <= entry)
    code = bytearray(segments[base])
    code[entry - base : entry - base + len(BX_LR)] = BX_LR
    start(virtual_board, image, {**segments, base: bytes(code)})
    report, output = call(virtual_board, image, 1)
    assert abs(net_cycles(report)) < 40
    with pytest.raises(OutputMismatch):
        Verifier(work, image.firmware.layout, 1).check(output)
