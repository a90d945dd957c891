"""Which current probes are connected, by USB ids and by the Joulescope's host driver. Nothing is opened but that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from bench.errors import BenchError
from bench.probes import joulescope
from bench.probes.base import PortInfo
from bench.probes.registry import drivers_for

BY_ID = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class FoundProbe:
    """A current probe: ``drivers`` that fit, the likeliest first, its ``url`` and ``serial``, the USB serial number where it tells one."""

    drivers: tuple[str, ...]
    url: str
    description: str
    serial: str | None = None


def connected_current_probes() -> list[FoundProbe]:
    """Return the current probes that are connected, by URL. Instruments on VISA are not looked for: asking a whole network takes minutes."""
    return [*serial_probes(list_ports.comports()), *_joulescopes()]


def serial_probes(ports: Sequence[PortInfo], by_id: Path = BY_ID) -> list[FoundProbe]:
    """Return those of ``ports`` that a driver recognises. Of the several ports of one instrument (equal serial numbers) the first."""
    stable = _stable_names(by_id)
    found: dict[tuple[object, ...], FoundProbe] = {}
    for port in sorted(ports, key=lambda port: port.device):
        drivers = drivers_for(port)
        if not drivers:
            continue
        serial = getattr(port, "serial_number", None)
        key = (tuple(drivers), serial) if serial else (port.device,)
        url = stable.get(str(Path(port.device).resolve()), port.device)
        found.setdefault(key, FoundProbe(tuple(drivers), url, port.description or "", serial))
    return list(found.values())


def _stable_names(by_id: Path) -> dict[str, str]:
    """Return the names under ``by_id`` by the device that each leads to: they stay the same when things are plugged in in another order."""
    try:
        links: Iterable[Path] = sorted(by_id.iterdir(), reverse=True)
    except OSError:
        return {}
    return {str(link.resolve()): str(link) for link in links}


def _joulescopes() -> list[FoundProbe]:
    try:
        driver = joulescope.host_driver()
    except BenchError:
        return []  # not installed
    try:
        paths = driver.device_paths()
    except (RuntimeError, OSError):
        return []
    finally:
        driver.finalize()
    return [
        FoundProbe(("joulescope",), "/".join(path.split("/")[-2:]), f"Joulescope {path.split('/')[-2].upper()}")
        for path in sorted(paths)
        if len(path.split("/")) == 3 and path.split("/")[-2] in joulescope.MODELS
    ]
