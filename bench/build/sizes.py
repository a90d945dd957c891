"""Where an image's bytes go, by its output sections.

The firmware's linker script places the kernel under test, the workload's tables and its buffers in output sections of
their own (``KERNEL_TEXT`` and so on), so that no guess by symbol names is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.build.elf import ElfImage, SectionKind
from bench.domain.measurement import ImageInfo
from bench.errors import BuildError

KERNEL_TEXT = ".kernel_text"
KERNEL_RODATA = ".kernel_rodata"
WORKLOAD_RODATA = ".workload_rodata"
WORKLOAD_RAM = ".workload_ram"


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """Static memory of an image, in bytes.

    ``text`` is executable, ``rodata`` constant, ``data`` initialised (it occupies flash and RAM), ``bss`` all RAM that
    is not stored: zeroed, uninitialised and reserved. The kernel's and the workload's shares are part of those.
    ``flash_bytes`` = text + rodata + data.
    """

    text_bytes: int
    rodata_bytes: int
    data_bytes: int
    bss_bytes: int
    kernel_code_bytes: int
    kernel_rodata_bytes: int
    workload_rodata_bytes: int
    workload_ram_bytes: int

    @property
    def flash_bytes(self) -> int:
        """Bytes that the image occupies in flash, the image of initialised data included."""
        return self.text_bytes + self.rodata_bytes + self.data_bytes


def image_sizes(elf: ElfImage) -> ImageSizes:
    """Add up the output sections of ``elf``; the share of a section that is not there is 0."""
    total = dict.fromkeys(SectionKind, 0)
    for section in elf.sections:
        total[section.kind] += section.size_bytes
    return ImageSizes(
        text_bytes=total[SectionKind.TEXT],
        rodata_bytes=total[SectionKind.RODATA],
        data_bytes=total[SectionKind.DATA],
        bss_bytes=total[SectionKind.BSS],
        kernel_code_bytes=elf.section_bytes(KERNEL_TEXT),
        kernel_rodata_bytes=elf.section_bytes(KERNEL_RODATA),
        workload_rodata_bytes=elf.section_bytes(WORKLOAD_RODATA),
        workload_ram_bytes=elf.section_bytes(WORKLOAD_RAM),
    )


def image_info(elf: ElfImage, *, compiler: str, opt_level: str) -> ImageInfo:
    """Describe a measuring firmware: identity, compiler, sizes.

    Raises BuildError where the image has no kernel or no workload buffers of its own: 0 bytes would be a wrong number,
    not a small one.
    """
    sizes = image_sizes(elf)
    for name, size in ((KERNEL_TEXT, sizes.kernel_code_bytes), (WORKLOAD_RAM, sizes.workload_ram_bytes)):
        if not size:
            raise BuildError(
                f"{elf.name} has no section {name}, so the kernel's share of the memory is not known",
                hint=f"let the linker script place it in an output section named {name}; "
                f"there are: {', '.join(section.name for section in elf.sections)}",
            )
    return ImageInfo(
        sha256=elf.sha256,
        compiler=compiler,
        opt_level=opt_level,
        flash_bytes=sizes.flash_bytes,
        text_bytes=sizes.text_bytes,
        rodata_bytes=sizes.rodata_bytes,
        data_bytes=sizes.data_bytes,
        bss_bytes=sizes.bss_bytes,
        kernel_code_bytes=sizes.kernel_code_bytes,
        kernel_rodata_bytes=sizes.kernel_rodata_bytes,
        workload_rodata_bytes=sizes.workload_rodata_bytes,
        workload_ram_bytes=sizes.workload_ram_bytes,
    )
