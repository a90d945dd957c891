"""The first-measurement checklist of ``bench doctor --station S``: from the plug to one tiny measurement, in the order in which things fail.

It stops at the first thing that is wrong: what comes after would only say so again. The smallest image there is gets flashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.boards import load_board
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.board import Board
from bench.domain.measurement import EnergyRun, Run
from bench.domain.primitives import workload
from bench.domain.station import Station
from bench.errors import BenchError, CurrentProbeError, IdentifyError, ProbeTimeout
from bench.measure.image import prepare
from bench.measure.procedure import Procedure, points
from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.units import format_si

SLOWEST_HZ = 8e6
"""The checklist's clock: the slowest of the board's that is not slower, so that any probe's range will do and nothing takes long."""
SETTINGS = Settings(repeats=3, window_s=20e-3, idle_s=10e-3, sentinel_every=0)
PLAUSIBLE = 3.0
"""A current further from the data sheet's than by this factor has another cause than the code that runs."""
VDD_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; ``mend`` is what to do where it is not ``ok``."""

    what: str
    ok: bool
    text: str
    mend: str = ""


class _Deaf:
    def event(self, text: str) -> None: ...

    def step(self, text: str) -> None: ...


def checklist(station: Station) -> Iterator[Finding]:
    """Yield what was found at ``station``, up to the first thing that is wrong."""
    board = load_board(station.board)
    with OpenStation(station, board, SETTINGS) as place:
        for finding in _walk(place, board):
            yield Finding(f"{station.name}, {finding.what}", finding.ok, finding.text, finding.mend)
            if not finding.ok:
                return


def _walk(place: OpenStation, board: Board) -> Iterator[Finding]:
    station = place.station
    if station.current_probe is None:
        yield Finding("current probe", True, "none: cycles only, and the board needs a supply of its own")
    else:
        driver, url = station.current_probe.driver, station.current_probe.url
        yield _step("current probe", lambda: f"{driver} at {url} answers", place.open_probe)
        yield _step("supply", lambda: f"{station.vdd_v:g} V switched on", place.feed)
    yield _connect(place, board)
    under_test = place.under_test
    yield _step(
        "flash",
        lambda: f"{board.flash.size_bytes // 1024} KiB, readable",
        lambda: under_test.read(board.flash.base, 1024),
    )
    clock = solve(board, min(hz for hz in board.clocks_hz if hz >= SLOWEST_HZ))
    work = workload("conv2d", {"k": 3, "in_h": 8, "in_w": 8})
    image = prepare(work, board, [clock], find_toolchain(), BuildCache.default())
    procedure = Procedure(station, image, under_test, place.meter, SETTINGS, _Deaf())
    yield _step("programming", lambda: f"an image of {image.built.sizes.flash_bytes} bytes, read back", procedure.flash)
    yield _step("start", lambda: "the firmware reports ready", procedure.boot)
    run, error = procedure.attempt(0, points(station, board, work, [clock])[0])
    yield from _measured(run, error, board, station, clock.hclk_hz)


def _step(what: str, text: Callable[[], str], do: Callable[[], object]) -> Finding:
    try:
        do()
    except BenchError as error:
        return Finding(what, False, error.message, error.hint)
    return Finding(what, True, text())


def _connect(place: OpenStation, board: Board) -> Finding:
    """Return whether debug probe and microcontroller answer, and are the right ones."""
    station = place.station
    try:
        place.connect()
    except IdentifyError as error:
        return Finding("microcontroller", False, error.message, error.hint)
    except BenchError as error:
        return Finding("debug probe", False, error.message, error.hint)
    bound = (
        "bound to it" if station.mcu_unique_id else "any chip may be there; bind the station to it with mcu_unique_id"
    )
    return Finding(
        "microcontroller",
        True,
        f"{board.mcu} on debug probe {station.debug_probe}, MCU unique id {place.under_test.unique_id()} ({bound})",
    )


def _measured(run: Run, error: BenchError | None, board: Board, station: Station, hclk_hz: float) -> Iterator[Finding]:
    """Yield what the first measurement says about the wiring."""
    if run.cycle_run is not None:
        counts = run.cycle_run.kernel_cycles
        yield Finding("cycles", True, f"{min(counts)} cycles a call at {hclk_hz / 1e6:g} MHz, output right")
    energy = run.energy_run
    if energy is None:
        if error is not None:
            yield Finding(_suspect(run, error), False, error.message, error.hint)
        return
    pin, length_s = board.trigger_pin, format_si(energy.window_s, "s")
    if run.result is not None and run.result.sysclk_measured_hz is None:
        yield Finding("window", True, f"{length_s} by the nominal clock: {energy.probe} does not see {pin} fall")
    else:
        yield Finding("trigger wire", True, f"{energy.probe} saw {pin} rise; the window was {length_s} long")
    yield _voltage(energy, station)
    yield _current(energy, board.expected_current_a(hclk_hz))
    if error is not None:
        yield Finding("first measurement", False, error.message, error.hint)
    elif run.result is not None and run.result.energy_j is not None:
        yield Finding("first measurement", True, f"{format_si(run.result.energy_j, 'J')} a call; bench run may come")


def _suspect(run: Run, error: BenchError) -> str:
    """Return which part of the station ``error``, of a run without an energy window, points at."""
    if run.cycle_run is None:
        return "cycles"
    if isinstance(error, ProbeTimeout):
        return "trigger wire"
    return "current" if isinstance(error, CurrentProbeError) else "energy window"


def _voltage(energy: EnergyRun, station: Station) -> Finding:
    text = f"{energy.vdd_v:.4g} V {'measured' if energy.vdd_measured else 'as set; this probe does not measure it'}"
    ok = abs(energy.vdd_v / station.vdd_v - 1) <= VDD_TOLERANCE
    return Finding(
        "supply voltage",
        ok,
        text if ok else f"{text}, {station.vdd_v:g} V were asked for",
        "" if ok else "look for a second supply (the board's own jumper still set), or a bad contact at the IDD jumper",
    )


def _current(energy: EnergyRun, expected_a: float) -> Finding:
    active_a, idle_a = energy.active.mean_a, energy.idle.mean_a
    text = f"{format_si(active_a, 'A')} active, {format_si(idle_a, 'A')} asleep; data sheet {format_si(expected_a, 'A')} active"
    if not expected_a / PLAUSIBLE <= active_a <= expected_a * PLAUSIBLE:
        mend = "too little: the board is fed past the probe; too much: something else hangs on the supply (LEDs, a shield, the ST-LINK's)"
        return Finding("current", False, text, mend)
    if not 0 <= idle_a < active_a:
        return Finding("current", False, text, "the core does not sleep: is a debugger attached by another program?")
    return Finding("current", True, text)
