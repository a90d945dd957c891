"""Renders the sources of one image: one workload on one board, with the table of all its clocks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from numpy.typing import NDArray

from bench.boards.paths import data_dir
from bench.domain.board import Board, MemoryRegion
from bench.domain.clock import ClockConfiguration
from bench.domain.primitives import operations
from bench.domain.workload import Workload
from bench.errors import BuildError, ParameterError
from bench.firmware import generator, mailbox
from bench.firmware.clock_registers import ClockEntry, encode
from bench.firmware.golden import Golden, golden
from bench.firmware.layout import KernelLayout
from bench.firmware.library import LIBRARIES, KernelLibrary, choose_library
from bench.firmware.source import SourceTree

TEMPLATES_VARIABLE = "BENCH_TEMPLATES"
STACK_BYTES = 8192
HARNESS_RAM_BYTES = STACK_BYTES + mailbox.SIZE_BYTES + 2048
"""RAM that the harness keeps for itself: stack, mailbox, and some for variables and alignment."""
HARNESS_FLASH_BYTES = 32 * 1024
"""Flash that the harness and any kernel's code stay well within."""

ARCH_FLAGS: Mapping[str, tuple[str, ...]] = {
    "Cortex-M4F": ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "Cortex-M7F": ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
}
COMMON_FLAGS = ("-std=gnu11", "-ffreestanding", "-fno-common", "-Wall", "-Wextra", "-Werror")
HARNESS_FLAGS = ("-O2", "-fno-tree-loop-distribute-patterns")
"""The harness calls no library function, not even for a loop that looks like memset: libraries are the kernel's share of the flash."""
LINK_FLAGS = ("-nostdlib", "-lm", "-lc", "-lgcc")
KERNEL_FILES = ("kernel.c", "kernel_empty.c")


@dataclass(frozen=True, slots=True)
class Firmware:
    """The rendered sources of one image. ``clocks`` is its clock table: the mailbox's ``clock_index`` counts in it.

    The output lies ``output_offset`` bytes behind the symbol ``output_symbol``; ``reference`` says what it must hold. ``operations`` are those of one call.
    """

    tree: SourceTree
    image_id: tuple[int, int]
    layout: KernelLayout
    clocks: tuple[ClockEntry, ...]
    reference: Golden
    operations: int
    output_symbol: str
    output_offset: int = 0


def check_memory(work: Workload, board: Board) -> KernelLayout:
    """Return the layout of ``work``. Raises ParameterError where its tensors do not fit the RAM or the flash of ``board``."""
    layout = golden(work.primitive).layout(work)
    tensors = tensor_ram(layout, board)
    for what, needed, reserved, size in (
        ("RAM", layout.ram_bytes, HARNESS_RAM_BYTES if tensors is board.harness_ram else 0, tensors.size_bytes),
        ("flash", layout.constant_bytes, HARNESS_FLASH_BYTES, board.flash.size_bytes),
    ):
        if needed + reserved > size:
            raise ParameterError(
                f"{work}: its tensors need {needed} bytes of {what}; {board.product} has {size}, of which the harness keeps {reserved}",
                hint="use a smaller input or fewer channels",
            )
    return layout


def tensor_ram(layout: KernelLayout, board: Board) -> MemoryRegion:
    """Return where all tensors lie: beside the harness where they fit, else in the board's SRAM. Never in both: timing would depend on which."""
    fits = layout.ram_bytes + HARNESS_RAM_BYTES <= board.harness_ram.size_bytes
    return board.harness_ram if fits else board.sram


def render(
    work: Workload, board: Board, clocks: Sequence[ClockConfiguration], library: KernelLibrary | None = None
) -> Firmware:
    """Return the sources of the image of ``work`` on ``board``; a flavor whose code comes from outside takes it from ``library``.

    Raises ParameterError where the workload does not fit the board, where it needs a library that is not given or one that has not what it needs,
    and BuildError for a template that is missing or wrong.
    """
    if library is None:
        choose_library(work, {})
    layout = check_memory(work, board)
    registers = tuple(encode(clock, board) for clock in clocks)
    sources = {
        **harness_sources(board),
        "workload.c": "workload.c.j2",
        "workload.h": "workload.h.j2",
        "kernel.c": kernel_template(work),
        "kernel_empty.c": "kernel_empty.c",
        **(LIBRARIES[work.flavor].headers if work.flavor in LIBRARIES else {}),
    }
    context: dict[str, object] = {
        **harness_context(board, tensor_ram(layout, board), registers),
        "workload": work,
        "external": work.flavor in LIBRARIES,
        "layout": layout,
        "tensors": [TensorView(layout, index) for index in range(len(layout.tensors))],
        "constants": constants(layout),
    }
    environment = template_environment()
    drafts = {name: render_one(environment, template, context) for name, template in sources.items()}
    foreign = _library_files(library, drafts, work)
    drafts |= {path: text for path, (text, _) in foreign.items()}
    image_id = identify(drafts)
    drafts["main.c"] = render_one(environment, sources["main.c"], {**context, "image_id": image_id})
    kernel_flags = (f"-{work.opt_level}", *(library.compile_flags if library else ()))
    library_flags = (f"-{work.opt_level}", *(library.unit_flags if library else ()))
    units = [name for name in drafts if name.endswith(".c")]
    tree = SourceTree(
        files=drafts,
        linker_script="link.ld",
        machine_flags=arch_flags(board),
        compile_flags=COMMON_FLAGS,
        link_flags=LINK_FLAGS,
        file_flags={
            name: library_flags if name in foreign else kernel_flags if name in KERNEL_FILES else HARNESS_FLAGS
            for name in units
        },
        origins={**sources, **{path: origin for path, (_, origin) in foreign.items()}},
    )
    reference = golden(work.primitive)
    return Firmware(tree, image_id, layout, registers, reference, operations(work), f"workload_{layout.output.name}")


def kernel_template(work: Workload) -> str:
    """Return the template of the kernel of ``work``."""
    return f"kernels/{work.primitive}_{work.dtype}_{work.flavor}.c.j2"


def harness_sources(board: Board) -> dict[str, str]:
    """Return what every image of ``board`` has besides its workload: path in the source tree to template."""
    family = board.family
    return {
        "main.c": "main.c.j2",
        "startup.c": "startup.c",
        "mailbox.h": "mailbox.h.j2",
        "harness.h": "harness.h",
        "draw.h": "draw.h",
        "quantization.h": "quantization.h",
        "fixed_point.h": "fixed_point.h",
        "simd.h": "simd.h",
        "convolution_dsp.h": "convolution_dsp.h",
        "cortex_m.h": "cortex_m.h",
        f"{family}.h": f"{family}.h",
        "clock.h": "clock.h",
        "clock.c": f"clock_{family}.c.j2",
        "port.c": f"port_{family}.c.j2",
        "link.ld": "link.ld.j2",
    }


def harness_context(board: Board, tensors: MemoryRegion, registers: Sequence[ClockEntry]) -> dict[str, object]:
    """Return what the harness' templates are told; all tensors lie in the region ``tensors``."""
    return {
        "board": board,
        "flash": board.flash,
        "ram": board.harness_ram,
        "tensor_ram": tensors,
        "stack_bytes": STACK_BYTES,
        "mailbox_constants": mailbox.constants(),
        "fields": mailbox.FIELDS,
        "clocks": registers,
        "kernel_units": (),
        "image_id": (0, 0),
    }


def identify(drafts: Mapping[str, str]) -> tuple[int, int]:
    """Return the first words of the digest of the sources, by which the host knows the image again."""
    digest = hashlib.sha256("\0".join(f"{name}\0{text}" for name, text in sorted(drafts.items())).encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def _library_files(
    library: KernelLibrary | None, drafts: Mapping[str, str], work: Workload
) -> dict[str, tuple[str, str]]:
    """Return what the kernel needs of ``library``: path in the source tree to (text, where it comes from)."""
    if library is None:
        return {}
    adapter = "\n".join([drafts["kernel.c"], *(drafts[name] for name in library.kind.headers)])
    needed = library.needed(adapter, work)
    return {library.tree_path(path): (text, str(library.root / path)) for path, text in needed.items()}


def arch_flags(board: Board) -> tuple[str, ...]:
    """Return the compiler's flags for the core of ``board``. Raises ParameterError for a core that is not known."""
    try:
        return ARCH_FLAGS[board.core]
    except KeyError:
        raise ParameterError(
            f"{board.name}: no compiler flags are known for core {board.core!r}", hint=", ".join(ARCH_FLAGS)
        ) from None


class TensorView:
    """A tensor as the templates see it: with its random stream and the width of its elements."""

    def __init__(self, layout: KernelLayout, index: int) -> None:
        tensor = layout.tensors[index]
        self.name, self.shape, self.elements = tensor.name, tensor.shape, tensor.elements
        self.c_type, self.constant, self.written = tensor.element.c_type, tensor.constant, tensor.written
        self.stream, self.bits = index + 1, 8 * tensor.element.size_bytes
        self.step, self.offset = float(tensor.scale * 2.0**-23).hex(), float(tensor.offset).hex()
        self.edges = _literals(tensor.edge_values)


def _literals(values: NDArray[Any]) -> list[str]:
    """Return ``values`` as C literals of their bit patterns, so that nothing is rounded on the way."""
    bits = np.ascontiguousarray(values).ravel().view(f"<u{values.dtype.itemsize}")
    return [f"0x{word:0{2 * values.dtype.itemsize}X}" for word in bits.tolist()]


def constants(layout: KernelLayout) -> dict[str, list[str]]:
    """Return the literals of every constant tensor."""
    return {
        tensor.name: _literals(generator.values(tensor, generator.CONSTANT_SEED, layout.stream(tensor.name)))
        for tensor in layout.tensors
        if tensor.constant
    }


def template_folders() -> list[Path]:
    """Return where templates are looked for: the folder in ``BENCH_TEMPLATES`` first, where one may keep kernels of one's own, then the bench's."""
    own = os.environ.get(TEMPLATES_VARIABLE)
    return [*([Path(own)] if own else []), data_dir("firmware_templates")]


def template_environment() -> Environment:
    """Return where templates come from, and how they are read."""
    return Environment(
        loader=FileSystemLoader(template_folders()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render_one(environment: Environment, template: str, context: Mapping[str, object]) -> str:
    """Return the text of one file. Raises BuildError naming the template and the line."""
    try:
        return environment.get_template(template).render(context)
    except TemplateNotFound:
        raise BuildError(
            f"template {template} is missing", hint="every primitive, data type and flavor needs its kernel template"
        ) from None
    except TemplateSyntaxError as error:
        raise BuildError(f"template {error.filename or template}, line {error.lineno}: {error.message}") from error
    except TemplateError as error:
        raise BuildError(f"template {template}: {error.message}") from error
