"""What the compiler and the linker complain about, turned into errors that show the rendered source line.

The text form of the messages is read, not ``-fdiagnostics-format=json``: gcc 12 to 14 know that option, later ones drop
it, and as and ld never had it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import CompileError
from bench.firmware.source import SourceTree

_MESSAGE = re.compile(
    r"^(?P<path>[^\s:][^:]*):(?P<line>\d+):(?:(?P<column>\d+):)? (?P<kind>fatal error|error|Error): (?P<text>.*)$",
    re.MULTILINE,
)
_OVERFLOW = re.compile(r"region `(?P<region>[^']+)' overflowed by (?P<bytes>\d+) bytes")
_UNDEFINED = re.compile(r"(?P<place>\S+): undefined reference to `(?P<symbol>[^']+)'")
_MULTIPLE = re.compile(
    r"multiple definition of `(?P<symbol>[^']+)'; (?P<second>\S+?):.*?(?P<first>\S+?): first defined here"
)
_MEMORY_USE = re.compile(
    r"^\s*(?P<region>[\w.]+):\s+(?P<used>\d+) (?P<used_unit>B|KB|MB|GB)\s+(?P<size>\d+) (?P<size_unit>B|KB|MB|GB)\s",
    re.MULTILINE,
)
_LINKER_WORDS = re.compile(r"^(?:\S*?[/-])?ld: ?(?P<text>.+)$", re.MULTILINE)
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_CONTEXT_LINES = 2
_SHOWN = 3
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error of the compiler or assembler; ``line`` and ``column`` count from 1, an unknown ``column`` is 0."""

    path: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" + (f":{self.column}" if self.column else "")
        return f"{place}: {self.text}"


def parse_diagnostics(output: str) -> list[Diagnostic]:
    """Return the errors in a compiler's or assembler's output, in order; warnings and notes are left out."""
    return [
        Diagnostic(posixpath.normpath(found["path"]), int(found["line"]), int(found["column"] or 0), found["text"])
        for found in _MESSAGE.finditer(output)
    ]


def excerpt(tree: SourceTree, diagnostic: Diagnostic) -> str:
    """Show the message, the template it came from, and the rendered line with a caret and two lines around it."""
    origin = tree.origins.get(diagnostic.path)
    # A library's file is a copy, and its origin an absolute path; a template's is relative to its folder.
    source = f"  [{'copied from' if posixpath.isabs(origin) else 'rendered from template'} {origin}]" if origin else ""
    heading = f"{diagnostic}{source}"
    lines = tree.files.get(diagnostic.path, "").split("\n")
    if not 1 <= diagnostic.line <= len(lines) or diagnostic.path not in tree.files:
        return heading
    shown = [heading]
    last = min(len(lines), diagnostic.line + _CONTEXT_LINES)
    for number in range(max(1, diagnostic.line - _CONTEXT_LINES), last + 1):
        marker = ">" if number == diagnostic.line else " "
        shown.append(
            f"{marker}{number:5} | {lines[number - 1].expandtabs(8)}".rstrip()
        )  # gcc counts columns with tabs of 8
        if number == diagnostic.line and diagnostic.column:
            shown.append(f"       | {' ' * (diagnostic.column - 1)}^")
    return "\n".join(shown)


def compile_failure(tree: SourceTree, failures: Iterable[tuple[str, str]], where: str) -> CompileError:
    """Make the error for units that did not compile.

    ``failures``: (unit, compiler output) of each; ``where``: the directory that keeps sources and log.
    """
    failures = list(failures)
    found = list(dict.fromkeys(diagnostic for _, output in failures for diagnostic in parse_diagnostics(output)))
    # A real error often drags warnings along (an argument is unused because its use did not compile): those come last.
    found.sort(key=lambda diagnostic: "[-Werror" in diagnostic.text)
    hint = f"rendered sources and build.log are kept in {where}"
    if not found:
        unit, output = failures[0]
        return CompileError(f"the compiler failed on {unit}", hint=hint, detail=_tail(output))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return CompileError(
        f"{found[0]}{more}", hint=hint, detail="\n".join(excerpt(tree, diagnostic) for diagnostic in found[:_SHOWN])
    )


def link_failure(output: str, where: str) -> CompileError:
    """Make the error for a failed link: what overflowed by how much, which symbol is missing, or the linker's words."""
    kept = f"sources, image.map and build.log are kept in {where}"
    if overflows := list(_OVERFLOW.finditer(output)):
        sizes = {use["region"]: use for use in _MEMORY_USE.finditer(output)}
        parts = []
        for overflow in overflows:
            region, excess = overflow["region"], int(overflow["bytes"])
            use = sizes.get(region)
            room = f": it needs {_bytes(use, 'used')} of {_bytes(use, 'size')} bytes" if use else ""
            parts.append(f"{region} overflowed by {excess} bytes{room}")
        return CompileError(
            f"the image does not fit: {'; '.join(parts)}",
            hint=f"use a smaller input, fewer channels or int8, or a board with more memory ({kept})",
            detail=_tail(output),
        )
    undefined = dict.fromkeys(found["symbol"] for found in _UNDEFINED.finditer(output))
    if undefined:
        symbols = ", ".join(undefined)
        places = dict.fromkeys(posixpath.normpath(found["place"]) for found in _UNDEFINED.finditer(output))
        return CompileError(
            f"undefined symbol{'s' if len(undefined) > 1 else ''} {symbols}, used in {', '.join(places)}",
            hint=f"define it in the firmware or add its library to the link flags ({kept})",
            detail=_tail(output),
        )
    if multiple := _MULTIPLE.search(output):
        return CompileError(
            f"symbol {multiple['symbol']} is defined twice, in {multiple['first']} and {multiple['second']}",
            hint=kept,
            detail=_tail(output),
        )
    words = _LINKER_WORDS.search(output)
    what = f": {words['text']}" if words else ""
    return CompileError(f"the linker failed{what}", hint=kept, detail=_tail(output))


def _bytes(use: re.Match[str], what: str) -> int:
    return int(use[what]) * _UNITS[use[f"{what}_unit"]]


def _tail(output: str) -> str:
    return "\n".join(output.rstrip().splitlines()[-_TAIL_LINES:])
