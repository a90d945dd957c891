"""What distinguishes one virtual microcontroller from another, as its board needs to know it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.virtual.cpu import Region


@dataclass(frozen=True, slots=True)
class DebugPortIdentity:
    """What the debug port and its AHB-AP say of themselves; ``rom_table`` is the AP's BASE. The default is a Cortex-M4 of ST (RM0390 33.8)."""

    dpidr: int = 0x2BA01477
    ahb_ap_idr: int = 0x24770011
    rom_table: int = 0xE00FF003


@dataclass(frozen=True, slots=True)
class Mcu:
    """One microcontroller: memories, the regions that go to the bus, and its limits of supply.

    ``memory_map`` and ``clock_gating`` are the manual's sections that diagnoses cite; ``vdd_source`` the document of ``vdd_range_v``.
    Below the lower end the brown-out circuit holds the chip in reset; here: off. ``vector_table`` is where the core finds it after a reset.
    ``itcm_bytes``: a RAM for code at address 0, tightly coupled.
    """

    name: str
    flash_base: int
    flash_bytes: int
    flash_aliases: tuple[int, ...]
    ram_base: int
    ram_bytes: int
    mmio: tuple[Region, ...]
    reset_hclk_hz: float
    vdd_range_v: tuple[float, float]
    vdd_source: str
    memory_map: str
    clock_gating: str
    vector_table: int = 0
    itcm_bytes: int = 0
    debug_port: DebugPortIdentity = field(default_factory=DebugPortIdentity)

    def in_ram(self, address: int, size: int) -> bool:
        """Whether ``size`` bytes at ``address`` are RAM."""
        return any(base <= address and address + size <= base + length for base, length in self.rams)

    @property
    def rams(self) -> tuple[tuple[int, int], ...]:
        """Base and size in bytes of every RAM."""
        main = (self.ram_base, self.ram_bytes)
        return (main, (0, self.itcm_bytes)) if self.itcm_bytes else (main,)

    def in_flash(self, address: int, size: int) -> bool:
        """Whether ``size`` bytes at ``address`` are flash, or one of its aliases."""
        return any(
            base <= address and address + size <= base + self.flash_bytes
            for base in (self.flash_base, *self.flash_aliases)
        )
