"""A station in use: the current probe first, because it feeds the board, then the board itself; either can be taken anew."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType

from bench.domain.board import Board
from bench.domain.event import Action
from bench.domain.station import Source, Station
from bench.errors import BenchError, DebugProbeError
from bench.measure.energy import EnergyMeter
from bench.measure.settings import Settings
from bench.probes.base import CurrentProbe
from bench.probes.registry import create_probe
from bench.target.board_under_test import BoardUnderTest
from bench.target.session import Connect, open_board

DISCHARGE_S = 1.0
"""A board stays without power so long: the regulator's and the decoupling capacitors have to empty, or it was only a dip."""
COMMAND_TIMEOUT_S = 60.0


class OpenStation(AbstractContextManager["OpenStation"]):
    """The probes and the board of ``station``; not connected until ``connect``.

    Closing leaves the supply on, as the user may have it wired for more.
    """

    def __init__(self, station: Station, board: Board, settings: Settings) -> None:
        self.station = station
        self.board = board
        self._settings = settings
        self._probe: CurrentProbe | None = None
        self._feeding = False
        self._session = ExitStack()
        self._under_test: BoardUnderTest | None = None

    @property
    def connected(self) -> bool:
        """Whether the board is."""
        return self._under_test is not None

    @property
    def under_test(self) -> BoardUnderTest:
        """The connected board."""
        assert self._under_test is not None, "connect first"
        return self._under_test

    @property
    def meter(self) -> EnergyMeter | None:
        """The energy meter; None where the station has no current probe."""
        config = self.station.current_probe
        if config is None or self._probe is None:
            return None
        return EnergyMeter(self._probe, config.driver, self.board, self._settings)

    @property
    def rungs(self) -> frozenset[Action]:
        """What can be tried here when something fails."""
        everywhere = {Action.RETRY, Action.RESET, Action.RECONNECT, Action.CONNECT_UNDER_RESET}
        can_cut = self.station.current_probe is not None or self.station.power_cycle
        return frozenset(everywhere | ({Action.POWER_CYCLE} if can_cut else set()))

    def open_probe(self) -> None:
        """Open the current probe, where there is one that is not open. Raises CurrentProbeError, ConfigurationError."""
        config = self.station.current_probe
        if config is None or self._probe is not None:
            return
        probe = create_probe(config.driver, config.url)
        try:
            probe.open()
        except BaseException:
            probe.close()
            raise
        self._probe, self._feeding = probe, False

    def feed(self) -> None:
        """Switch the supply on, where it is not. Raises what the current probe raises."""
        self.open_probe()
        if self._probe is None or self._feeding:
            return
        try:
            self._probe.power_on(self.station.vdd_v)
        except BaseException:
            self._close_probe()
            raise
        self._feeding = True

    def connect(self, how: Connect = Connect.HALT) -> None:
        """Open the current probe where it is not, switch the supply on, and take the debug port. Raises what both raise."""
        self.disconnect()
        self.feed()
        self._under_test = self._session.enter_context(open_board(self.station, self.board, how))

    def look(self) -> None:
        """Have the current probe read anew what it reads when it switches the supply on, as a station may stay open for many images."""
        if self._probe is not None:
            self._probe.look()

    def disconnect(self) -> None:
        """Let go of the debug port; the current probe goes on feeding the board."""
        self._under_test = None
        self._session.close()

    def reconnect(self, *, current_probe: bool) -> None:
        """Take the debug port anew, and the current probe where that is asked for: letting go of it may cut the supply."""
        self.disconnect()
        if current_probe:
            self._close_probe()
        self.connect()

    def power_cycle(self) -> None:
        """Take the board's power away, by the station's own command or through the current probe, give it back, and connect.

        Raises DebugProbeError where the command fails, and what ``connect`` raises.
        """
        self.disconnect()
        if self.station.power_cycle:
            self._run_command()
        elif self._probe is not None:
            self._probe.power_off()
            self._feeding = False
            self._wait(DISCHARGE_S)
        self.connect()

    def _run_command(self) -> None:
        command = " ".join(self.station.power_cycle)
        hint = "try the station's power_cycle command by hand"
        try:
            done = subprocess.run(
                self.station.power_cycle,
                capture_output=True,
                text=True,
                errors="backslashreplace",
                timeout=COMMAND_TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DebugProbeError(f"power cycle: {command}: {error}", hint=hint) from error
        if done.returncode != 0:
            raise DebugProbeError(
                f"power cycle: {command} ended with {done.returncode}",
                hint=hint,
                detail=(done.stderr or done.stdout).strip(),
            )
        self._wait(DISCHARGE_S)

    def _wait(self, seconds: float) -> None:
        if self.station.source is Source.HARDWARE:  # a virtual board loses its power at once, and has its own time
            time.sleep(seconds)

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of board and current probe; ``connect`` takes them again."""
        try:
            with suppress(BenchError):
                self.disconnect()
        finally:
            self._close_probe()


@contextmanager
def open_station(
    station: Station, board: Board, settings: Settings
) -> Iterator[tuple[BoardUnderTest, EnergyMeter | None]]:
    """Yield the connected, identified board of ``station`` and its energy meter, None where the station has no current probe.

    Raises what the probe and the target raise; closes both in any case.
    """
    with OpenStation(station, board, settings) as place:
        place.connect()
        yield place.under_test, place.meter
