"""What the text of C sources says about who needs whom: enough to choose the files of a library, not a parser."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_AT_FILE_SCOPE = r"^(?!static\b|typedef\b|extern\b|else\b|return\b)[A-Za-z_][\w \t\n*]*?\b"
_FUNCTION = re.compile(_AT_FILE_SCOPE + r"([A-Za-z_]\w*)\s*\([^;{}()]*\)\s*\{", re.MULTILINE)
_TABLE = re.compile(_AT_FILE_SCOPE + r"([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)+=", re.MULTILINE)


def without_comments(text: str) -> str:
    """Return C text without its comments (a string that looks like one goes too)."""
    return _COMMENT.sub(" ", text)


def definitions(text: str) -> frozenset[str]:
    """Return the functions and initialised tables that a unit defines for others: those whose line starts at the margin and not with ``static``."""
    bare = without_comments(text)
    return frozenset(_FUNCTION.findall(bare)) | frozenset(_TABLE.findall(bare))


def identifiers(text: str) -> frozenset[str]:
    """Return all that a unit names outside its comments."""
    return frozenset(_IDENTIFIER.findall(without_comments(text)))


def calls(text: str, prefix: str) -> frozenset[str]:
    """Return what is called in C text and begins with ``prefix``."""
    return frozenset(re.findall(rf"\b({re.escape(prefix)}\w+)\s*\(", without_comments(text)))


def includes(text: str) -> tuple[str, ...]:
    """Return the files that are included in quotation marks."""
    return tuple(_INCLUDE.findall(without_comments(text)))
