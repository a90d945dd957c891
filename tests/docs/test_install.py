"""What `make run` installs can be installed with the oldest Python that the project names: Debian 12 has 3.11.2."""

from __future__ import annotations

import tomllib
from importlib.metadata import distributions

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.docs.pages import ROOT


def test_every_pinned_package_takes_the_oldest_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = str(project["requires-python"]).removeprefix(">=") + ".0"
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    installed = {(canonicalize_name(each.name), each.version): each for each in distributions()}
    checked = 0
    for requirement in pinned:
        (version,) = [each.version for each in requirement.specifier]
        found = installed.get((canonicalize_name(requirement.name), version))
        if found is not None:
            needs = SpecifierSet((found.metadata.get_all("Requires-Python") or [""])[0])
            assert needs.contains(oldest), f"{requirement} needs Python {needs}: pin an older one"
            checked += 1
    assert checked > 0.9 * len(pinned), "the environment is not that of requirements.lock: make run"
