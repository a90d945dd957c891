"""A pyOCD plugin that offers no debug probe: it makes the target types of this project known to every pyOCD process.

pyOCD has plugin points for probes and RTOSes only, none for targets; hence the group ``pyocd.probe``.

Import ``pyocd`` before this module: pyOCD loads it while it is itself being imported, and cannot while this module is half done.
"""

from __future__ import annotations

from pyocd.core.plugin import Plugin

from bench.target.stm32 import register_targets


class TargetTypesPlugin(Plugin):  # type: ignore[misc]
    """Registers target types when pyOCD asks whether to load it, and is never loaded."""

    def should_load(self) -> bool:
        """Register the target types; there is nothing else to load."""
        register_targets()
        return False

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return "bench_targets"

    @property
    def description(self) -> str:
        """Short description."""
        return "target types of STM32 boards for the bench"
