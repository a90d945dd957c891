"""The independent watchdog (IWDG) of the STM32F446, never started: RM0390 rev 6 section 20.3.

Flash programming algorithms feed it in case a user's option bytes started it. Starting it is refused: nothing here would reset the chip.
"""

from __future__ import annotations

from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40003000
_UNLOCK, _FEED, _START = 0x5555, 0xAAAA, 0xCCCC


class Watchdog:
    """IWDG: key, prescaler and reload registers without a counter behind them."""

    def __init__(self, diagnoses: Diagnoses) -> None:
        self._diagnoses = diagnoses
        self._unlocked = False
        self.peripheral = Peripheral(
            "IWDG",
            BASE,
            [
                (0x0, Register("KR", 0, on_read=lambda _: 0, on_write=self._write_key)),
                (0x4, Register("PR", 0, on_write=lambda old, new: new & 7 if self._unlocked else old)),
                (0x8, Register("RLR", 0xFFF, on_write=lambda old, new: new & 0xFFF if self._unlocked else old)),
                (0xC, Register("SR", 0, writable=0)),
            ],
        )

    def reset(self) -> None:
        """System reset."""
        self.peripheral.reset()
        self._unlocked = False

    def _write_key(self, _: int, new: int) -> int:
        if new == _START:
            self._diagnoses.refuse("IWDG_KR = 0xCCCC: the watchdog is not modelled and must stay off (RM0390 20.3.1)")
        self._unlocked = new == _UNLOCK
        return 0
