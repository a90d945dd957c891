"""Writes what commands print now into the ``console`` blocks of pages; blocks with ``...`` in them stay as they are, to be edited by hand.

python -m tests.docs.refresh docs/tutorial.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs import fork_server
from tests.docs.conftest import CLOCKS
from tests.docs.exceptions import BEFORE, reason_not_to_run
from tests.docs.pages import ROOT, commands, text_of
from tests.docs.sandbox import Sandbox, boards_with, environment


def refresh(page: str, sandbox: Sandbox) -> None:
    """Run the commands of ``page`` and write their output into it."""
    for text in BEFORE.get(page, ()):
        sandbox.run(text)
    lines = text_of(page).splitlines()
    for command in reversed(
        [(each, sandbox.run(each.text)) for each in commands(page) if reason_not_to_run(each.text) is None]
    ):
        known, done = command
        sys.stderr.write(f"{known}: exit code {done.code}\n")
        if known.output is None or "..." in known.output:
            continue
        start = next(at for at in range(known.line - 1, len(lines)) if not lines[at].endswith("\\")) + 1
        printed = [line.rstrip() for line in (done.err if done.code else done.out).splitlines()]
        lines[start : start + len(known.output)] = [line for line in printed if line]
    (ROOT / page).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Refresh the pages that are named."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        boards_with(base / "few", CLOCKS)
        with fork_server.serving(base, environment(base / "server", base, base / "cache", base / "few")):
            for page in sys.argv[1:]:
                folder = base / page.replace("/", "-")
                folder.mkdir()
                refresh(page, Sandbox(folder, environment(folder, base, base / "cache", base / "few")))


if __name__ == "__main__":
    main()
