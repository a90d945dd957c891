"""``bench boards``, ``bench primitives``, ``bench stations``: what there is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import out, print_json, table
from bench.cli.options import DEFAULT_STATIONS, Json, StationsFile, known_stations
from bench.domain.primitives import PRIMITIVES, Primitive
from bench.domain.primitives import primitive as find_primitive
from bench.domain.workload import DType
from bench.units import format_si

if TYPE_CHECKING:
    from bench.domain.board import Board
    from bench.domain.clock import ClockConfiguration
    from bench.domain.station import Station


def boards(
    name: Annotated[str | None, typer.Argument(help="A board, for its clock table.")] = None,
    as_json: Json = False,
) -> int:
    """List the boards, or show the clock table of one."""
    from bench.boards import board_names, load_board

    if name is not None:
        return _clocks(load_board(name), as_json)
    described = [load_board(each) for each in board_names()]
    if as_json:
        print_json(
            [
                {
                    "board": board.name,
                    "product": board.product,
                    "mcu": board.mcu,
                    "core": board.core,
                    "flash_bytes": board.flash.size_bytes,
                    "ram_bytes": board.sram.size_bytes,
                    "clocks_hz": list(board.clocks_hz),
                }
                for board in described
            ]
        )
        return 0
    shown = table(
        ("board", ""), ("product", ""), ("MCU", ""), ("core", ""), ("flash", "right"), ("RAM", "right"), ("clocks", "")
    )
    for board in described:
        fastest, slowest = max(board.clocks_hz), min(board.clocks_hz)
        clocks = f"{len(board.clocks_hz)}, {format_si(slowest, 'Hz')} to {format_si(fastest, 'Hz')}"
        shown.add_row(
            board.name,
            board.product,
            board.mcu,
            board.core,
            f"{board.flash.size_bytes // 1024} KiB",
            f"{board.sram.size_bytes // 1024} KiB",
            clocks,
        )
    out().print(shown)
    return 0


def _clocks(board: Board, as_json: bool) -> int:
    from bench.clocktree import clock_table

    configurations = clock_table(board)
    if as_json:
        print_json([_clock_object(board, requested, clock) for requested, clock in configurations])
        return 0
    shown = table(
        ("requested", "right"),
        ("achieved", "right"),
        ("source", ""),
        ("PLL m/n/r", ""),
        ("AHB/APB1/APB2", ""),
        ("wait states", "right"),
        ("scale", ""),
        ("clock id", ""),
        title=f"{board.product}: {board.mcu}, {board.core}, trigger {board.trigger_pin} ({board.trigger_pin.connector}), IDD jumper {board.idd_jumper}",
    )
    for requested_hz, clock in configurations:
        shown.add_row(
            format_si(requested_hz, "Hz"),
            format_si(clock.hclk_hz, "Hz"),
            f"{clock.oscillator} {format_si(clock.oscillator_hz, 'Hz')}",
            f"{clock.pll.m}/{clock.pll.n}/{clock.pll.r}" if clock.pll else "-",
            f"{clock.ahb_div}/{clock.apb1_div}/{clock.apb2_div}",
            str(clock.flash_wait_states),
            clock.regulator,
            clock.id,
        )
    out().print(shown)
    return 0


def _clock_object(board: Board, requested_hz: float, clock: ClockConfiguration) -> dict[str, object]:
    return {
        "board": board.name,
        "requested_hz": requested_hz,
        "sysclk_hz": clock.hclk_hz,
        "clock_id": clock.id,
        "oscillator": str(clock.oscillator),
        "oscillator_hz": clock.oscillator_hz,
        "pll": None if clock.pll is None else {"m": clock.pll.m, "n": clock.pll.n, "r": clock.pll.r},
        "ahb_div": clock.ahb_div,
        "apb1_div": clock.apb1_div,
        "apb2_div": clock.apb2_div,
        "flash_wait_states": clock.flash_wait_states,
        "regulator": clock.regulator,
        "accelerators": sorted(str(accelerator) for accelerator in clock.accelerators),
    }


def primitives(
    name: Annotated[str | None, typer.Argument(help="A primitive, for its parameters.")] = None,
    as_json: Json = False,
) -> int:
    """List the primitives and what one application of each is, or show the parameters of one."""
    shown_entries = list(PRIMITIVES.values()) if name is None else [find_primitive(name)]
    if as_json:
        print_json([_primitive_object(entry) for entry in shown_entries])
        return 0
    console = out()
    if name is not None:
        _parameters(shown_entries[0])
        return 0
    shown = table(("primitive", ""), ("parameters (default)", "wrap"), ("flavors", "wrap"), ("one application", "wrap"))
    for entry in shown_entries:
        parameters = ", ".join(f"{p.name} ({p.default_text})" for p in entry.parameters)
        flavors = "; ".join(f"{dtype}: {', '.join(each)}" for dtype, each in entry.flavors.items())
        shown.add_row(entry.name, parameters, flavors, entry.application)
    console.print(shown)
    console.print("ranges and meanings: bench primitives NAME", markup=False)
    return 0


def _parameters(entry: Primitive) -> None:
    console = out()
    console.print(f"[bold]{entry.name}[/]: {entry.summary}")
    console.print(f"one application: {entry.application}", markup=False)
    for dtype, flavors in entry.flavors.items():
        console.print(f"{dtype}: {', '.join(flavors)}", markup=False)
    shown = table(("parameter", ""), ("default", "right"), ("allowed", ""), ("meaning", "wrap"))
    for p in entry.parameters:
        limits = [*(() if p.dtypes == tuple(DType) else p.dtypes), *p.flavors]
        only = f" ({' '.join(limits)} only)" if limits else ""
        shown.add_row(p.name, p.default_text, p.range_text, p.help + only)
    console.print(shown)
    sets = [
        "; ".join(f"{key}={value}" for key, value in values.items()) or "the defaults" for values in entry.published
    ]
    console.print(f"swept by default: {' | '.join(sets)}", markup=False)


def _primitive_object(entry: Primitive) -> dict[str, object]:
    return {
        "primitive": entry.name,
        "summary": entry.summary,
        "application": entry.application,
        "dtypes": [str(dtype) for dtype in entry.dtypes],
        "flavors": {str(dtype): list(flavors) for dtype, flavors in entry.flavors.items()},
        "parameters": [
            {
                "name": p.name,
                "default": p.default_text if p.same_as else p.default,
                "range": p.range_text,
                "dtypes": [str(dtype) for dtype in p.dtypes],
                "flavors": list(p.flavors),
                "help": p.help,
            }
            for p in entry.parameters
        ],
        "published": [dict(values) for values in entry.published],
    }


def stations(
    detect: Annotated[
        bool,
        typer.Option(
            "--detect",
            help="Look at what is connected and print a stations file for it: bench stations --detect > stations.yaml",
        ),
    ] = False,
    as_json: Json = False,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """List the stations: yours from the stations file, and the virtual ones; and the debug probes that are connected.

    With --detect: connect to each debug probe without halting or writing anything, and print a stations file.
    """
    if detect:
        # The stations file is not read: a shell has just emptied it.
        from bench.cli.detect import detect as look

        text, found = look()
        if as_json:
            print_json(found)
        else:
            sys.stdout.write(text)
        return 0
    from bench.target.session import connected_probes  # late: pyOCD takes its time

    known = known_stations(stations)
    probes = dict(connected_probes())
    if as_json:
        print_json([_station_object(station, station.debug_probe in probes) for station in known.values()])
        return 0
    shown = table(
        ("station", ""), ("source", ""), ("board", ""), ("debug probe", ""), ("connected", ""), ("current probe", "")
    )
    for station in known.values():
        current = (
            "-" if station.current_probe is None else f"{station.current_probe.driver} at {station.current_probe.url}"
        )
        shown.add_row(
            station.name,
            str(station.source),
            station.board,
            station.debug_probe,
            "yes" if station.debug_probe in probes else "no",
            current,
        )
    console = out()
    console.print(shown)
    used = {station.debug_probe for station in known.values()}
    for unique_id, description in probes.items():
        if unique_id not in used:
            console.print(
                f"not configured: debug probe {unique_id} ({description}); bench stations --detect describes it",
                markup=False,
            )
    return 0


def _station_object(station: Station, connected: bool) -> dict[str, object]:
    return {
        "station": station.name,
        "source": str(station.source),
        "board": station.board,
        "product": station.product or None,
        "debug_probe": station.debug_probe,
        "serial": station.serial or None,
        "fixtures": list(station.fixtures),
        "connected": connected,
        "mcu_unique_id": station.mcu_unique_id,
        "vdd_v": station.vdd_v,
        "current_probe": None
        if station.current_probe is None
        else {"driver": station.current_probe.driver, "url": station.current_probe.url},
    }
