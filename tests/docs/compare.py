"""Whether a page's output is what a command prints now."""

from __future__ import annotations

import re
from collections.abc import Sequence

TOLERANCE = 0.005
"""Relative. Cycles of virtual boards are the same every time."""
TOLERANCE_OF_THE_PROBE = 0.05
"""Relative, of what has the unit of a current, power or energy: there is noise, and the virtual instrument's gain is off within its data sheet."""
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e-\d+)?(?: ?(?:[mun]?[AWJ]|µJ)\b)?")
_VOLATILE = (
    (re.compile(r'("\w+_[awj]": [-+.\de]+)'), r"\1 J"),
    (re.compile(r"(\d) *┤"), r"\1 J "),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|\+00:00)?"), "<time>"),
    (re.compile(r'"\w+_u95_\w+": [-+.\de]+'), "<u95>"),
    (re.compile(r"[±]\s*[-+.\de]+ ?%?"), "<u95>"),
    (re.compile(r"[┌┐└┘│┤├┬┴┼─●·▄▀█╭╮╰╯]+"), ""),
)
"""Left out of comparisons: digests, times, stated uncertainties (a share of noise), the strokes of plots; marked as energies: such keys, and a plot's axis."""


def differences(shown: Sequence[str], printed: Sequence[str]) -> str:
    """Return what differs, empty if nothing does. ``...`` in ``shown`` stands for any lines."""
    want, got = _lines(shown), _lines(printed)
    at = 0
    for index, line in enumerate(want):
        if line == "...":
            continue
        free = index > 0 and want[index - 1] == "..."
        found = next((n for n in range(at, len(got) if free else min(at + 1, len(got))) if _same(line, got[n])), None)
        if found is None:
            what = got[at] if at < len(got) else "nothing more"
            return f"shown:   {line}\nprinted: {what}"
        at = found + 1
    if at < len(got) and (not want or want[-1] != "..."):
        return f"printed, but not shown: {got[at]}"
    return ""


def _lines(lines: Sequence[str]) -> list[str]:
    made = []
    for line in lines:
        text = line
        for pattern, name in _VOLATILE:
            text = pattern.sub(name, text)
        if text.strip():
            made.append(" ".join(text.split()))
    return made


def _same(shown: str, printed: str) -> bool:
    if _NUMBER.sub("#", shown) != _NUMBER.sub("#", printed):
        return False
    return all(map(_close, _NUMBER.findall(shown), _NUMBER.findall(printed)))


def _close(shown: str, printed: str) -> bool:
    tolerance = TOLERANCE_OF_THE_PROBE if shown[-1] in "AWJ" else TOLERANCE
    a, b = (float(text.rstrip(" munµAWJ").replace(",", "")) for text in (shown, printed))
    return abs(a - b) <= tolerance * max(abs(a), abs(b))
