"""How ``--help`` presents a command: paragraphs as wide as the terminal, a word for the value of each option, nothing taken for markup.

Which word a parameter's value has goes by its name, in one place, so that the same value is called the same in all commands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import ParameterInfo

Command = Callable[..., int | None]

_VALUES = {
    "accelerators": "LIST",
    "all": "",
    "board": "BOARD",
    "compare": "WHAT",
    "db": "DATABASE",
    "dtype": "TYPE",
    "file": "FILE",
    "flavor": "FLAVOR",
    "freq": "CLOCKS",
    "gone_after": "TIME",
    "k": "K",
    "max_flash": "SIZE",
    "max_ram": "SIZE",
    "model": "MODEL",
    "name": "NAME",
    "notify": "FILE",
    "opt": "LEVEL",
    "over": "WHAT",
    "point": "RUN",
    "port": "PORT",
    "primitive": "PRIMITIVE",
    "priority": "N",
    "repeats": "N",
    "seed": "N",
    "sleep_current": "CURRENT",
    "source": "SOURCE",
    "station": "STATION",
    "stations": "FILE",
    "takeover_after": "TIME",
    "title": "TEXT",
    "token": "SECRET",
    "window": "TIME",
}
"""What ``--help`` calls the value of a parameter that does not say so itself."""


def escaped(text: str) -> str:
    """Return ``text`` with its brackets kept: Rich takes ``[default: ...]`` for a style, and prints nothing."""
    return text.replace("\\[", "[").replace("[", "\\[")


def help_of(command: Command) -> str:
    """Return the docstring of ``command`` with every paragraph in one line."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return escaped("\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs))


def presenting(command: Command) -> Command:
    """Return ``command`` with a word for the value of every parameter; flags have none."""
    hints: dict[str, Any] = get_type_hints(command, include_extras=True)
    for parameter, hint in hints.items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, ParameterInfo):
                if info.metavar is None:
                    info.metavar = (
                        "" if bool in (hint.__origin__, *get_args(hint.__origin__)) else _VALUES.get(parameter)
                    )
                info.help = escaped(info.help) if info.help else info.help
    command.__annotations__ = hints
    return command


def _without_a_value(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option


class PresentedCommand(TyperCommand):
    """A command whose ``--help`` is shown as a flag."""

    def get_help_option(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Return the option ``--help``."""
        return _without_a_value(super().get_help_option(ctx))


class PresentedGroup(TyperGroup):
    """A group of commands whose flags are shown as flags."""

    def get_help_option(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Return the option ``--help``."""
        return _without_a_value(super().get_help_option(ctx))

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Return the options; those for the shell's completion are flags."""
        return [_without_a_value(each) for each in super().get_params(ctx)]
