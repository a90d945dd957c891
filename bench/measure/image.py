"""Renders and builds the image of one workload, for all its clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.build import BuildCache, BuiltImage, Toolchain, build
from bench.build.frames import StackFrame
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.workload import Workload
from bench.firmware.library import KernelLibrary
from bench.firmware.render import Firmware, render


@dataclass(frozen=True, slots=True)
class Image:
    """One built image: its sources, its ELF and the clocks it serves, in the order of its clock table."""

    work: Workload
    board: Board
    clocks: tuple[ClockConfiguration, ...]
    firmware: Firmware
    built: BuiltImage
    library: KernelLibrary | None = None

    @property
    def mailbox_address(self) -> int:
        """Where the mailbox lies."""
        return self.built.elf.symbol("mailbox").address

    @property
    def output_address(self) -> int:
        """Where the kernel's output lies."""
        return self.built.elf.symbol(self.firmware.output_symbol).address + self.firmware.output_offset

    @property
    def segments(self) -> dict[int, bytes]:
        """What is flashed: address to bytes."""
        return {segment.address: segment.data for segment in self.built.elf.segments}

    def locate(self, address: int) -> str:
        """Return ``address`` as function, file and line."""
        return str(self.built.elf.address_to_line(address))

    def frames(self) -> tuple[StackFrame, ...]:
        """Return what the functions take of the stack."""
        return self.built.elf.stack_frames


def prepare(
    work: Workload,
    board: Board,
    clocks: Sequence[ClockConfiguration],
    toolchain: Toolchain,
    cache: BuildCache,
    library: KernelLibrary | None = None,
) -> Image:
    """Return the image of ``work``, its kernel from ``library`` where its flavor is that of one.

    Raises ParameterError where it does not fit the board or the library, BuildError where it does not build.
    """
    firmware = render(work, board, clocks, library)
    return Image(work, board, tuple(clocks), firmware, build(firmware.tree, toolchain, cache), library)
