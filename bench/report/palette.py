"""Colours, markers and dashes: each alone is enough to tell curves apart, so that colour-blind readers and grey prints lose nothing.

The hues follow Okabe and Ito, Color Universal Design (2008), darkened for white paper and lightened for a dark screen until every one
has a contrast of at least 3:1 with its background (WCAG 2.2, 1.4.11).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurveStyle:
    """How one curve is drawn. ``marker`` is Matplotlib's name; ``dash`` on and off in points, empty for a solid line."""

    light: str
    dark: str
    marker: str
    dash: tuple[float, ...]


CURVES = (
    CurveStyle("#0072b2", "#56b4e9", "o", ()),
    CurveStyle("#c44e00", "#ff9a57", "s", (5, 1.8)),
    CurveStyle("#00795a", "#2fd0a0", "^", (1.6, 1.4)),
    CurveStyle("#8c2f84", "#e79ad4", "D", (6, 1.6, 1.4, 1.6)),
    CurveStyle("#7d6200", "#f0d04a", "v", (8, 2)),
    CurveStyle("#4d4d4d", "#d0d0d0", "P", (3, 1.2)),
)
MAX_CURVES = len(CURVES)

INK, MUTED, GRID, PAPER = "#1a1a1a", "#5c6066", "#dddfe2", "#ffffff"
DARK_INK, DARK_MUTED, DARK_GRID, DARK_PAPER = "#e8e8e8", "#a4abb3", "#3a3f45", "#16191d"

THEME: dict[str, tuple[str, str, str]] = {
    INK: ("ink", INK, DARK_INK),
    MUTED: ("muted", MUTED, DARK_MUTED),
    GRID: ("grid", GRID, DARK_GRID),
    PAPER: ("paper", PAPER, DARK_PAPER),
    **{style.light: (f"c{index}", style.light, style.dark) for index, style in enumerate(CURVES)},
}
"""Colour in a drawing -> (name of the page's CSS variable, value in the light, value in the dark)."""


def css_variables(*, dark: bool) -> str:
    """Return the declarations of all variables."""
    return "".join(f"--{name}:{in_the_dark if dark else light};" for name, light, in_the_dark in THEME.values())
