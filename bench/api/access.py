"""Under which names the server answers, and to whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """Which Host headers are ours (names in lower case; ``any_address``: IP addresses as well, which no other site can claim), and the token."""

    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    token: str | None = None

    def knows(self, host: str) -> bool:
        """Whether ``host``, without its port, is a name of this server."""
        name = host.lower().rstrip(".")
        return name in self.hosts or (self.any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
