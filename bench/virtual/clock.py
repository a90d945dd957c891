"""Virtual time: seconds since the board was first powered, derived from core cycles and the core clock."""

from __future__ import annotations

from collections.abc import Callable


class VirtualClock:
    """Maps a cycle counter to seconds while the clock frequency changes, and lets time pass without cycles (sleep, halt, power off)."""

    def __init__(self, cycles: Callable[[], int], hclk_hz: float, start_s: float = 0.0) -> None:
        """``cycles`` returns the core's exact cycle count; it never decreases. ``hclk_hz`` is above 0."""
        self._cycles = cycles
        self._base_s = start_s
        self._base_cycles = cycles()
        self.hclk_hz = hclk_hz

    @property
    def now_s(self) -> float:
        """Virtual seconds, exact at the instruction that is executing."""
        return self._base_s + (self._cycles() - self._base_cycles) / self.hclk_hz

    def set_hclk(self, hclk_hz: float) -> None:
        """Continue from now at another core clock [Hz]. Raises ValueError unless above 0."""
        if hclk_hz <= 0:
            raise ValueError(f"the core clock must be above 0 Hz, not {hclk_hz} Hz")
        self._base_s = self.now_s
        self._base_cycles = self._cycles()
        self.hclk_hz = hclk_hz

    def skip(self, seconds: float) -> None:
        """Let time pass while the core makes no cycles. Raises ValueError for a negative time."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards ({seconds} s)")
        self._base_s += seconds

    def cycles_until(self, time_s: float) -> int:
        """Return how many cycles from now reach ``time_s``, at least 1."""
        return max(1, int((time_s - self.now_s) * self.hclk_hz + 0.5))
