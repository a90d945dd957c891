"""What ``--help`` shows, of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.main import app


def every_command(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield path and command of all, groups included."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from every_command(child, (*path, name))


COMMANDS = list(every_command(typer.main.get_command(app)))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) or "bench" for path, _ in COMMANDS])
def test_help_shows_all_of_every_text(path: tuple[str, ...], command: Any, width: int) -> None:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(width)})
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= width
    flat = re.sub(r"\W+", "", done.output)  # columns are narrow: whatever is between words may be a line's end
    for paragraph in (command.help or "").split("\n\n"):
        assert re.sub(r"\W+", "", paragraph) in flat
    for parameter in command.params:
        if any(name in ("--install-completion", "--show-completion") for name in parameter.opts):
            continue
        assert parameter.help, f"{path} {parameter.name} has no help"
        assert len(parameter.help.splitlines()) == 1
        assert re.sub(r"\W+", "", parameter.help.split()[-1]) in flat
        is_flag = parameter.param_type_name == "option" and not parameter.metavar
        assert parameter.param_type_name == "argument" or is_flag == isinstance(parameter.default, bool), parameter.name


@pytest.mark.parametrize(("path", "command"), COMMANDS[1:], ids=[" ".join(path) for path, _ in COMMANDS[1:]])
def test_paragraphs_fill_the_line(path: tuple[str, ...], command: Any) -> None:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80"})
    text = done.output.partition("╭")[0].splitlines()
    for line, following in pairwise(text):
        if line.strip() and following.strip():
            assert len(line.rstrip()) + 1 + len(following.split()[0]) > 79, f"{line!r} ends early"
