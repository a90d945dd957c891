"""Every command in the documentation is run, in the order of its page, in a folder of its own; what the page shows is what it prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import typer

from bench.cli.main import app
from tests.docs.compare import differences
from tests.docs.exceptions import BEFORE, NOT_RUN, reason_not_to_run
from tests.docs.pages import ROOT, Command, blocks, commands, pages, spans, text_of, words
from tests.docs.sandbox import Sandbox

WITH_COMMANDS = [page for page in pages() if any(reason_not_to_run(command.text) is None for command in commands(page))]
NewSandbox = Callable[[str, bool], Sandbox]


def assert_does(sandbox: Sandbox, command: Command) -> None:
    """Run ``command``: it must succeed, and print what is shown. Output with ``error:`` is that of a command which fails."""
    done = sandbox.run(command.text)
    shown = command.output or ()
    fails = any(line.startswith("error:") for line in shown)
    assert (done.code != 0) == fails, f"{command}\nexit code {done.code}\n{done.out}\n{done.err}"
    assert "Traceback" not in done.err, f"{command}\n{done.err}"
    if shown:
        different = differences(shown, (done.err if fails else done.out).splitlines())
        assert not different, f"{command}\n{different}\n\nall of it:\n{done.out}"


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_of_the_page(page: str, new_sandbox: NewSandbox) -> None:
    sandbox = new_sandbox(page.replace("/", "-"), False)
    for text in BEFORE.get(page, ()):
        done = sandbox.run(text)
        assert done.code == 0, f"before {page}: {text}\n{done.out}\n{done.err}"
    for command in commands(page):
        if reason_not_to_run(command.text) is None:
            assert_does(sandbox, command)


def test_python_examples(new_sandbox: NewSandbox) -> None:
    page = "docs/howto/python.md"
    script = "\n".join(line for block in blocks(page) if block.language == "python" for line in (*block.lines, ""))
    assert "sweep(" in script
    done = new_sandbox("python", False).run(f"python - <<'END'\n{script}\nEND")
    assert done.code == 0, done.err


def test_make_run_prints_what_the_readme_shows(new_sandbox: NewSandbox) -> None:
    recipe = re.search(r"^run: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    shown = next(block.lines for block in blocks("README.md") if any("wait states" in line for line in block.lines))
    sandbox = new_sandbox("make-run", True)
    printed: list[str] = []
    for line in recipe[1].splitlines():
        done = sandbox.run(line.strip().replace("$(BIN)/", ""))
        assert done.code == 0, done.err
        printed += done.out.splitlines()
    different = differences(["...", *shown, "..."], printed)
    assert not different, "\n".join([different, *printed])


@cache
def program() -> Any:
    """Return the whole command line as Typer made it."""
    return typer.main.get_command(app)


def options(arguments: list[str]) -> tuple[str, set[str]]:
    """Return the path and the options of the command that ``arguments`` (without ``bench``) call. Raises KeyError for one that is not there."""
    found, path = program(), "bench"
    known = {option for parameter in found.params for option in parameter.opts} | {"--help", "-h"}
    for word in arguments:
        children = getattr(found, "commands", None)
        if children is None or word.startswith("-"):
            break
        found, path = children[word], f"{path} {word}"
        known |= {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return path, known


def every_mention() -> list[Command]:
    """Return the commands of ``bench`` in blocks and in running text, run or not."""
    all_commands = [command for page in pages() for command in (*commands(page), *spans(page))]
    return [command for command in all_commands if command.text.startswith("bench ")]


def test_no_page_names_a_command_or_an_option_that_is_not_there() -> None:
    for command in every_mention():
        for part in re.split(r"\s[;&|>]+\s|; ", command.text):
            arguments = words(part)[1:] if part.startswith("bench ") else []
            try:
                path, known = options(arguments)
            except KeyError as error:
                pytest.fail(f"{command}: there is no command {error}")
            used = {word.split("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
            assert used <= known, f"{command}: {path} has no {', '.join(sorted(used - known))}"


def leaves(command: Any, path: str) -> list[tuple[str, set[str]]]:
    """Return path and options of every command below ``command``."""
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, {option for parameter in command.params for option in parameter.opts if option[:2] == "--"})]
    return [leaf for name, child in children.items() for leaf in leaves(child, f"{path} {name}")]


def test_a_page_explains_every_command_and_every_option() -> None:
    text = "\n".join(
        text_of(page) for page in pages() if page != "docs/reference/cli.md"
    )  # which is made by the program
    missing = []
    for path, known in leaves(program(), "bench"):
        if not re.search(rf"{path}\b", text):
            missing.append(path)
        missing += [f"{path} {option}" for option in known if not re.search(rf"{re.escape(option)}(?![\w-])", text)]
    assert not missing


def test_no_exception_is_left_over() -> None:
    texts = [command.text for page in pages() for command in commands(page)]
    assert [pattern for pattern, _ in NOT_RUN if not any(re.search(pattern, text) for text in texts)] == []
    assert set(BEFORE) <= set(pages())
