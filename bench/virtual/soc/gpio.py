"""General-purpose I/O ports of the STM32: F446 (RM0390 rev 6 section 7.4), L4 (RM0351 rev 9 and RM0432 rev 9, section 8.4).

Alternate functions are stored, they have no effect on a pin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.virtual.soc.registers import Peripheral, Register

STRIDE = 0x400


@dataclass(frozen=True, slots=True)
class Layout:
    """The ports of one family: letters, base of the first, and MODER, OSPEEDR and PUPDR after reset where they differ from the default.

    The differing ones hold the debug pins of ports A and B.
    """

    letters: str
    base: int
    moder_default: int
    moder: Mapping[str, int]
    ospeedr: Mapping[str, int]
    pupdr: Mapping[str, int]
    has_brr: bool


_PUPDR = {"A": 0x64000000, "B": 0x00000100}
F4 = Layout(
    "ABCDEFGH", 0x40020000, 0, {"A": 0xA8000000, "B": 0x00000280}, {"A": 0x0C000000, "B": 0x000000C0}, _PUPDR, False
)
F7 = Layout("ABCDEFGHIJK", F4.base, 0, F4.moder, F4.ospeedr, _PUPDR, False)  # RM0385 rev 8 section 6.4
L4 = Layout("ABCDEFGHI", 0x48000000, 0xFFFFFFFF, {"A": 0xABFFFFFF, "B": 0xFFFFFEBF}, {"A": 0x0C000000}, _PUPDR, True)


class Port:
    """One port. ``on_level(pin name, level)`` is called whenever an output pin may have changed its level."""

    def __init__(self, letter: str, on_level: Callable[[str, bool], None], layout: Layout = F4) -> None:
        self.letter = letter
        self._on_level = on_level
        self._levels = 0
        self._moder = Register("MODER", layout.moder.get(letter, layout.moder_default), on_write=self._write_moder)
        self._pupdr = Register("PUPDR", layout.pupdr.get(letter, 0))
        self._odr = Register("ODR", 0, on_write=self._write_odr)
        registers = [
            (0x00, self._moder), (0x04, Register("OTYPER", 0, writable=0xFFFF)), (0x08, Register("OSPEEDR", layout.ospeedr.get(letter, 0))),
             (0x0C, self._pupdr), (0x10, Register("IDR", 0, writable=0, on_read=self._read_idr)), (0x14, self._odr),
             (0x18, Register("BSRR", 0, on_read=lambda _: 0, on_write=self._write_bsrr)),
             (0x20, Register("AFRL", 0)), (0x24, Register("AFRH", 0))]  # fmt: skip
        if layout.has_brr:
            registers.append((0x28, Register("BRR", 0, on_read=lambda _: 0, on_write=self._write_brr)))
        self.peripheral = Peripheral(f"GPIO{letter}", layout.base + STRIDE * layout.letters.index(letter), registers)

    def reset(self) -> None:
        """System reset: every pin is an input (or a debug pin) again."""
        self.peripheral.reset()
        self._drive()

    def _outputs(self) -> int:
        moder = self._moder.value
        return sum(1 << pin for pin in range(16) if moder >> 2 * pin & 3 == 1)

    def _read_idr(self, _: int) -> int:
        outputs = self._outputs()
        pulled_up = sum(1 << pin for pin in range(16) if self._pupdr.value >> 2 * pin & 3 == 1)
        return (self._odr.value & outputs) | (pulled_up & ~outputs)

    def _drive(self) -> None:
        levels = self._odr.value & self._outputs()
        changed = levels ^ self._levels
        self._levels = levels
        for pin in range(16):
            if changed >> pin & 1:
                self._on_level(f"P{self.letter}{pin}", bool(levels >> pin & 1))

    def _write_moder(self, _: int, new: int) -> int:
        self._moder.value = new
        self._drive()
        return new

    def _write_odr(self, _: int, new: int) -> int:
        self._odr.value = new & 0xFFFF
        self._drive()
        return self._odr.value

    def _write_bsrr(self, _: int, new: int) -> int:
        self._write_odr(0, (self._odr.value & ~(new >> 16)) | (new & 0xFFFF))  # set wins over reset (RM0390 7.4.7)
        return 0

    def _write_brr(self, _: int, new: int) -> int:
        self._write_odr(0, self._odr.value & ~(new & 0xFFFF))
        return 0
