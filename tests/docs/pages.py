"""The pages of the documentation, and the commands on them.

What counts as a command: every line of a fenced ``sh`` block (or of one without a language that begins with the name of a program), every line
behind ``$ `` in a ``console`` or ``text`` block, and indented lines that begin with ``bench``. A backslash at the end of a line continues it.
A ``yaml`` block whose first line is a comment with a file's name is that file, made at this place of the page.
What follows a command in a ``console`` block is its standard output; a line ``...`` stands for any number of lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = frozenset({
    "bench", "cd", "cp", "createuser", "curl", "docker", "export", "git", "head", "jupyter", "make", "mkdir", "pip", "pyocd", "python", "python3",
    "sudo", "systemctl", "uhubctl", "cat", "apt-get", "udevadm", "usermod", "psql", "sqlite3",
})  # fmt: skip
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<rest>.*)$")
_COMMENT = re.compile(r"(^|\s+)#\s.*$")
_SPAN = re.compile(r"`(bench [^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ``page``, and what the page says it prints (None: nothing is said)."""

    page: str
    line: int
    text: str
    output: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the line of its first content, and the content without indentation."""

    language: str
    line: int
    lines: tuple[str, ...]


def pages() -> list[str]:
    """Return README, CONTRIBUTING and all pages of docs/, relative to the repository."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


def text_of(page: str) -> str:
    """Return the text of ``page``."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of ``page``; indented code counts as a block without a language."""
    lines = text_of(page).splitlines()
    at, blank = 0, True
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence:
            indent, start = fence["indent"], at + 1
            at = start
            while lines[at].strip() != "```":
                at += 1
            yield Block(fence["language"], start + 1, tuple(line.removeprefix(indent) for line in lines[start:at]))
        elif blank and re.match(r"^ {4}\S", lines[at]):
            start = at
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            yield Block("", start + 1, tuple(line[4:] for line in lines[start:at]))
            continue
        blank = not lines[at].strip()
        at += 1


def commands(page: str) -> list[Command]:
    """Return the commands of ``page`` in their order."""
    found: list[Command] = []
    for block in blocks(page):
        first = next((line.split()[0] for line in block.lines if line.strip() and not line.startswith("#")), "")
        if name := _shown_file(block):
            text = "\n".join((f"cat > {name} <<'END'", *block.lines, "END"))
            found.append(Command(page, block.line, text))
        elif any(line.startswith("$ ") for line in block.lines):
            found += _session(page, block)
        elif block.language in {"sh", "bash"} or (not block.language and first in PROGRAMS):
            found += [Command(page, line, text) for line, whole in _lines(block) if (text := _COMMENT.sub("", whole))]
    return found


def _shown_file(block: Block) -> str | None:
    """Return the name of the file that ``block`` shows, which its first line says (``# plan.yaml``); a stations file would make a board the default."""
    name = re.match(r"# (\S+\.yaml)$", block.lines[0]) if block.language == "yaml" and block.lines else None
    return name[1] if name and name[1] != "stations.yaml" else None


def spans(page: str) -> list[Command]:
    """Return the commands of ``bench`` in the running text of ``page``; forms with alternatives, ``...`` or ``COMMAND`` are left out."""
    found = []
    for number, line in enumerate(text_of(page).splitlines(), 1):
        for text in _SPAN.findall(line):
            if not re.search(r"[|\[\]…<>]|\.\.\.|^bench [A-Z]", text):
                found.append(Command(page, number, text))
    return found


def words(command: str) -> list[str]:
    """Return the words of a shell command, without its comment. Raises ValueError for quotes that do not match."""
    return shlex.split(command, comments=True)


def _lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each line, continued ones as one."""
    pending, start = "", 0
    for number, line in enumerate(block.lines, block.line):
        start = start if pending else number
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
        else:
            if pending.strip():
                yield start, pending.strip()
            pending = ""


def _session(page: str, block: Block) -> list[Command]:
    found: list[Command] = []
    shown: list[str] = []
    at = 0
    text = ""
    for number, line in [*_raw(block), (0, "$ ")]:
        if line.startswith("$ "):
            if text:
                found.append(Command(page, at, text, tuple(shown)))
            text, at, shown = line[2:].strip(), number, []
        elif text.endswith("\\"):
            text = f"{text[:-1].rstrip()} {line.strip().removeprefix('> ')}"
        else:
            shown.append(line.rstrip())
    return found


def _raw(block: Block) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(block.lines, block.line))
