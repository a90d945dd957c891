"""What a shell offers where a name is wanted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALL = "import sys; sys.argv[0] = 'bench'; from bench.cli.main import main; main()"


def completed(line: str, folder: Path) -> list[str]:
    """Return what bash offers at the end of ``line``."""
    asked = {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=folder,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bench run --station virtual-nucleo_f", ["virtual-nucleo_f446ze", "virtual-nucleo_f746zg"]),
        ("bench show --station sh", ["shelf"]),
        ("bench export lut.csv --primitive maxp", ["maxpool2d"]),
        ("bench boards disco", ["disco_l4r9i"]),
        ("bench explore lenet5 --board disco", ["disco_l4r9i"]),
        ("bench estimate resnet", ["resnet26", "resnet8"]),
        ("bench estimate my", ["my.onnx"]),
        ("bench sweep --flavor d", ["dsp"]),
    ],
)
def test_names_complete(line: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "my.onnx").touch()
    (tmp_path / "stations.yaml").write_text("stations: [{name: shelf, board: nucleo_f446ze, debug_probe: '1'}]\n")
    assert sorted(completed(line, tmp_path)) == offered


def test_a_broken_stations_file_completes_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "stations.yaml").write_text("stations: 3\n")
    assert completed("bench run --station v", tmp_path) == []


def test_zsh_is_offered_names_with_what_they_are(tmp_path: Path) -> None:
    asked = {"_BENCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "bench run --station virtual-nucleo_f7"}
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=tmp_path,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"virtual-nucleo_f746zg":"nucleo_f746zg, virtual"' in done.stdout


def test_the_script_that_bash_is_given_completes(tmp_path: Path) -> None:
    """What ``--show-completion`` prints, read by a bash, which then completes a name."""
    program = tmp_path / "bench"
    program.write_text(f"#!{sys.executable}\n{CALL}\n", encoding="utf-8")
    program.chmod(0o755)
    line = "COMP_WORDS=(bench run --station virtual-nucleo_f7); COMP_CWORD=3; _bench_completion bench"
    script = f'eval "$(bench --show-completion)"; {line}; echo "${{COMPREPLY[@]}}"'
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["virtual-nucleo_f746zg"], done.stderr
