"""A table handed from one database to another, on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.domain.lut import row
from bench.lut import write
from bench.store import open_store
from tests.store.store_samples import SLOW, a_point, a_run


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.cli.main", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_table_from_elsewhere_is_exported_again(tmp_path: Path) -> None:
    table = [row(a_run()), row(a_run(a_point(clock=SLOW)))]
    write(tmp_path / "theirs.csv", table)
    done = bench(tmp_path, "import", "theirs.csv", "--source", "published")
    assert done.returncode == 0, done.stderr
    assert "2 points" in done.stderr
    assert "2 new, 0 replaced" in done.stderr
    assert "0 new, 2 replaced" in bench(tmp_path, "import", "theirs.csv", "--source", "published").stderr
    out = bench(tmp_path, "export", "--json", "--freq", "16MHz")
    assert [(line["source"], line["sysclk_hz"]) for line in json.loads(out.stdout)] == [("published", 16e6)]

    refused = bench(tmp_path, "export", "t.yaml", "--format", "ofa")
    assert refused.returncode == 2
    assert "--freq" in refused.stderr
    assert bench(tmp_path, "export", "t.yaml", "--format", "ofa", "--freq", "180MHz").returncode == 0
    assert len(json.loads((tmp_path / "t.yaml").read_text())) == 1


def test_a_broken_table_brings_nothing(tmp_path: Path) -> None:
    write(tmp_path / "good.csv", [row(a_run()), row(a_run(a_point(k=3)))])
    lines = (tmp_path / "good.csv").read_text().splitlines()
    (tmp_path / "bad.csv").write_text("\n".join([*lines[:2], lines[2].replace("conv2d", "conv2d,x")]) + "\n")
    done = bench(tmp_path, "import", "bad.csv")
    assert done.returncode == 2
    assert "bad.csv, line 3" in done.stderr
    with open_store(f"sqlite:///{tmp_path}/measurements.db") as store:
        assert store.imported.names("station") == set()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = bench(tmp_path, "import", "nowhere.csv")
    assert done.returncode == 2
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr
