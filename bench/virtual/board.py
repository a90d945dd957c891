"""A virtual board: emulated core, SoC, supply and virtual time in one, as its debugger and its instruments see it."""

from __future__ import annotations

import mmap
import random
import threading
import zlib
from collections.abc import Callable

from bench.virtual.clock import VirtualClock
from bench.virtual.cpu import AccessFault, CoreTiming, Cpu, Memory, StopReason, allocate
from bench.virtual.faults import Fault, Injector
from bench.virtual.interruptions import interruptions_held
from bench.virtual.ledger import Ledger
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.core_debug import DFSR_BKPT, DFSR_VCATCH, DHCSR
from bench.virtual.soc.identity import DBG_LOW_POWER
from bench.virtual.soc.rcc import Rcc
from bench.virtual.soc.soc import Soc
from bench.virtual.soc.stm32f446 import Stm32F446
from bench.virtual.supply import Activity, CurrentModel, OperatingState, model_of
from bench.virtual.timeline import Timeline

_SLICE_S = 5e-3
_SLICE_CYCLES = 100_000
"""Longest stretch the core runs in one go, so that another thread gets its turn: the longer one of the two."""
_POLL_S = 1e-3
"""How long a running core runs each time the debugger looks whether it has stopped."""
_HARD_FAULT = 3


class _Bus:
    """Stands in for the SoC while the core, which the SoC needs, is being made."""

    soc: Soc

    def read(self, address: int, size: int) -> int:
        """See Soc.read."""
        return self.soc.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """See Soc.write."""
        self.soc.write(address, size, value)


class VirtualBoard:
    """One powered board with a microcontroller on it. Thread-safe: every public method takes the board's lock.

    ``diagnoses`` lists, oldest first, the mistakes of the firmware that the board noticed; each cites the manual.
    """

    def __init__(self, unique_id: str, flash_data: mmap.mmap | bytearray, timing: CoreTiming, *, trigger_pin: str = "PF13",
                 vdd_v: float = 3.3, model: CurrentModel | None = None, chip: type[Soc] = Stm32F446) -> None:  # fmt: skip
        """``flash_data`` holds all of the flash; it is written in place. ``timing`` is the core's timing model."""
        self.mcu = mcu = chip.mcu
        self.unique_id = unique_id
        self.trigger_pin = trigger_pin
        self.vdd_v = vdd_v
        self._lock = threading.RLock()
        self._log = Diagnoses(unique_id)
        bus = _Bus()
        self._rams = [Memory(base, size, True, True, allocate(size), "ram") for base, size in mcu.rams]
        flash = Memory(mcu.flash_base, mcu.flash_bytes, True, False, flash_data, "flash", aliases=mcu.flash_aliases)
        memories = [flash, *self._rams]
        self.cpu = Cpu(memories, mcu.mmio, bus, timing, boot_address=mcu.vector_table)
        self._time = VirtualClock(lambda: self.cpu.cycles, mcu.reset_hclk_hz)
        self._running = False
        self._stop_asked = False
        self._powered = True
        self._reset_held = False
        self._port_powered = self._seen_by_debugger = False
        self._activity = Activity.RESET
        self._ledger = Ledger(model or model_of(mcu.name.lower()), self.cpu)
        self.injector: Injector | None = None
        self.soc = bus.soc = chip(
            self.cpu,
            self._time,
            self._log,
            unique_id,
            lambda: self.vdd_v,
            self._state_changed,
            self._pin_changed,
            self._stop_core,
        )
        self._power_up()

    def inject(self, faults: list[Fault]) -> None:
        """Misbehave in these ways from now on."""
        if not faults:
            return
        self.injector = injector = Injector(self, faults)
        self.soc.worn = injector.worn
        if isinstance(self.soc.rcc, Rcc):
            self.soc.rcc.hse_present = lambda: not injector.strikes("hse_absent")

    # What instruments see

    @property
    def time_s(self) -> float:
        """Virtual seconds since the board was made."""
        return self._time.now_s

    @property
    def timeline(self) -> Timeline:
        """The record of current and pins, complete up to ``time_s``."""
        with self._lock:
            self._account()
            return self._ledger.timeline

    @property
    def diagnoses(self) -> list[str]:
        """Mistakes of the firmware."""
        return self._log.texts

    @property
    def powered(self) -> bool:
        """Whether the supply is on."""
        return self._powered

    @property
    def state(self) -> OperatingState:
        """What the supply current depends on, now."""
        soc = self.soc
        return OperatingState(
            activity=self._activity, hclk_hz=soc.clocks.hclk_hz, source=soc.clocks.source, voltage_scale=soc.power.voltage_scale,
            over_drive=soc.power.over_drive, wait_states=soc.flash.wait_states, prefetch=soc.flash.prefetch,
            flash_cache=all(soc.caches), debug_powered=self.debug_attached,
            low_power_debug=bool(soc.dbgmcu["CR"].value & DBG_LOW_POWER),
        )  # fmt: skip

    @property
    def debug_attached(self) -> bool:
        """Whether debug logic draws current: the debug port is powered up, or halting debug is enabled."""
        return self._port_powered or self.soc.debug.enabled

    def set_supply(self, volts: float | None) -> None:
        """Change the supply; None, or less than the MCU's minimum, is off: core state, RAM and registers are lost.

        Raises ValueError above the MCU's maximum.
        """
        low_v, high_v = self.mcu.vdd_range_v
        if volts is not None and volts > high_v:
            raise ValueError(
                f"{volts:g} V is above {high_v:g} V, the most an {self.mcu.name} stands in operation ({self.mcu.vdd_source})"
            )
        with self._lock:
            self._account()
            was_powered = self._powered
            self._powered = volts is not None and volts >= low_v
            self.vdd_v = volts or 0.0
            if self._powered and not was_powered:
                self._power_up()
            elif was_powered and not self._powered:
                if self.injector is not None:
                    self.injector.supply_cut()
                self._port_powered = False
                for pin in self.soc.ports.values():
                    pin.reset()
                self._state_changed()
            elif self._powered:
                self._check_supply()

    def _check_supply(self) -> None:
        try:
            self.soc.check_limits()
        except AccessFault:
            self.cpu.system.pend(_HARD_FAULT)

    def _power_up(self) -> None:
        # A RAM powers up with some pattern; a fixed one, so that two runs are alike and nobody relies on zeros.
        noise = random.Random(zlib.crc32(self.unique_id.encode()))
        for ram in self._rams:
            ram.data[:] = noise.randbytes(ram.size)
            self.cpu.invalidate_code(ram.base, ram.size)
        self.soc.power_on_reset()

    # Time

    def advance(self, seconds: float) -> None:
        """Let virtual time pass: the core runs, sleeps or stays halted. Raises ValueError for a negative time."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards ({seconds} s)")
        until_s = self.time_s + seconds
        while True:
            with self._lock:
                left_s = until_s - self.time_s
                # Less than a cycle is not worth running; whole cycles may also end a hair late.
                if left_s * self._time.hclk_hz < 0.5:
                    self._account()
                    return
                self._pass(until_s)

    def advance_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Let time pass, a millisecond at a time, until ``condition()`` or ``limit_s`` has passed; return whether it came true."""
        deadline_s = self.time_s + limit_s
        while not condition():
            before_s = self.time_s
            self.advance(max(0.0, min(_POLL_S, deadline_s - before_s)))
            if self.time_s == before_s:  # what is left is less than half a cycle
                return False
        return True

    def _is_still(self) -> bool:
        """Whether the core makes no cycles, and nothing but a debugger or the supply can change that."""
        return not self._powered or self._reset_held or self.soc.debug.halted or self.cpu.locked_up

    def _pass(self, until_s: float) -> None:
        """Let time pass up to ``until_s`` at the most: one stretch of running, sleeping or standing still."""
        if self.injector is not None and (dip_s := self.injector.dips()) is not None:
            volts = self.vdd_v
            self.set_supply(None)
            self._skip(self.time_s + dip_s)
            self.set_supply(volts)
            return
        if self._is_still():
            event_s = self.soc.next_event_s if self._powered else None
            self._skip(min(until_s, event_s) if event_s is not None else until_s)
            return
        self.soc.sync()
        event_s = self.soc.next_event_s
        stop_s = until_s if event_s is None else min(until_s, event_s)
        if self.cpu.sleeping:
            self._set_activity(Activity.SLEEP)
            before = self.cpu.cycles
            reason = self._run(1)
            if reason is StopReason.SLEEP and self.cpu.cycles == before:
                self._skip(stop_s)
                return
        else:
            reason = self._run(self._time.cycles_until(min(stop_s, self.time_s + self._slice_s)))
        self._stopped(reason)

    @property
    def _slice_s(self) -> float:
        return max(_SLICE_S, _SLICE_CYCLES / self._time.hclk_hz)

    def _run(self, cycles: int) -> StopReason:
        if not self.cpu.sleeping:
            self._set_activity(Activity.RUN)
        self._stop_asked = False
        self._running = True
        try:
            with interruptions_held():
                return self.cpu.run(cycles)
        finally:
            self._running = False

    def _stopped(self, reason: StopReason) -> None:
        if reason is StopReason.BREAKPOINT:
            self.soc.debug.enter(DFSR_BKPT)
        elif reason is StopReason.HALT_REQUEST and not self._stop_asked:
            self.soc.debug.enter(DFSR_VCATCH)
        elif reason is StopReason.LOCKUP:
            self._note_lockup()
        self._state_changed()

    def _note_lockup(self) -> None:
        # An erased flash cannot do otherwise, nor one whose programming was cut short: nobody's mistake, until somebody has looked at it.
        if self._seen_by_debugger and self.cpu.read_memory(self.mcu.flash_base, 8) != b"\xff" * 8:
            self._log.note("the core locked up: a fault while handling a fault (DDI 0403E B1.5.15)")

    def _skip(self, until_s: float) -> None:
        self._state_changed()
        self._time.skip(max(0.0, until_s - self.time_s))
        if self._powered:
            self.soc.sync()

    def _stop_core(self) -> None:
        """End the run that is under way: a timer's next event has moved, or the core was halted."""
        if self._running:
            self._stop_asked = True
            self.cpu.request_halt()

    # Current and pins

    def _set_activity(self, activity: Activity) -> None:
        if activity is not self._activity:
            self._account()
            self._activity = activity
            self._ledger.state = self.state

    def _state_changed(self) -> None:
        """Something that the current depends on may have changed."""
        self._account()
        if not self._powered:
            self._activity = Activity.OFF
        elif self._reset_held:
            self._activity = Activity.RESET
        elif self.soc.debug.halted:
            self._activity = Activity.HALTED
        else:
            self._activity = Activity.SLEEP if self.cpu.sleeping else Activity.RUN
        self._ledger.state = self.state
        if self.injector is not None and self._powered:
            self.injector.clock_changed(self._time.set_hclk)

    def _account(self) -> None:
        """Book the current up to now: what it depends on is about to change, or somebody wants to know it."""
        self._ledger.book(self.time_s, self.injector.current_factor if self.injector is not None else 1.0)

    def _pin_changed(self, pin: str, level: bool) -> None:
        self._ledger.timeline.add_level(pin, self.time_s, level)
        if self.injector is not None and level and pin == self.trigger_pin:
            self._account()
            self.injector.triggered()

    # What the debug probe sees

    def set_debug_port(self, powered: bool) -> None:
        """The debug port was powered up or down (CDBGPWRUPREQ)."""
        with self._lock:
            self._account()
            self._port_powered = powered
            self._seen_by_debugger = self._seen_by_debugger or powered
            self._state_changed()
            if powered and self.injector is not None:
                self.injector.port_powered()

    def note_wire_clock(self, wire_hz: float) -> None:
        """An access comes with the SWD clock at ``wire_hz``: above the core clock, silicon may answer nothing but WAIT."""
        hclk_hz = self._time.hclk_hz
        if wire_hz > hclk_hz:
            text = f"debug access with SWCLK at {wire_hz / 1e3:g} kHz, above HCLK at {hclk_hz / 1e3:g} kHz; slow the probe down (ADIv5.2 B4.2.3)"
            if text not in self._log.texts:
                self._log.note(text)

    def assert_reset(self, asserted: bool) -> None:
        """Pull or release the NRST pin. The debug components keep their state, a reset catch set meanwhile holds."""
        with self._lock:
            if asserted == self._reset_held or not self._powered:
                return
            self._account()
            self._reset_held = asserted
            if asserted:
                if self.injector is not None:
                    self.injector.reset_pulled()
                self.soc.system_reset(software=False)
            else:
                self.soc.core_reset()

    @property
    def reset_asserted(self) -> bool:
        """Whether NRST is low."""
        return self._reset_held

    def debug_read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes through the access port. Raises AccessFault.

        A look at DHCSR lets a running core run on for a millisecond: whoever waits for a halt makes time pass.
        """
        with self._lock:
            if address == DHCSR and not self._is_still():
                self.advance(_POLL_S)
            data = self._memory_read(address, size)
            return self.soc.debug_read(address, size) if data is None else int.from_bytes(data, "little")

    def debug_write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes through the access port. Raises AccessFault."""
        with self._lock:
            if self.mcu.in_ram(address, size):
                self.soc.debug_ram_write(address, value.to_bytes(size, "little"))
                return
            self._account()
            self.soc.debug_write(address, size, value)
            if self.soc.debug.step_requested:
                self._set_activity(Activity.RUN)
                self.soc.debug.step()
                self.soc.sync()

    def debug_read_block(self, address: int, size: int) -> bytes:
        """Read ``size`` bytes, word by word where there is no memory. Raises AccessFault."""
        with self._lock:
            data = self._memory_read(address, size)
            if data is not None:
                return data
            step = 4 if address % 4 == 0 and size % 4 == 0 else 1
            return b"".join(
                self.debug_read(at, step).to_bytes(step, "little") for at in range(address, address + size, step)
            )

    def debug_write_block(self, address: int, data: bytes) -> None:
        """Write bytes, word by word where there is no RAM. Raises AccessFault."""
        with self._lock:
            if self.mcu.in_ram(address, len(data)):
                self.soc.debug_ram_write(address, data)
                return
            step = 4 if address % 4 == 0 and len(data) % 4 == 0 else 1
            for at in range(0, len(data), step):
                self.debug_write(address + at, step, int.from_bytes(data[at : at + step], "little"))

    def _memory_read(self, address: int, size: int) -> bytes | None:
        if self.mcu.in_ram(address, size):
            return self.soc.debug_ram_read(address, size)
        return self.cpu.read_memory(address, size) if self.mcu.in_flash(address, size) else None
