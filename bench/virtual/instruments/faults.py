"""What can go wrong with an instrument, on demand: the names, and the faults of the line that all instruments share."""

from __future__ import annotations

from bench.virtual.instruments.wiring import Instrument

FAULTS = {
    "silent": "answers nothing",
    "wrong_baud": "the line carries other bytes than were sent, either way",
    "garbage": "noise among the samples, soon after the trigger",
    "lost_samples": "some samples never leave the instrument, soon after the trigger",
    "disconnect": "leaves the bus soon after the trigger; back when the port is opened again",
    "no_trigger": "does not see the trigger pin",
    "overcurrent": "the target draws more than the instrument can give, soon after the trigger",
    "stale": "what an earlier acquisition left in its buffers comes first: when the port is opened, and after a start",
}
_OLD_NAMES = {"mute": "silent", "lost": "lost_samples"}


class FaultSet(frozenset[str]):
    """Faults, some of which occur only so many times: ``left`` tells how often, by name."""

    def __new__(cls, names: frozenset[str], left: dict[str, int]) -> FaultSet:
        made = super().__new__(cls, names)
        made.left = left
        return made

    left: dict[str, int]


def struck(faults: frozenset[str]) -> frozenset[str]:
    """Return those of ``faults`` that strike the acquisition that begins; that uses up one of the times they have."""
    if not isinstance(faults, FaultSet):
        return faults
    now = frozenset(name for name in faults if faults.left.get(name) != 0)
    for name in now & faults.left.keys():
        faults.left[name] -= 1
    return now


def parse_faults(text: str) -> FaultSet:
    """Return the faults in ``text``, names parted by commas, each with ``*N`` where it strikes N acquisitions only; empty: none.

    Raises ValueError for a name that is none, and for a number that is none.
    """
    left: dict[str, int] = {}
    names = set()
    for word in {name.strip() for name in text.split(",")} - {""}:
        name, star, times = word.partition("*")
        name = _OLD_NAMES.get(name, name)
        names.add(name)
        if star:
            left[name] = int(times)
    if unknown := names - FAULTS.keys():
        raise ValueError(f"unknown faults {sorted(unknown)}, known: {', '.join(FAULTS)}")
    return FaultSet(frozenset(names), left)


class Line:
    """The cable between an instrument and its port."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._faults: frozenset[str] = frozenset()
        self._noise = bytearray()

    def set_faults(self, faults: frozenset[str]) -> None:
        """Misbehave from now on in these ways (FAULTS)."""
        self._faults = faults
        self._noise.clear()
        self._instrument.set_faults(faults)

    def receive(self, data: bytes) -> None:
        """Take bytes from the host. Raises UnpluggedError."""
        if "wrong_baud" in self._faults:
            # The instrument makes nothing of it, and what it complains about comes back just as broken.
            self._noise += data
        elif "silent" not in self._faults:
            self._instrument.receive(data)

    def transmit(self) -> bytes:
        """Return the bytes that reach the host. Raises UnpluggedError."""
        data = self._instrument.transmit()
        if "silent" in self._faults:
            return b""
        if "wrong_baud" in self._faults:
            data = bytes(0x80 | byte ^ 0x2D for byte in self._noise + data)
            self._noise.clear()
        return data
