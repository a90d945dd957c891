"""Reading an ELF image: sections, symbols, what is loaded where, and a digest of it.

Ref: Tool Interface Standard, Executable and Linking Format (ELF) Specification 1.2; Arm IHI 0044 (ELF for the Arm
Architecture), §5.5 (bit 0 of a function symbol marks Thumb).
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bench.build.dwarf import LineTable
from bench.build.frames import StackFrame, read_frames
from bench.errors import BuildError


class SectionKind(StrEnum):
    """What an allocated output section holds, by its flags."""

    TEXT = "text"
    RODATA = "rodata"
    DATA = "data"
    BSS = "bss"


@dataclass(frozen=True, slots=True)
class Section:
    """An allocated output section.

    ``address`` is where it is at run time, ``load_address`` where its bytes are stored; None: nothing is stored.
    """

    name: str
    kind: SectionKind
    address: int
    load_address: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address. ``kind`` is ``func``, ``object`` or ``notype``; a function's address is without the Thumb bit.

    ``section`` is the output section, ``""`` for an absolute symbol.
    """

    name: str
    address: int
    size_bytes: int
    kind: str
    section: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class LoadSegment:
    """Bytes that belong at ``address`` (a load address: initialised data lies in flash)."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """Where a code address lies; what is not known is ``""`` or 0. ``str()`` gives the form for messages."""

    address: int
    function: str
    offset_bytes: int
    file: str
    line: int

    def __str__(self) -> str:
        function = f"{self.function}+{self.offset_bytes:#x}" if self.function else "no function of the image"
        place = f" at {self.file}:{self.line}" if self.file else ""
        return f"{self.address:#010x} in {function}{place}"


class ElfImage:
    """A linked ARM image, read as a whole at construction; the line table is read when first asked for.

    Raises BuildError for content that is no ELF, not a 32-bit little-endian ARM executable, truncated or damaged.
    """

    def __init__(self, content: bytes, name: str = "image") -> None:
        self.name = name
        self._content = content
        if content[:4] != b"\x7fELF":
            raise BuildError(
                f"{name} is no ELF file ({len(content)} bytes, starting {content[:4].hex() or 'empty'})", hint=_REBUILD
            )
        try:
            self._read(ELFFile(io.BytesIO(content)))
        except BuildError:
            raise
        except Exception as error:  # pyelftools answers damaged content with whatever it trips over
            raise BuildError(f"{name} is damaged: {type(error).__name__}: {error}", hint=_REBUILD) from error

    @classmethod
    def from_path(cls, path: Path) -> ElfImage:
        """Read ``path``; raises BuildError also where it cannot be read."""
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise BuildError(f"{path} cannot be read: {error.strerror}", hint=_REBUILD) from error

    def _read(self, elf: ELFFile) -> None:
        self._check_header(elf)
        self.entry: int = elf["e_entry"]
        loads = [segment.header for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        sections: list[Section] = []
        segments: list[LoadSegment] = []
        for raw in elf.iter_sections():
            header = raw.header
            offset, size = header["sh_offset"], header["sh_size"]
            stored = header["sh_type"] not in ("SHT_NOBITS", "SHT_NULL")
            if stored:
                self._check_end(f"section {raw.name}", offset + size)
            if not header["sh_flags"] & SH_FLAGS.SHF_ALLOC or not size:
                continue
            load_address = _load_address(header, loads) if stored else None
            if load_address is not None:
                segments.append(LoadSegment(load_address, self._content[offset : offset + size]))
            sections.append(Section(raw.name, _kind(header["sh_flags"], stored), header["sh_addr"], load_address, size))
        if not segments:
            raise BuildError(f"{self.name} loads nothing: it has no code and no data", hint=_REBUILD)
        self.sections = tuple(sections)
        # Sections and not program headers: the linker may let a segment start with the ELF header, no matter for flash.
        self.segments = _merged(segments)
        self.symbols = _symbols(elf)

    def _check_header(self, elf: ELFFile) -> None:
        if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
            raise BuildError(
                f"{self.name} is for {elf['e_machine']}, {elf.elfclass} bit, "
                f"{'little' if elf.little_endian else 'big'}-endian; a Cortex-M needs EM_ARM, 32 bit, little-endian",
                hint="give an image built with arm-none-eabi-gcc",
            )
        if elf["e_type"] != "ET_EXEC":
            raise BuildError(
                f"{self.name} is no linked executable ({elf['e_type']})",
                hint="give the linked image, not an object file",
            )
        self._check_end("its section table", elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"])

    def _check_end(self, what: str, end: int) -> None:
        if end > len(self._content):
            raise BuildError(
                f"{self.name} is truncated: {len(self._content)} bytes, but {what} ends at {end}", hint=_REBUILD
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over the loaded content: address and length (32 bit, little-endian) and bytes of each segment.

        Two images with the same digest leave the same bytes in flash; debug information has no part in it.
        """
        digest = hashlib.sha256()
        for segment in self.segments:
            digest.update(
                segment.address.to_bytes(4, "little") + len(segment.data).to_bytes(4, "little") + segment.data
            )
        return digest.hexdigest()

    def section_bytes(self, name: str) -> int:
        """Size of the output section ``name``; 0 where the linker dropped it because it is empty."""
        return sum(section.size_bytes for section in self.sections if section.name == name)

    def symbol(self, name: str) -> Symbol:
        """Return the symbol ``name``, a global one before a local one.

        Raises BuildError where there is none, or only several local ones.
        """
        found = [symbol for symbol in self.symbols if symbol.name == name]
        best = [symbol for symbol in found if not symbol.is_local] or found
        if len(best) != 1:
            raise BuildError(
                f"{self.name} has {len(best) or 'no'} symbol{'s' if len(best) > 1 else ''} {name!r}", hint=_REBUILD
            )
        return best[0]

    def function_at(self, address: int) -> Symbol | None:
        """The function that holds the code at ``address`` (Thumb bit ignored)."""
        functions = self._functions
        index = bisect_right(functions, address & ~1, key=lambda symbol: symbol.address) - 1
        if index < 0 or (address & ~1) - functions[index].address >= max(functions[index].size_bytes, 1):
            return None
        return functions[index]

    def address_to_line(self, address: int) -> CodeLocation:
        """Say which function, file and line the code at ``address`` (Thumb bit ignored) is from, as far as known."""
        function = self.function_at(address)
        file, line = self.line_table.lookup(address & ~1) or ("", 0)
        name, offset = (function.name, (address & ~1) - function.address) if function else ("", 0)
        return CodeLocation(address, name, offset, file, line)

    def unit_functions(self, unit: str) -> tuple[Symbol, ...]:
        """Functions whose code was compiled from translation unit ``unit`` (``kernel.c``), by the debug information."""
        return tuple(symbol for symbol in self._functions if self.line_table.unit_at(symbol.address) == unit)

    def function_share_bytes(self, name: str) -> int:
        """Code bytes of function ``name`` together with all other functions of its translation unit, its helpers."""
        symbol = self.symbol(name)
        unit = self.line_table.unit_at(symbol.address)
        return symbol.size_bytes if unit is None else sum(member.size_bytes for member in self.unit_functions(unit))

    @cached_property
    def line_table(self) -> LineTable:
        """The debug information's map from addresses to lines; empty where there is none or it is damaged."""
        return LineTable.read(
            self._content, [(s.address, s.address + s.size_bytes) for s in self.sections if s.kind is SectionKind.TEXT]
        )

    @cached_property
    def stack_frames(self) -> tuple[StackFrame, ...]:
        """What each function takes of the stack, by the debug information; empty where there is none or it is damaged."""
        return read_frames(self._content)

    @cached_property
    def _functions(self) -> tuple[Symbol, ...]:
        # Aliases (weak handlers) share an address: of those the last counts, so sort sized and global names behind the
        # others.
        functions = [symbol for symbol in self.symbols if symbol.kind == "func"]
        functions.sort(key=lambda symbol: (symbol.address, symbol.size_bytes, not symbol.is_local, symbol.name))
        return tuple({symbol.address: symbol for symbol in functions}.values())


_REBUILD = "build it again"


def _load_address(header: Any, loads: list[Any]) -> int:
    """Where the section's bytes are stored: its place in the program segment that holds them in the file."""
    begin, end = header["sh_offset"], header["sh_offset"] + header["sh_size"]
    for load in loads:
        if load["p_offset"] <= begin and end <= load["p_offset"] + load["p_filesz"]:
            return int(load["p_paddr"] + begin - load["p_offset"])
    return int(header["sh_addr"])


def _kind(flags: int, stored: bool) -> SectionKind:
    if not stored:
        return SectionKind.BSS
    if flags & SH_FLAGS.SHF_EXECINSTR:
        return SectionKind.TEXT
    return SectionKind.DATA if flags & SH_FLAGS.SHF_WRITE else SectionKind.RODATA


def _merged(segments: list[LoadSegment]) -> tuple[LoadSegment, ...]:
    """Sort by address and join what is adjacent."""
    merged: list[LoadSegment] = []
    for segment in sorted(segments, key=lambda segment: segment.address):
        if merged and merged[-1].address + len(merged[-1].data) == segment.address:
            merged[-1] = LoadSegment(merged[-1].address, merged[-1].data + segment.data)
        else:
            merged.append(segment)
    return tuple(merged)


def _symbols(elf: ELFFile) -> tuple[Symbol, ...]:
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return ()  # stripped: still flashable
    names = [section.name for section in elf.iter_sections()]
    symbols = []
    for raw in table.iter_symbols():
        kind = str(raw["st_info"]["type"]).removeprefix("STT_").lower()
        index = raw["st_shndx"]
        # mapping symbols ($t, $d, $a; IHI 0044 §5.5.5) only mark code and data
        if kind not in ("func", "object", "notype") or not raw.name or raw.name.startswith("$") or index == "SHN_UNDEF":
            continue
        address = raw["st_value"] & ~1 if kind == "func" else raw["st_value"]
        section = names[index] if isinstance(index, int) and index < len(names) else ""
        symbols.append(Symbol(raw.name, address, raw["st_size"], kind, section, raw["st_info"]["bind"] == "STB_LOCAL"))
    return tuple(sorted(symbols, key=lambda symbol: (symbol.address, symbol.name)))
