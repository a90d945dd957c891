"""Finding the compiler, and saying what is wrong with one that is no use."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bench.build import Toolchain, find_toolchain
from bench.errors import ToolchainMissing


def script(directory: Path, body: str, name: str = "arm-none-eabi-gcc") -> Path:
    """Write an executable that stands in for a compiler."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_says_which_compiler_it_is(toolchain: Toolchain) -> None:
    assert re.fullmatch(r"arm-none-eabi-gcc \d+\.\d+\.\d+ \d{8}", toolchain.version)
    assert toolchain.target == "arm-none-eabi"
    assert toolchain.gcc.is_absolute()
    assert re.fullmatch("[0-9a-f]{64}", toolchain.identity)


@pytest.mark.parametrize("sub", ["", "bin"])
def test_environment_chooses_the_directory(toolchain: Toolchain, tmp_path: Path, sub: str) -> None:
    wrapper = script(tmp_path / sub, f'exec {toolchain.gcc} "$@"')
    found = find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path), "PATH": ""})
    assert found.gcc == wrapper
    assert found.version == toolchain.version
    assert found.identity != toolchain.identity, "another driver is another compiler"


def test_identity_changes_when_the_compiler_is_exchanged(toolchain: Toolchain, tmp_path: Path) -> None:
    environ = {"BENCH_TOOLCHAIN": str(tmp_path)}
    script(tmp_path, f'exec {toolchain.gcc} "$@"')
    before = find_toolchain(environ)
    script(tmp_path, f'# patched\nexec {toolchain.gcc} "$@"')
    assert find_toolchain(environ).identity != before.identity


def test_identity_is_of_the_contents_not_of_the_place(toolchain: Toolchain, tmp_path: Path) -> None:
    first = script(tmp_path / "a", f'exec {toolchain.gcc} "$@"')
    (tmp_path / "b").mkdir()
    shutil.copy2(first, tmp_path / "b")
    one, two = (find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path / name)}).identity for name in "ab")
    assert one == two


def test_libraries_depend_on_the_machine(toolchain: Toolchain) -> None:
    hard = toolchain.libraries_identity(("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"))
    assert hard == toolchain.libraries_identity(("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"))
    assert hard != toolchain.libraries_identity(("-mcpu=cortex-m4", "-mfloat-abi=soft"))


@pytest.mark.parametrize("path", ["", "/nonexistent"])
def test_no_compiler_on_path(path: str) -> None:
    with pytest.raises(ToolchainMissing, match="not on PATH") as caught:
        find_toolchain({"PATH": path})
    assert "sudo apt install gcc-arm-none-eabi" in caught.value.hint


def test_no_compiler_in_the_chosen_directory(tmp_path: Path) -> None:
    with pytest.raises(ToolchainMissing, match=re.escape(str(tmp_path))) as caught:
        find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path), "PATH": "/usr/bin"})
    assert "BENCH_TOOLCHAIN" in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("body", "message", "detail"),
    [
        ("echo cannot load libisl.so.23 >&2; exit 127", "exit code 127", "libisl.so.23"),
        ("echo hello", "does not answer like gcc", "hello"),
        ("echo 'Target: x86_64-linux-gnu'; echo 'gcc version 12.2.0 (Debian)'", "compiles for x86_64-linux-gnu", ""),
    ],
)
def test_unusable_compiler(tmp_path: Path, body: str, message: str, detail: str) -> None:
    script(tmp_path, body)
    with pytest.raises(ToolchainMissing, match=message) as caught:
        find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path)})
    assert detail in caught.value.detail


def test_compiler_of_another_machine(tmp_path: Path) -> None:
    script(tmp_path, "").write_bytes(b"\x7fELF not for this machine")
    with pytest.raises(ToolchainMissing, match="does not run"):
        find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path)})


@pytest.mark.parametrize(
    ("missing", "message"), [("-print-prog-name=as", "has no as"), ("-print-file-name=libc.a", "no C library")]
)
def test_incomplete_installation(toolchain: Toolchain, tmp_path: Path, missing: str, message: str) -> None:
    """gcc answers the bare name for what it does not have; the host's as on PATH must not stand in."""
    script(tmp_path, f'if [ "$1" = "{missing}" ]; then echo "${{1#*=}}"; else exec {toolchain.gcc} "$@"; fi')
    with pytest.raises(ToolchainMissing, match=message):
        find_toolchain({"BENCH_TOOLCHAIN": str(tmp_path)})
