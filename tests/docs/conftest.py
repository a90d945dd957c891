"""The fork server that ``bench`` on the documentation's path is served by, and folders to run commands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs import fork_server
from tests.docs.pages import ROOT
from tests.docs.sandbox import Sandbox, boards_with, environment

CLOCKS = {
    "nucleo_f446ze": "16 MHz, 116 MHz, 180 MHz",
    "nucleo_l496zg": "16 MHz, 80 MHz",
    "nucleo_f746zg": "16 MHz, 216 MHz",
    "disco_l4r9i": "16 MHz, 120 MHz",
}
"""What "all clocks" are on most pages."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a quick ``bench``."""
    folder = tmp_path_factory.mktemp("programs")
    with fork_server.serving(folder, environment(folder, folder, folder / "cache", folder)):
        yield folder


@pytest.fixture(scope="session")
def few_clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return board files with few clocks."""
    folder = tmp_path_factory.mktemp("boards") / "few"
    boards_with(folder, CLOCKS)
    return folder


@pytest.fixture(scope="session")
def new_sandbox(
    tmp_path_factory: pytest.TempPathFactory, programs: Path, few_clocks: Path
) -> Callable[[str, bool], Sandbox]:
    """Return a maker of sandboxes: name, and whether boards have all their clocks."""
    cache = tmp_path_factory.mktemp("cache")

    def make(name: str, all_clocks: bool) -> Sandbox:
        folder = tmp_path_factory.mktemp("page") / name
        folder.mkdir()
        boards = ROOT / "boards" if all_clocks else few_clocks
        return Sandbox(folder, environment(folder, programs, cache, boards))

    return make
