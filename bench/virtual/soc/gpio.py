"""General-purpose I/O ports of the STM32F446 (RM0390 rev 6 section 7.4). Alternate functions are stored, they have no effect on a pin."""

from __future__ import annotations

from collections.abc import Callable

from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40020000
STRIDE = 0x400
PORTS = "ABCDEFGH"

# Reset values that are not 0, RM0390 7.4.1-7.4.4: the debug pins of ports A and B.
_MODER = {"A": 0xA8000000, "B": 0x00000280}
_OSPEEDR = {"A": 0x0C000000, "B": 0x000000C0}
_PUPDR = {"A": 0x64000000, "B": 0x00000100}


class Port:
    """One port. ``on_level(pin name, level)`` is called whenever an output pin may have changed its level."""

    def __init__(self, letter: str, on_level: Callable[[str, bool], None], index: int | None = None) -> None:
        """``index`` is the port's place in memory; the default is that on an STM32F446."""
        self.letter = letter
        self._on_level = on_level
        self._levels = 0
        self._moder = Register("MODER", _MODER.get(letter, 0), on_write=self._write_moder)
        self._pupdr = Register("PUPDR", _PUPDR.get(letter, 0))
        self._odr = Register("ODR", 0, on_write=self._write_odr)
        self.peripheral = Peripheral(
            f"GPIO{letter}", BASE + STRIDE * (PORTS.index(letter) if index is None else index),
            [(0x00, self._moder), (0x04, Register("OTYPER", 0, writable=0xFFFF)), (0x08, Register("OSPEEDR", _OSPEEDR.get(letter, 0))),
             (0x0C, self._pupdr), (0x10, Register("IDR", 0, writable=0, on_read=self._read_idr)), (0x14, self._odr),
             (0x18, Register("BSRR", 0, on_read=lambda _: 0, on_write=self._write_bsrr)),
             (0x20, Register("AFRL", 0)), (0x24, Register("AFRH", 0))],
        )  # fmt: skip

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
