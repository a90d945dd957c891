"""Makes the reference pages that the program itself knows best: command line, columns of the look-up table, database.

    python docs/make_reference.py            # writes docs/reference/*.md
    python docs/make_reference.py --check    # exit code 1 where a page is not what it makes

A test runs the check.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import typer
from sqlalchemy import CheckConstraint, UniqueConstraint

from bench.api.app import create_app
from bench.cli.main import app
from bench.daemon.service import Service
from bench.lut.values import TYPES
from bench.store.job_models import JobRow
from bench.store.models import Base

REFERENCE = Path(__file__).parent / "reference"
MADE_BY = "<!-- made by docs/make_reference.py: do not edit -->\n"
UNITS = {"_hz": "Hz", "_s": "s", "_a": "A", "_v": "V", "_w": "W", "_j": "J", "_bytes": "byte", "_c": "C", "_degc": "°C"}

SHAPES = ("kernel_w", "in_w", "in_c", "out_c")
"""End like a unit, and have none."""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def unit(name: str) -> str:
    """Return the unit that the end of ``name`` tells."""
    return "" if name in SHAPES else next((text for ending, text in UNITS.items() if name.endswith(ending)), "")


def text(raw: str | None) -> str:
    """Return a help text in Markdown: what looks like an HTML tag or a literal asterisk is neither."""
    return " ".join((raw or "").replace("\\[", "[").split()).replace("<", "&lt;").replace("*", "\\*")


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield path and command of every command below ``command``, in the order of ``--help``."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    else:
        for name, child in children.items():
            yield from leaves(child, f"{path} {name}")


def command_line() -> str:
    """Return the page of the command line."""
    program = typer.main.get_command(app)
    parts = [
        MADE_BY,
        "# Command line\n",
        "Every command with its options, as `bench COMMAND --help` prints them. Exit codes: 0 all done; 1 something failed (said, and recorded"
        " with its cause); 2 bad usage or configuration; 130 interrupted, what was measured stays. Progress goes to standard error, results to"
        " standard output.\n",
        "`bench --install-completion` teaches the shell to complete commands, options, and names of stations, boards, primitives and networks;"
        " `bench --show-completion` prints what it would install.\n",
    ]  # fmt: skip
    for path, command in leaves(program, "bench"):
        parts.append(f"## {path}\n")
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        shown = [name_of(each) if each.required else f"[{name_of(each)}]" for each in arguments]
        parts.append(
            f"```text\n{' '.join([path, '[OPTIONS]', *(name + ('...' if each.nargs == -1 else '') for name, each in zip(shown, arguments, strict=True))])}\n```\n"
        )
        parts += [f"{text(paragraph)}\n" for paragraph in inspect.cleandoc(command.help or "").split("\n\n")]
        rows = [
            [
                f"`{name_of(each)}`" if each in arguments else options_of(each),
                text(getattr(each, "help", "")).partition(" [default: ")[0],
                default(each),
            ]
            for each in command.params
            if not getattr(each, "hidden", False)
        ]  # fmt: skip
        if rows:
            parts.append(table(("option", "meaning", "default"), rows))
    return "\n".join(parts)


def name_of(argument: Any) -> str:
    """Return what ``--help`` calls ``argument``."""
    return str(argument.metavar or argument.name.upper()).strip("[]")


def options_of(option: Any) -> str:
    """Return the forms of ``option``, with what ``--help`` calls its value."""
    value = f" {option.metavar}" if option.metavar else ""
    return ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))


def default(parameter: Any) -> str:
    """Return what holds where ``parameter`` is not given, and the environment variable that may say it."""
    said = []
    if parameter.required:
        said.append("required")
    elif isinstance(parameter.default, bool):
        said += [f"`{parameter.opts[0]}`"] if parameter.default and parameter.secondary_opts else []
    elif parameter.default not in (None, ""):
        said.append(f"`{parameter.default}`")
    _, _, inherited = (getattr(parameter, "help", "") or "").replace("\\[", "[").partition(" [default: ")
    if inherited:
        said.append(text(inherited.removesuffix("]")))
    if parameter.envvar:
        said.append(f"`{parameter.envvar}` in the environment")
    return ", ".join(said)


def columns() -> str:
    """Return the page of the look-up table's columns."""
    rows = [[str(at), f"`{each.name}`", {"datetime": "time"}.get(each.kind.__name__, each.kind.__name__), unit(each.name), "may be empty" if each.optional else ""]
            for at, each in enumerate(TYPES, 1)]  # fmt: skip
    return "\n".join([
        MADE_BY,
        "# Columns of the look-up table\n",
        "In this order, in every format that the bench reads back, and as the keys of the objects that `bench run --json`, `bench sweep --json` and"
        " `bench export --format json` print. What each means: [the look-up table](../lut.md). As a JSON Schema (2020-12):"
        " [lut-schema.json](../lut-schema.json).\n",
        table(("", "column", "type", "unit", ""), rows),
    ])  # fmt: skip


def database() -> str:
    """Return the page of the database's tables."""
    assert JobRow  # the daemon's tables belong to the same metadata
    classes = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    parts = [
        MADE_BY,
        "# Database\n",
        "SQLite (`measurements.db`) or PostgreSQL, the same tables in both; `BENCH_DB` or `--db` names it. One run is written in one transaction,"
        " raw values first, derived ones in tables of their own. Names and units are those of the look-up table. `bench db check` looks after"
        " it, `bench db upgrade` brings an older one to the newest form. Reading it with other tools is welcome, writing is not.\n",
        "```text\n" + inspect.getdoc(sys.modules[Base.__module__]).split("\n\n")[1] + "\n```\n",  # type: ignore[union-attr]
    ]  # fmt: skip
    for name, described in Base.metadata.tables.items():
        made = classes[name]
        parts += [
            f"## {name}\n",
            *(f"{text(paragraph)}\n" for paragraph in (inspect.getdoc(made) or "").replace("``", "`").split("\n\n")),
        ]
        rows = []
        for column in described.columns:
            keys = ["key"] if column.primary_key else []
            keys += [f"to [{key.column.table.name}](#{key.column.table.name})" for key in column.foreign_keys]
            kind = type(column.type).__name__.replace("PlainText", "text").replace("UtcDateTime", "time, UTC")
            rows.append(
                [
                    f"`{column.name}`",
                    kind.lower() if kind != "time, UTC" else kind,
                    unit(column.name),
                    ", ".join(keys),
                    "may be null" if column.nullable else "",
                ]
            )
        parts.append(table(("column", "type", "unit", "", ""), rows))
        for constraint in sorted(described.constraints, key=lambda each: str(each.name)):
            if isinstance(constraint, UniqueConstraint):
                parts.append(f"One row for each {', '.join(f'`{each.name}`' for each in constraint.columns)}.\n")
            elif isinstance(constraint, CheckConstraint):
                parts.append(f"`{constraint.sqltext}`\n")
    return "\n".join(parts)


def http_api() -> str:
    """Return the page of the HTTP API, from its OpenAPI description."""
    described = create_app(cast(Service, None)).openapi()
    schemas = described["components"]["schemas"]
    parts = [
        MADE_BY,
        "# HTTP API\n",
        "`bench daemon` serves it beside its page, on `http://127.0.0.1:8440/` unless `--host` and `--port` say otherwise; `--no-web` instead of `--web`, the default, leaves both out."
        " Other hosts need a token (`--token`, better `BENCH_TOKEN`), sent as `Authorization: Bearer ...`, and reach it under names that `--allow-host`"
        " lists. The machine-readable description is at `/api/v1/openapi.json`. Names and units are those of the command line's `--json`. Errors are"
        " problem documents (RFC 9457).\n",
    ]  # fmt: skip
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            parts += [
                f"## {method.upper()} {path}\n",
                f"{text(operation.get('description') or operation.get('summary'))}\n",
            ]
            rows = [[f"`{each['name']}`", each["in"], kind(each["schema"]), text(each.get("description")), "required" if each.get("required") else ""]
                    for each in operation.get("parameters", [])]  # fmt: skip
            if rows:
                parts.append(table(("parameter", "in", "type", "meaning", ""), rows))
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                parts.append(f"Takes {kind(content['schema'])} (`{media}`).\n")
            errors = []
            for code, answer in operation["responses"].items():
                shapes = [
                    f"{kind(content.get('schema', {}))} (`{media}`)"
                    for media, content in answer.get("content", {}).items()
                ]
                if code >= "400":
                    errors.append(f"`{code}`")
                else:
                    parts.append(f"- `{code}`: {', '.join(shapes) or text(answer.get('description'))}")
            parts.append(f"- errors, as [Problem](#problem): {', '.join(errors)}")
            parts.append("")
    parts.append("## Values\n")
    for name, schema in schemas.items():
        parts += [f"### {name}\n", f"{text(schema.get('description'))}\n"]
        rows = [
            [f"`{field}`", kind(made), text(made.get("description"))]
            for field, made in schema.get("properties", {}).items()
        ]
        if rows:
            parts.append(table(("field", "type", "meaning"), rows))
    return "\n".join(parts)


def kind(schema: dict[str, Any]) -> str:
    """Return what ``schema`` allows, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


PAGES = {"cli.md": command_line, "lut-columns.md": columns, "database.md": database, "api.md": http_api}


def main() -> int:
    """Write the pages, or check them. Returns the exit code."""
    wrong = []
    for name, make in PAGES.items():
        path, content = REFERENCE / name, make().rstrip() + "\n"
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != content:
            wrong.append(name)
    if wrong:
        sys.stderr.write(f"not what the program says: {', '.join(wrong)}; run: python docs/make_reference.py\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
