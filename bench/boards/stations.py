"""Stations: those in stations.yaml, and one virtual station per board.

A station file:

    stations:
      - name: desk
        board: nucleo_f446ze
        product: NUCLEO-F446ZE                    # optional, for people: what is printed on it
        debug_probe: 066BFF515049657187203642     # as pyocd list shows it
        serial: /dev/serial/by-id/usb-STM...-if02 # optional, for people: its virtual serial port, which the bench does not use
        fixtures: [climate_chamber]               # optional, for people: what else is there
        mcu_unique_id: 0037002b3438510d34313939   # optional; binds the station to one chip
        current_probe:                            # optional
          driver: lpm01a
          url: /dev/ttyACM1
        vdd: 3.3 V                                # optional; the board's nominal supply
        power_cycle: uhubctl -l 1-1 -p 2 -a cycle # optional; a command that cuts the board's power and gives it back

A virtual station with other settings than the built-in ones says ``virtual: true`` and has a name that starts with
``virtual-``. Hardware and virtual parts are never mixed within a station.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from bench.boards.loader import board_names, load_board
from bench.boards.quantities import Volt
from bench.boards.schema import Block, Name, Text
from bench.boards.yaml_file import YamlFile, read
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.errors import ConfigurationError, UnknownName

VIRTUAL_PREFIX = "virtual-"
VIRTUAL_SCHEME = "virtual://"
DEFAULT_STATION = "virtual-nucleo_f446ze"
VIRTUAL_PROBES: Mapping[str, str] = {"nucleo_f446ze": "stlink_v3pwr", "nucleo_f746zg": "stlink_v3pwr"}
"""Driver of the current probe at the virtual station of a board, where it is not the X-NUCLEO-LPM01A: that ends at 50 mA, which
floating-point kernels exceed on an F446 at its fastest clocks."""
UNWIRED = ("constant", "csv")
"""Drivers that stand in for a current probe: wired to no board, they fit a hardware station and a virtual one, and several at once."""
STATIONS_VARIABLE = "BENCH_STATIONS"
STATIONS_FILE = "stations.yaml"


class CurrentProbeBlock(Block):
    """A current probe."""

    driver: Name
    url: Text


class StationBlock(Block):
    """One station. ``mcu_unique_id`` is kept in lower case."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    board: Text
    product: Text | None = None
    debug_probe: Text | None = None
    serial: Text | None = None
    fixtures: list[Name] = Field(default_factory=list)
    mcu_unique_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{24}$"), AfterValidator(str.lower)] | None = None
    current_probe: CurrentProbeBlock | None = None
    vdd: Volt | None = None
    power_cycle: Text | None = None
    virtual: bool = False


class StationsFile(Block):
    """The whole file."""

    stations: list[StationBlock]


def virtual_stations() -> dict[str, Station]:
    """Return one virtual station per board, with the probes that the virtual board brings along."""
    found = {}
    for board in board_names():
        name = f"{VIRTUAL_PREFIX}{board}"
        driver = VIRTUAL_PROBES.get(board, "lpm01a")
        probe = CurrentProbeConfig(driver=driver, url=f"{VIRTUAL_SCHEME}{name}/{driver}")
        found[name] = Station(name, board, Source.VIRTUAL, name, probe, vdd_v=load_board(board).vdd_v)
    return found


def load_stations(path: Path) -> dict[str, Station]:
    """Return the stations in ``path`` by name, in the file's order. Raises ConfigurationError (file, line)."""
    file = read(path)
    found: dict[str, Station] = {}
    for index, block in enumerate(file.parse(StationsFile).stations):
        if block.name in found:
            raise file.error(
                ("stations", index, "name"), f"station {block.name} is there twice", hint="give it another name"
            )
        station = _station(file, index, block)
        _refuse_shared_probes(file, index, station, list(found.values()))
        found[block.name] = station
    return found


def stations_path(option: str | None = None) -> Path | None:
    """Return the station file: ``option``, else BENCH_STATIONS, else stations.yaml where it is there, else None.

    Raises ConfigurationError for a file that was asked for and is not there.
    """
    asked = option or os.environ.get(STATIONS_VARIABLE)
    path = Path(asked or STATIONS_FILE)
    if path.is_file():
        return path
    if asked:
        raise ConfigurationError(f"there is no station file {path}", hint=f"mend --stations or {STATIONS_VARIABLE}")
    return None


def all_stations(path: Path | None = None) -> dict[str, Station]:
    """Return the stations of ``path`` (None: no file), then the virtual ones that the file does not redefine."""
    configured = load_stations(path) if path else {}
    return configured | {name: station for name, station in virtual_stations().items() if name not in configured}


def default_station(stations: dict[str, Station]) -> Station:
    """Return the first hardware station, else the virtual NUCLEO-F446ZE."""
    hardware = [station for station in stations.values() if station.source is Source.HARDWARE]
    return hardware[0] if hardware else find_station(stations, DEFAULT_STATION)


def find_station(stations: dict[str, Station], name: str | None = None) -> Station:
    """Return the station ``name`` (None: the default). Raises UnknownName."""
    if name is None:
        return default_station(stations)
    if name not in stations:
        raise UnknownName.among("station", name, list(stations))
    return stations[name]


def _station(file: YamlFile, index: int, block: StationBlock) -> Station:
    def wrong(key: str, message: str, hint: str) -> ConfigurationError:
        return file.error(("stations", index, *key.split(".")), f"station {block.name}: {message}", hint=hint)

    if block.board not in board_names():
        error = UnknownName.among("board", block.board, board_names())
        raise wrong("board", error.message, error.hint)
    if block.virtual != block.name.startswith(VIRTUAL_PREFIX):
        if block.virtual:
            raise wrong(
                "name", "a virtual station's name starts with 'virtual-'", f"call it {VIRTUAL_PREFIX}{block.name}"
            )
        raise wrong(
            "name", "names that start with 'virtual-' are for virtual stations", "rename it, or add virtual: true"
        )
    if block.debug_probe is None and not block.virtual:
        raise wrong("name", "debug_probe is missing", "add the unique id that pyocd list shows")
    debug_probe = block.debug_probe or f"{VIRTUAL_PREFIX}{block.board}"
    if debug_probe.startswith(VIRTUAL_PREFIX) != block.virtual:
        raise wrong(
            "debug_probe",
            f"debug_probe {debug_probe} does not fit a {'virtual' if block.virtual else 'hardware'} station",
            "virtual debug probes are called virtual-...; hardware and virtual parts are never mixed",
        )
    probe = block.current_probe
    if probe and probe.driver not in UNWIRED and probe.url.startswith(VIRTUAL_SCHEME) != block.virtual:
        raise wrong(
            "current_probe.url",
            f"current probe {probe.url} does not fit a {'virtual' if block.virtual else 'hardware'} station",
            f"virtual current probes are at {VIRTUAL_SCHEME}...; hardware and virtual parts are never mixed",
        )
    try:
        command = tuple(shlex.split(block.power_cycle or ""))
    except ValueError as error:
        raise wrong("power_cycle", f"power_cycle is not a command: {error}", "close every quotation mark") from None
    board = load_board(block.board)
    vdd_v = board.vdd_v if block.vdd is None else block.vdd
    low_v, high_v = board.limits.vdd_range_v
    if not low_v <= vdd_v <= high_v:
        raise wrong("vdd", f"vdd {vdd_v:g} V is not within {low_v:g} .. {high_v:g} V", f"{board.product} needs that")
    return Station(
        name=block.name,
        board=block.board,
        source=Source.VIRTUAL if block.virtual else Source.HARDWARE,
        debug_probe=debug_probe,
        product=block.product or "",
        serial=block.serial or "",
        fixtures=tuple(block.fixtures),
        current_probe=CurrentProbeConfig(probe.driver, probe.url) if probe else None,
        mcu_unique_id=block.mcu_unique_id,
        vdd_v=vdd_v,
        power_cycle=command,
    )


def _refuse_shared_probes(file: YamlFile, index: int, station: Station, others: list[Station]) -> None:
    """Two hardware stations on one probe would measure each other's board."""
    for other in others:
        if station.source is not Source.HARDWARE or other.source is not Source.HARDWARE:
            continue
        if other.debug_probe == station.debug_probe:
            key: tuple[str, ...] = ("debug_probe",)
            what = f"debug_probe {station.debug_probe}"
        elif (
            station.current_probe
            and other.current_probe
            and station.current_probe.driver not in UNWIRED
            and station.current_probe.url == other.current_probe.url
        ):
            key, what = ("current_probe", "url"), f"current probe {station.current_probe.url}"
        else:
            continue
        raise file.error(
            ("stations", index, *key),
            f"station {station.name}: {what} is also station {other.name}'s",
            hint="a probe serves one station",
        )
