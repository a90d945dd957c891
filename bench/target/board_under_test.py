"""One connected board: memory access, flashing, running the harness, letting go of the debug port and taking it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.core.soc_target import SoCTarget
from pyocd.core.target import Target
from pyocd.coresight.cortex_m import CortexM
from pyocd.flash.loader import FlashLoader

from bench.domain.board import Board
from bench.errors import BenchError, BootError, FlashError, MailboxCorrupt, RunTimeout, TargetFault, VerifyError
from bench.firmware import mailbox
from bench.firmware.mailbox import Command, Report, Request, State, TargetErrorCode
from bench.target.fault import Fault
from bench.target.overflow import Frame, Locator, Overflow, find, stacked_from
from bench.target.probe_aids import diagnoses_of, time_source_of
from bench.target.pyocd_errors import pyocd_errors

POLL_S = 0.001
POLLS_PER_TIMEOUT = 2000
"""A long wait is polled less often: no more often than this in its time-out."""
BOOT_TIMEOUT_S = 1.0

WIRE_HZ = 1e6
"""SWD clock, pyOCD's default: a quarter of the slowest clock after a reset (MSI, 4 MHz)."""
WIRE_SHARE = 0.5
"""Most that the SWD clock may be of the core clock: the access port answers in the core's time, and a probe that asks faster than it
answers gets WAIT, which not every probe's firmware repeats for long enough."""
WIRE_MIN_HZ = 5e3
"""The slowest SWD clock of an ST-LINK."""

_DBGMCU_CR = 0xE0042004  # RM0390 rev 6, 33.16.3
_BKPT_MASK, _BKPT = 0xFF00, 0xBE00
_DEMCR_TRCENA = 1 << 24


class BoardUnderTest:
    """A board in an open pyOCD session.

    ``locate`` names code addresses of the running image in errors; it is replaced by ``boot``.
    """

    def __init__(self, session: Session, board: Board) -> None:
        target = session.target
        assert isinstance(target, SoCTarget)
        self._session = session
        self._target = target
        self._board = board
        self._time = time_source_of(session.probe)
        self._sequence = 0
        self._mailbox_address = 0
        self._diagnosed = 0
        self._locate: Locator = hex
        self._frames: Callable[[], Sequence[Frame]] = tuple
        self.elapsed_s = 0.0  # how long the last attached run took, at most, by a clock that does not wrap
        self._hclk_hz = self._next_hclk_hz = self._wire_hz = float("inf")

    # Memory

    def read_word(self, address: int) -> int:
        """Return the 32-bit word at ``address``."""
        with pyocd_errors(f"reading {address:#010x}"):
            return int(self._target.read32(address))

    def read_halfword(self, address: int) -> int:
        """Return the 16-bit halfword at ``address``."""
        with pyocd_errors(f"reading {address:#010x}"):
            return int(self._target.read16(address))

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes from ``address``."""
        with pyocd_errors(f"reading {size} bytes at {address:#010x}"):
            return bytes(self._target.read_memory_block8(address, size))

    def unique_id(self) -> str:
        """Return the MCU's 96-bit unique id as 24 hexadecimal digits."""
        return self.read(self._board.identity.unique_id_address, 12).hex()

    # Flash

    def flash(self, segments: Mapping[int, bytes]) -> int:
        """Program ``segments`` (address to bytes) where the flash differs, read all of it back, and return the bytes that differed.

        Raises FlashError. pyOCD erases and programs only the sectors that change.
        """
        stale = {address: data for address, data in segments.items() if self.read(address, len(data)) != data}
        if not stale:
            return 0
        with pyocd_errors("resetting before flashing", FlashError):
            self._target.reset_and_halt()
        with pyocd_errors("programming the flash", FlashError):
            loader = FlashLoader(self._session)
            for address, data in segments.items():
                loader.add_data(address, data)
            loader.commit()
        for address, data in segments.items():
            written = self.read(address, len(data))
            if written != data:
                at = next(i for i, (a, b) in enumerate(zip(written, data, strict=True)) if a != b)
                raise FlashError(
                    f"the flash reads {written[at]:#04x} at {address + at:#010x} after programming, expected {data[at]:#04x}",
                    hint="the sector may be worn out or write protected (option bytes)",
                )
        return sum(len(data) for data in stale.values())

    # Running the harness

    def boot(
        self,
        mailbox_address: int,
        image_id: tuple[int, int],
        locate: Locator,
        frames: Callable[[], Sequence[Frame]] = tuple,
    ) -> None:
        """Reset, let the harness start, and check that it is the expected image. Raises BootError.

        ``frames`` returns what its functions take of the stack; it is asked only after an overflow.
        """
        self._mailbox_address, self._locate, self._frames, self._sequence = mailbox_address, locate, frames, 0
        with pyocd_errors("resetting", BootError):
            self._target.reset_and_halt()
            self._target.write32(mailbox_address + mailbox.OFFSET["magic"], 0)
            self._target.resume()
        self._wait_halted(BOOT_TIMEOUT_S, "start-up", BootError)
        self._hclk_hz = self._next_hclk_hz = float("inf")
        self._set_wire()
        report = self._report()
        self._raise_fault(report)
        if report.word("magic") != mailbox.MAGIC or report.word("state") != State.READY:
            raise BootError(
                f"the harness did not report ready: magic {report.word('magic'):#010x}, state {report.word('state')}, stopped at {self._where()}",
                hint="power-cycle the board; a watchdog or boot pin may keep the flash from running",
            )
        if report.words("image_id") != image_id:
            raise BootError(
                "another image runs than the one that was flashed",
                hint="check the boot configuration (BOOT0, option bytes)",
            )

    def expect_clock(self, hclk_hz: float) -> None:
        """Say that the commands from now on run at ``hclk_hz``: the SWD clock stays below that, and below the present core clock.

        Raises DebugProbeError where the probe cannot go as slow.
        """
        self._next_hclk_hz = hclk_hz
        self._set_wire()

    def next_sequence(self) -> int:
        """Return the number for the next request."""
        self._sequence += 1
        return self._sequence

    def run(self, request: Request, timeout_s: float) -> Report:
        """Run one command attached, and return the mailbox. Raises RunTimeout, TargetFault, VerifyError."""
        self._post(request)
        started_s = self._time.monotonic()
        with pyocd_errors("starting the run"):
            self._target.resume()
        self._wait_halted(timeout_s, f"{request.command.name.lower()} run", RunTimeout)
        self.elapsed_s = self._time.monotonic() - started_s
        return self._finished(request)

    def run_detached(self, request: Request) -> float:
        """Start one command and let go: debug and trace bits cleared, debug port powered down. ``reattach`` ends it.

        Returns how many seconds passed from letting the core run to the port being down. C_DEBUGEN is cleared by the very write that lets
        the core run (ARM DDI 0403E.e C1.6.2). Raises DebugProbeError, also where the port does not acknowledge.
        """
        self._post(request)
        with pyocd_errors("releasing the debug port"):
            core = self._target.selected_core_or_raise
            core.flush()
            self._target.write32(_DBGMCU_CR, 0)
            demcr = self._target.read32(CortexM.DEMCR)
            self._target.write32(CortexM.DEMCR, demcr & ~_DEMCR_TRCENA)
            released_s = self._time.monotonic()
            self._target.write32(CortexM.DHCSR, CortexM.DBGKEY)
            self._target.flush()
            if not self._target.dp.power_down_debug():
                raise exceptions.ProbeError("the debug port does not acknowledge that it is powered down")
            return self._time.monotonic() - released_s

    def reattach(self, request: Request, timeout_s: float) -> Report:
        """Take the debug port again without reset, wait until ``request`` is done and the core stopped, and return the mailbox.

        Raises DebugProbeError, RunTimeout, TargetFault, VerifyError.
        """
        deadline = self._time.monotonic() + timeout_s
        with pyocd_errors("taking the debug port again"):
            while True:
                try:
                    self._take_port()
                    break
                except exceptions.TransferError:
                    # A core that still sleeps need not answer: with DBG_SLEEP clear its bus clock stands (RM0390 rev 6 33.16.1).
                    if self._time.monotonic() > deadline:
                        raise
                self._time.sleep(POLL_S)
        # The harness runs into its breakpoint by itself once it is done and sees C_DEBUGEN.
        self._wait_halted(timeout_s, "energy run", RunTimeout)
        return self._finished(request)

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass by the target's clock."""
        self._time.sleep(seconds)

    # Helpers

    def _take_port(self) -> None:
        """Power the debug port up and enable halting debug."""
        if not self._target.dp.power_up_debug():
            raise exceptions.ProbeError("the debug port does not acknowledge that it is powered up")
        self._target.dp.clear_sticky_err()
        for access_port in self._target.aps.values():
            access_port._invalidate_cache()  # noqa: SLF001  the port's registers may have been lost with its power
        self._target.write32(CortexM.DHCSR, CortexM.DBGKEY | CortexM.C_DEBUGEN)

    def _set_wire(self) -> None:
        slowest_hz = min(self._hclk_hz, self._next_hclk_hz)
        wire_hz = min(WIRE_HZ, max(WIRE_MIN_HZ, WIRE_SHARE * slowest_hz))
        if wire_hz != self._wire_hz:
            with pyocd_errors(f"setting the SWD clock to {wire_hz / 1e3:g} kHz"):
                self._session.probe.set_clock(wire_hz)
            self._wire_hz = wire_hz

    def _post(self, request: Request) -> None:
        self._diagnosed = len(diagnoses_of(self._session.probe))
        with pyocd_errors("writing the mailbox"):
            for name, word in request.words().items():
                self._target.write32(self._mailbox_address + mailbox.OFFSET[name], word)
            pc = self._target.read_core_register("pc")
            if self._target.read16(pc) & _BKPT_MASK == _BKPT:
                self._target.write_core_register("pc", pc + 2)

    def _report(self) -> Report:
        return Report(self.read(self._mailbox_address, mailbox.SIZE_BYTES))

    def _finished(self, request: Request) -> Report:
        self._hclk_hz = self._next_hclk_hz
        self._set_wire()
        report = self._report()
        self._raise_fault(report)
        if (
            report.word("magic") != mailbox.MAGIC
            or report.word("done_sequence") != request.sequence
            or report.word("state") != State.DONE
        ):
            raise MailboxCorrupt(
                f"the target stopped at {self._where()} with magic {report.word('magic'):#010x} and state {report.word('state')}, "
                f"expected {mailbox.MAGIC:#010x} and {int(State.DONE)}",
                hint="the mailbox was overwritten, or the target was reset (a dip of the supply?)",
                detail=f"command {report.word('done_sequence')} is done, expected {request.sequence}",
            )
        self._raise_target_error(report)
        if request.command is Command.CYCLES:
            self._check_stack()
        return report

    def _wait_halted(self, timeout_s: float, what: str, error_class: type[BenchError]) -> None:
        deadline = self._time.monotonic() + timeout_s
        poll_s = max(POLL_S, timeout_s / POLLS_PER_TIMEOUT)
        with pyocd_errors(f"waiting for the {what}"):
            while True:
                state = self._target.get_state()
                if state is Target.State.HALTED:
                    return
                if state is Target.State.LOCKUP or self._time.monotonic() > deadline:
                    break
                self._time.sleep(poll_s)
        self._give_up(timeout_s, what, error_class)

    def _give_up(self, timeout_s: float, what: str, error_class: type[BenchError]) -> None:
        """Halt a target that does not stop by itself, and say where it was."""
        with pyocd_errors(f"halting the target, which did not finish the {what}"):
            self._target.halt()
        self._raise_fault(self._report())
        raise error_class(
            f"the target did not finish the {what} within {timeout_s:.3g} s; it was at {self._where()}",
            hint="an endless loop in the kernel, or a clock far slower than asked for",
        )

    def _where(self) -> str:
        with pyocd_errors("reading the program counter"):
            pc = int(self._target.read_core_register("pc"))
        return self._locate(pc)

    def _raise_fault(self, report: Report) -> None:
        if report.word("state") != State.FAULT:
            return
        sp, exc_return = report.word("fault_sp"), report.word("fault_exc_return")
        has_frame = bool(report.word("fault_frame_valid"))
        fault = Fault(
            cfsr=report.word("fault_cfsr"),
            hfsr=report.word("fault_hfsr"),
            mmfar=report.word("fault_mmfar"),
            bfar=report.word("fault_bfar"),
            sp=sp,
            exc_return=exc_return,
            frame=report.words("fault_frame") if has_frame else None,
            overflow=None if has_frame else self._overflow(stacked_from(sp, exc_return)),
        )
        detail = "\n".join([fault.describe(self._locate), *self._diagnoses()])
        raise TargetFault(f"the target took a fault at {fault.where(self._locate)}", detail=detail)

    def _check_stack(self) -> None:
        """Refuse a run that used the stack to its end: not everywhere does the address space below the RAM fault on silicon."""
        base = self._board.harness_ram.base
        if (word := self.read_word(base)) == mailbox.STACK_PAINT:
            return
        overflow = self._overflow(())
        place = "an unknown place" if overflow is None else overflow.where(self._locate)
        raise TargetFault(
            f"the stack was used to its end, by {place}: its lowest word, at {base:#010x}, reads {word:#010x}",
            hint="what lies below was perhaps overwritten; put large arrays of the kernel among its tensors",
            detail="\n".join(overflow.describe(self._locate) if overflow else []),
        )

    def _overflow(self, stood: Sequence[int]) -> Overflow | None:
        """Find who overflowed the stack; it lies at the bottom of the RAM, below the mailbox (link.ld.j2)."""
        base, flash = self._board.harness_ram.base, self._board.flash

        def read_code(address: int, size: int) -> bytes:
            inside = flash.base <= address and address + size <= flash.base + flash.size_bytes
            return self.read(address, size) if inside else b""

        stack = self.read(base, self._mailbox_address - base)
        return find(stack, base, stood, read_code, self._frames())

    def _raise_target_error(self, report: Report) -> None:
        code = report.word("error")
        if code != TargetErrorCode.NONE:
            known = code in tuple(TargetErrorCode)
            text = mailbox.EXPLANATION[TargetErrorCode(code)] if known else f"unknown error code {code}"
            raise VerifyError(f"the target gave up: {text}", detail="\n".join(self._diagnoses()))

    def _diagnoses(self) -> list[str]:
        """Return what the probe has to say about the run that just failed."""
        return [f"virtual board: {text}" for text in diagnoses_of(self._session.probe)[self._diagnosed :]]
