"""From a code address to file, line and translation unit, by the DWARF line programs.

Ref: DWARF Debugging Information Format, Version 5, §6.2 (line number information); versions 2 to 4 count files and
directories from 1.
"""

from __future__ import annotations

import io
import posixpath
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elftools.elf.elffile import ELFFile


@dataclass(frozen=True, slots=True)
class LineTable:
    """Rows (address, file, line, translation unit), sorted by address.

    A row holds up to the next one; ``line`` 0 means that there is no source for this stretch.
    """

    rows: tuple[tuple[int, str, int, str], ...] = ()

    @classmethod
    def read(cls, content: bytes, code: Sequence[tuple[int, int]]) -> LineTable:
        """Read the line programs of an ELF image; ``code`` are the (start, end) addresses of its code sections.

        Damaged debug information gives an empty table: it costs only the file and line in a message.
        """
        rows: list[tuple[int, str, int, str]] = []
        try:
            elf = ELFFile(io.BytesIO(content))
            dwarf = elf.get_dwarf_info()
            if not dwarf.debug_info_sec or not dwarf.debug_line_sec:
                return cls()
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is not None:
                    top = unit.get_top_DIE().attributes.get("DW_AT_name")
                    name = posixpath.normpath(_text(top.value)) if top is not None else ""
                    rows.extend(_unit_rows(program, name, code))
        except Exception:
            return cls()
        # At one address the end of a sequence comes before the start of the next.
        rows.sort(key=lambda row: (row[0], row[3] != ""))
        return cls(tuple(rows))

    def lookup(self, address: int) -> tuple[str, int] | None:
        """File and line (from 1) of the code at ``address``, None where unknown."""
        row = self._row(address)
        return (row[1], row[2]) if row is not None and row[2] else None

    def unit_at(self, address: int) -> str | None:
        """The translation unit that the code at ``address`` was compiled from, None where unknown."""
        row = self._row(address)
        return row[3] if row is not None and row[3] else None

    def _row(self, address: int) -> tuple[int, str, int, str] | None:
        index = bisect_right(self.rows, address, key=lambda row: row[0]) - 1
        return self.rows[index] if index >= 0 else None


def _unit_rows(program: Any, unit: str, code: Sequence[tuple[int, int]]) -> list[tuple[int, str, int, str]]:
    """The rows of one unit's sequences that lie in code.

    The linker sets the sequences of functions that it dropped to address 0: code never starts there, the vector table
    does.
    """
    names: dict[int, str] = {}
    rows: list[tuple[int, str, int, str]] = []
    sequence: list[tuple[int, str, int, str]] = []
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if not state.end_sequence:
            if state.file not in names:
                names[state.file] = _file_name(program, state.file)
            sequence.append((state.address, names[state.file], state.line, unit))
            continue
        if sequence and sequence[0][0] and any(start <= sequence[0][0] < end for start, end in code):
            rows.extend(sequence)
            rows.append((state.address, "", 0, ""))
        sequence = []
    return rows


def _file_name(program: Any, number: int) -> str:
    header = program.header
    first = 0 if header["version"] >= 5 else 1
    files, directories = header["file_entry"], header["include_directory"]
    if not first <= number < len(files) + first:
        return ""
    file = files[number - first]
    index = file.dir_index - first  # before DWARF 5 directory 0 is the compilation directory, which is our "."
    directory = _text(directories[index]) if 0 <= index < len(directories) else ""
    return posixpath.normpath(posixpath.join(directory, _text(file.name)))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
