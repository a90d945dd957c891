"""What a kernel library is given besides what the bench's own kernels are."""

from __future__ import annotations

from bench.domain.primitives.base import EXTERNAL_FLAVORS
from bench.domain.workload import Workload
from bench.firmware.layout import Element, Role, Tensor


def external(work: Workload) -> bool:
    """Whether the code of ``work`` comes from a kernel library."""
    return work.flavor in EXTERNAL_FLAVORS


def library_scratch(work: Workload, size_bytes: int) -> tuple[Tensor, ...]:
    """Return the tensor ``scratch`` of ``size_bytes`` for a library; none where it needs none, and none for the bench's own kernels.

    The size is the library's own formula, worked out here because a tensor's size is fixed before anything is compiled. The image asks the library
    for its number before the first call and reports an error where it is greater.
    """
    return (Tensor("scratch", Role.SCRATCH, (size_bytes,), Element.INT8),) if external(work) and size_bytes else ()


def convolution_scratch_bytes(k: int, in_c: int) -> int:
    """Return what CMSIS-NN's ``arm_convolve_wrapper_s8`` needs: two windows of 16 bits, rounded up to four values; nothing for k = 1."""
    return 0 if k == 1 else 4 * ((k * k * in_c + 3) // 4 * 4)


def depthwise_scratch_bytes(k: int, in_c: int) -> int:
    """Return what CMSIS-NN's ``arm_depthwise_conv_wrapper_s8`` needs: a window of 16 bits; nothing for k = 3 (padding is never above 1 there)."""
    return 0 if k == 3 else 2 * k * k * in_c


def average_scratch_bytes(in_c: int) -> int:
    """Return what CMSIS-NN's ``arm_avgpool_s8`` needs: a 32-bit sum for each channel."""
    return 4 * in_c
