"""The reference is what the program is: pages made by it are current, pages made by hand name every key and variable, and what they name is there."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from bench.boards import schema, stations, sweep_file
from bench.domain.lut import COLUMNS
from tests.docs.pages import ROOT, text_of

WORD = re.compile(r"`([A-Za-z_][\w.]*)`")


def test_pages_made_by_the_program_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/make_reference.py"), "--check"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of ``model``."""
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("page", "models"),
    [
        ("docs/reference/stations.md", (stations.StationBlock, stations.CurrentProbeBlock)),
        ("docs/reference/plans.md", (sweep_file.SweepFile, sweep_file.PrimitiveBlock)),
        (
            "docs/reference/boards.md",
            (schema.BoardFile, schema.IdentityBlock, schema.MemoryBlock, schema.TriggerBlock, schema.OscillatorBlock, schema.PllBlock,
             schema.LevelBlock, schema.FlashBlock, schema.ClockBlock),
        ),
    ],
)  # fmt: skip
def test_a_page_names_every_key_of_its_file(page: str, models: tuple[type[BaseModel], ...]) -> None:
    known = set().union(*(keys(model) for model in models))
    assert not known - set(WORD.findall(text_of(page)))


def test_the_page_of_the_table_names_every_column_in_order() -> None:
    rows = re.findall(r"^\| ([a-z][\w, ]*) \|", text_of("docs/lut.md"), re.MULTILINE)
    named = [name for row in rows if row not in {"column", "format"} for name in row.split(", ")]
    assert tuple(named) == COLUMNS


def test_every_environment_variable_is_explained_and_no_other() -> None:
    used = {
        name
        for path in (ROOT / "bench").rglob("*.py")
        for name in re.findall(r"\bBENCH_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert set(re.findall(r"^\| `(BENCH_[A-Z_]+)`", text_of("docs/reference/environment.md"), re.MULTILINE)) == used


def test_what_the_python_page_names_can_be_imported() -> None:
    first = [line.split("|")[1] for line in text_of("docs/reference/python.md").splitlines() if line.startswith("| `")]
    names = [name for cell in first for name in re.findall(r"`(bench[\w.]+)", cell)]
    assert len(names) > 10
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_readme_and_contributing_link_to_what_is_there() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", text_of(page)):
            path = ROOT / (target or page)
            assert path.exists(), f"{page}: {target}"
            if anchor:
                assert anchor in anchors(path), f"{page}: {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings in ``path``, as MkDocs and GitHub make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}
