"""Renders the image of a whole network: the harness of every image around the network's layers as its kernel.

Layers whose kernels render alike share one unit, as they would share a function in a program. Each unit begins on a flash line of its own, as in the
image of its primitive alone, so that neither its code nor its place in a line differs from what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.domain.arena import ALIGNMENT_BYTES
from bench.domain.board import Board, MemoryRegion
from bench.domain.clock import ClockConfiguration
from bench.errors import ParameterError
from bench.firmware.clock_registers import encode
from bench.firmware.layout import KernelLayout, Tensor
from bench.firmware.network import ARENA, NetworkLayout, Step
from bench.firmware.network_golden import NetworkGolden
from bench.firmware.render import (
    COMMON_FLAGS,
    HARNESS_FLAGS,
    HARNESS_FLASH_BYTES,
    HARNESS_RAM_BYTES,
    LINK_FLAGS,
    Firmware,
    TensorView,
    arch_flags,
    constants,
    harness_context,
    harness_sources,
    identify,
    kernel_template,
    render_one,
    template_environment,
)
from bench.firmware.source import SourceTree, object_name
from bench.units import format_si

FOLDER = "code"
"""Of the kernels: its units sort, and are linked, before ``kernel.c``, so that how many layers call a kernel moves none."""
_NO_LIBRARY_CALLS = "-fno-tree-loop-distribute-patterns"


@dataclass(frozen=True, slots=True)
class _Unit:
    """One kernel: its name in C, its source, and the arguments it takes."""

    name: str
    source: str
    template: str
    tensors: tuple[Tensor, ...]
    integers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class _StepView:
    """A layer as the templates see it."""

    name: str
    unit: str
    layer: object
    arguments: tuple[_Argument, ...]


def check_network_memory(laid_out: NetworkLayout, board: Board) -> MemoryRegion:
    """Return where the tensors lie: beside the harness where they fit, else in the board's SRAM.

    Raises ParameterError where a network's tensors do not fit the RAM, or its weights not the flash of ``board``.
    """
    network, harness = laid_out.network.name, HARNESS_RAM_BYTES + laid_out.arguments_bytes
    tensors = laid_out.arena.size_bytes + _input_bytes(laid_out)
    region = board.harness_ram if tensors + harness <= board.harness_ram.size_bytes else board.sram
    reserved = harness if region is board.harness_ram else 0
    if tensors + reserved > region.size_bytes:
        raise ParameterError(
            f"{network} in {laid_out.work.dtype} needs {format_si(laid_out.arena.size_bytes, 'B')} of RAM for its tensors and "
            f"{format_si(_input_bytes(laid_out), 'B')} for its input as drawn; {board.product} has {format_si(region.size_bytes, 'B')}, of which the harness keeps {reserved} B",
            hint="quantise or prune it (--reduce int8, --reduce prune=70), or take a larger board",
        )
    if laid_out.weight_bytes + HARNESS_FLASH_BYTES > board.flash.size_bytes:
        raise ParameterError(
            f"{network} in {laid_out.work.dtype} has {format_si(laid_out.weight_bytes, 'B')} of weights and tables; the flash of {board.product} has "
            f"{format_si(board.flash.size_bytes, 'B')}, of which {HARNESS_FLASH_BYTES} B are kept for code",
            hint="quantise or prune it (--reduce int8, --reduce prune=70), or take a larger board",
        )
    return region


def render_network(
    laid_out: NetworkLayout, board: Board, clocks: Sequence[ClockConfiguration], *, per_layer: bool = False
) -> Firmware:
    """Return the sources of the image of a network on ``board``.

    ``per_layer``: an image that counts the cycles of every layer, which the plain one does not, so that counting disturbs no total.
    Raises ParameterError where the network does not fit the board, BuildError for a template that is missing or wrong.
    """
    region = check_network_memory(laid_out, board)
    registers = tuple(encode(clock, board) for clock in clocks)
    environment = template_environment()
    units, unit_of = _units(laid_out)
    layout = laid_out.layout
    names = [f"{FOLDER}/{unit.name}/kernel.c" for unit in units]
    views = [TensorView(layout, index) for index in range(len(layout.tensors))]
    context: dict[str, object] = {
        **harness_context(board, region, registers),
        "workload": laid_out.work,
        "external": False,
        "per_layer": per_layer,
        "folder": FOLDER,
        "units": units,
        "steps": [_view(step, laid_out, unit_of[step.name]) for step in laid_out.steps],
        "tensors": views,
        "constants": constants(layout),
        "kernel_units": [object_name(name) for name in names],
        "input": views[0],
        "input_words": _input_bytes(laid_out) // 4,
        "input_offset": laid_out.arena.offsets[laid_out.input_buffer],
        "arena_bytes": laid_out.arena.size_bytes,
        "arena_stream": layout.stream(ARENA),
        "output_offset": laid_out.arena.offsets[laid_out.output_buffer],
        "output_bytes": layout.output.size_bytes,
    }
    sources = {
        **harness_sources(board),
        "workload.c": "network_workload.c.j2",
        "workload.h": "network_workload.h.j2",
        "kernel.c": "network_kernel.c.j2",
        "kernel_empty.c": "network_empty.c.j2",
    }
    drafts = {name: render_one(environment, template, context) for name, template in sources.items()}
    origins = dict(sources)
    for name, unit in zip(names, units, strict=True):
        folder, of_unit = (
            f"{FOLDER}/{unit.name}",
            {"unit": unit.name, "tensors": unit.tensors, "integers": unit.integers},
        )
        drafts[name], origins[name] = unit.source, unit.template
        for header in ("args", "harness"):
            origins[f"{folder}/{header}.h"] = f"network_{header}.h.j2"
            drafts[f"{folder}/{header}.h"] = render_one(environment, f"network_{header}.h.j2", of_unit)
    image_id = identify(drafts)
    drafts["main.c"] = render_one(environment, sources["main.c"], {**context, "image_id": image_id})
    level = f"-{laid_out.work.opt_level}"
    flags: dict[str, tuple[str, ...]] = {name: HARNESS_FLAGS for name in drafts if name.endswith(".c")}
    flags |= dict.fromkeys(names, (level, "-I."))
    flags |= {"kernel.c": (level,), "kernel_empty.c": (level, _NO_LIBRARY_CALLS)}
    tree = SourceTree(
        files=drafts,
        linker_script="link.ld",
        machine_flags=arch_flags(board),
        compile_flags=COMMON_FLAGS,
        link_flags=LINK_FLAGS,
        file_flags=flags,
        origins=origins,
    )
    return Firmware(
        tree,
        image_id,
        layout,
        registers,
        NetworkGolden(laid_out),
        laid_out.operations,
        "workload_arena",
        laid_out.arena.offsets[laid_out.output_buffer],
    )


def _input_bytes(laid_out: NetworkLayout) -> int:
    """Return the size of the input as it is drawn and copied, in whole units of alignment."""
    return -(-laid_out.input.size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _units(laid_out: NetworkLayout) -> tuple[list[_Unit], dict[str, str]]:
    """Return the distinct kernels of a network, and by step the name of its kernel."""
    environment = template_environment()
    units: dict[tuple[str, str], _Unit] = {}
    unit_of: dict[str, str] = {}
    for step in laid_out.steps:
        template = kernel_template(step.work)
        source = render_one(environment, template, {"workload": step.work, "layout": step.layout})
        key = (source, _signature(step.layout))
        if key not in units:
            name = step.work.primitive
            alike = sum(unit.name.rstrip("0123456789_") == name for unit in units.values())
            units[key] = _Unit(
                f"{name}_{alike + 1}" if alike else name, source, template, step.layout.tensors, step.layout.integers
            )
        unit_of[step.name] = units[key].name
    return list(units.values()), unit_of


def units_of(laid_out: NetworkLayout) -> dict[str, str]:
    """Return by step the name of its kernel: steps of one name share one copy of the code."""
    return _units(laid_out)[1]


def _signature(layout: KernelLayout) -> str:
    """Return what the arguments' declaration depends on."""
    return repr(
        (
            [(tensor.name, tensor.element.c_type, tensor.written) for tensor in layout.tensors],
            [name for name, _ in layout.integers],
        )
    )


def _view(step: Step, laid_out: NetworkLayout, unit: str) -> _StepView:
    return _StepView(
        step.name, unit, step.layer, (*_pointers(step, laid_out.arena.offsets), *_integers(step.layout.integers))
    )


def _pointers(step: Step, offsets: Mapping[str, int]) -> list[_Argument]:
    pointers = []
    for tensor in step.layout.tensors:
        source, c_type = step.source(tensor.name), tensor.element.c_type
        if tensor.constant:
            value = f"(const {c_type} *){source}_bits"
        else:
            value = f"({'' if tensor.written else 'const '}{c_type} *)(workload_arena + {offsets[source] // 4})"
        pointers.append(_Argument(tensor.name, value))
    return pointers


def _integers(integers: Sequence[tuple[str, int]]) -> list[_Argument]:
    return [_Argument(name, str(value)) for name, value in integers]
