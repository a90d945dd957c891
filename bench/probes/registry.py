"""The current probes by name.

Third parties add theirs through the entry point group ``bench.probes`` (name = a CurrentProbe class,
which is called with the URL).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from bench.errors import ConfigurationError, UnknownName
from bench.probes.base import CurrentProbe, PortInfo

GROUP = "bench.probes"
_OWN = (
    EntryPoint("constant", "bench.probes.constant:Constant", GROUP),
    EntryPoint("csv", "bench.probes.trace_file:CsvTrace", GROUP),
    EntryPoint("joulescope", "bench.probes.joulescope:Joulescope", GROUP),
    EntryPoint("lpm01a", "bench.probes.lpm01a:Lpm01a", GROUP),
    EntryPoint("lpm01a_static", "bench.probes.lpm01a_static:Lpm01aStatic", GROUP),
    EntryPoint("ppk2", "bench.probes.ppk2:Ppk2", GROUP),
    EntryPoint("ppk2_ampere", "bench.probes.ppk2:Ppk2Ampere", GROUP),
    EntryPoint("scpi", "bench.probes.scpi:Scpi", GROUP),
    EntryPoint("stlink_v3pwr", "bench.probes.stlink_v3pwr:StlinkV3Pwr", GROUP),
)


def _all() -> dict[str, EntryPoint]:
    # Our own come last: no plug-in may silently take a built-in name.
    return {entry.name: entry for entry in (*entry_points(group=GROUP), *_OWN)}


def probe_names() -> list[str]:
    """The names that ``probe_by_name`` knows, sorted."""
    return sorted(_all())


def probe_by_name(name: str) -> type[CurrentProbe]:
    """Return the probe class called ``name``; its ``spec`` can be read without an instance.

    Raises UnknownName, or ConfigurationError when a plug-in cannot be imported or is no CurrentProbe.
    """
    known = _all()
    if name not in known:
        raise UnknownName.among("current probe", name, sorted(known))
    try:
        found = known[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"current probe {name!r} cannot be loaded from {known[name].value}: {error}",
            hint="reinstall the package that provides it",
        ) from error
    if not (isinstance(found, type) and issubclass(found, CurrentProbe)):
        raise ConfigurationError(
            f"current probe {name!r}: {known[name].value} is not a CurrentProbe", hint="fix its entry point"
        )
    return found


def drivers_for(port: PortInfo) -> list[str]:
    """Return the names of the drivers whose instrument ``port`` looks like, sorted; a plug-in that cannot be loaded is none of them."""
    found = []
    for name in probe_names():
        with suppress(ConfigurationError):
            if probe_by_name(name).recognises(port):
                found.append(name)
    return found


def create_probe(name: str, url: str) -> CurrentProbe:
    """Return an unopened probe ``name`` on ``url``, which is what its driver says. Raises as ``probe_by_name``, ParameterError for a bad URL."""
    return cast(Callable[[str], CurrentProbe], probe_by_name(name))(url)
