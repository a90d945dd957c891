"""A chip without a core for the tests here."""

from __future__ import annotations

import pytest

from tests.virtual.soc.soc_fixture import Chip


@pytest.fixture
def chip() -> Chip:
    """Return a chip fresh from power-on, at 3.3 V."""
    return Chip()
