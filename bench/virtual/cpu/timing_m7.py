"""Cortex-M7F instruction timing."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.virtual.cpu.timing import FlashAccelerator
from bench.virtual.cpu.timing_m4 import CortexM4Timing


@dataclass(frozen=True, slots=True)
class CortexM7Timing(CortexM4Timing):
    cpu_model: str = "cortex-m7"
    accelerator: FlashAccelerator = field(
        default_factory=lambda: FlashAccelerator(line_bytes=32, instruction_lines=128, data_lines=64, instruction_ways=2, data_ways=4)
    )
