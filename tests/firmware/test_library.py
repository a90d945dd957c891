"""External kernel libraries: finding one in a folder, saying what is wrong with it, and choosing the files that an image needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.boards import load_board
from bench.build.diagnostics import compile_failure
from bench.clocktree import solve
from bench.domain.primitives import EXTERNAL_FLAVORS, PRIMITIVES, published_set, workload
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName
from bench.firmware.library import LIBRARIES, choose_library, find_library
from bench.firmware.library_source import calls, definitions, identifiers, includes
from bench.firmware.render import render, template_folders

STAND_IN = Path(__file__).parent / "stand_in_cmsis_nn"
BOARD = load_board("nucleo_f446ze")
CLOCKS = [solve(BOARD, 180e6)]
WORK = workload("conv2d", {"k": 3}, "int8", "cmsis-nn")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the stand-in that a test may spoil."""
    return Path(shutil.copytree(STAND_IN, tmp_path / "library"))


def set_revision(root: Path, text: str) -> None:
    header = root / "Include" / "arm_nnfunctions.h"
    header.write_text(header.read_text().replace("$Revision: V.18.0.0", text))


def test_every_external_flavor_has_a_library_and_its_templates() -> None:
    assert set(LIBRARIES) == set(EXTERNAL_FLAVORS)
    for flavor, kind in LIBRARIES.items():
        for template in kind.headers.values():
            assert any((folder / template).is_file() for folder in template_folders())
        users = [name for name, entry in PRIMITIVES.items() for names in entry.flavors.values() if flavor in names]
        assert users
        for name in users:
            assert any((folder / f"kernels/{name}_int8_{flavor}.c.j2").is_file() for folder in template_folders())


def test_the_version_and_the_content_are_told() -> None:
    library = find_library("cmsis-nn", STAND_IN)
    assert library.version == "18.0.0"
    told = dict(library.provenance)
    assert told == {"cmsis-nn_version": "18.0.0", "cmsis-nn_sha256": library.digest}


def test_the_digest_follows_every_file_and_not_the_place(copy: Path) -> None:
    original = find_library("cmsis-nn", STAND_IN)
    assert find_library("cmsis-nn", copy) == original
    assert find_library("cmsis-nn", copy).digest == original.digest
    with (copy / "Source" / "arm_nntables.c").open("a") as file:
        file.write("\n")
    assert find_library("cmsis-nn", copy).digest != original.digest


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["clone", "submodule", "detached"])
def test_the_commit_of_a_checkout_is_told(copy: Path, tmp_path: Path, kind: str, packed: bool) -> None:
    commit, git = "0123456789abcdef0123456789abcdef01234567", copy / ".git"
    if kind == "submodule":
        git = tmp_path / "modules" / "library"
        (copy / ".git").write_text("gitdir: ../modules/library\n")
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{commit}\n" if kind == "detached" else "ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{commit} refs/heads/main\n")
    else:
        (git / "refs" / "heads" / "main").write_text(f"{commit}\n")
    assert dict(find_library("cmsis-nn", copy).provenance)["cmsis-nn_commit"] == commit


def test_a_checkout_without_a_commit_has_none(copy: Path) -> None:
    (copy / ".git").mkdir()
    assert find_library("cmsis-nn", copy).commit == ""
    (copy / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert find_library("cmsis-nn", copy).commit == ""


def test_a_missing_folder_a_file_and_a_wrong_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"--cmsis-nn .*nowhere: the folder does not exist") as caught:
        find_library("cmsis-nn", tmp_path / "nowhere")
    assert "https://github.com/ARM-software/CMSIS-NN" in caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="is not a folder"):
        find_library("cmsis-nn", tmp_path / "file")
    with pytest.raises(ParameterError, match=r"this is not CMSIS-NN, there is no Include/arm_nnfunctions\.h"):
        find_library("cmsis-nn", tmp_path)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("$Revision: V.11.3.0", "11.3.0, which is too old"),
        ("$Revision: V.20.0.0", "20.0.0, which is too new"),
        ("", "does not say its revision"),
    ],
)
def test_unsupported_versions_are_refused_by_name(copy: Path, revision: str, words: str) -> None:
    set_revision(copy, revision)
    with pytest.raises(ParameterError, match=words) as caught:
        find_library("cmsis-nn", copy)
    assert "7.0.0" in caught.value.hint


@pytest.mark.parametrize("revision", ["V.12.4.0", "V.13.0.0", "V.16.0.0", "V.19.1.0"])
def test_supported_versions_are_taken(copy: Path, revision: str) -> None:
    set_revision(copy, f"$Revision: {revision}")
    assert find_library("cmsis-nn", copy).version == revision.removeprefix("V.")


def test_without_a_folder_the_option_is_named() -> None:
    assert choose_library(workload("conv2d"), {}) is None
    for folders in ({}, {"cmsis-nn": None}):
        with pytest.raises(ParameterError, match="no folder") as caught:
            choose_library(WORK, folders)
        assert "--cmsis-nn PATH" in caught.value.hint
        assert "BENCH_CMSIS_NN" in caught.value.hint
    with pytest.raises(ParameterError, match="no folder"):
        render(WORK, BOARD, CLOCKS)


def test_a_function_that_the_version_lacks_is_named(copy: Path) -> None:
    unit = copy / "Source" / "arm_fully_connected_s8.c"
    unit.write_text(unit.read_text().replace("arm_fully_connected_per_channel_s8", "arm_something_else_s8"))
    library = find_library("cmsis-nn", copy)
    render(workload("fully_connected", {}, "int8", "cmsis-nn"), BOARD, CLOCKS, library)
    with pytest.raises(ParameterError, match=r"needs arm_fully_connected_per_channel_s8, which CMSIS-NN 18\.0\.0"):
        render(workload("fully_connected", {"scaling": "per_channel"}, "int8", "cmsis-nn"), BOARD, CLOCKS, library)


def test_only_what_the_adapter_needs_is_compiled() -> None:
    tree = render(WORK, BOARD, CLOCKS, find_library("cmsis-nn", STAND_IN)).tree
    foreign = [unit for unit in tree.units if unit.startswith("libraries/")]
    assert foreign == [
        "libraries/cmsis-nn/Source/arm_convolve_wrapper_s8.c",
        "libraries/cmsis-nn/Source/arm_nn_arithmetic.c",
    ]
    for unit in foreign:
        assert tree.opt_level(unit) == "-O3"
        assert "-w" in tree.unit_flags(unit)
    softmax = render(workload("softmax", {}, "int8", "cmsis-nn"), BOARD, CLOCKS, find_library("cmsis-nn", STAND_IN))
    assert "libraries/cmsis-nn/Source/arm_nntables.c" in softmax.tree.units


def test_the_image_id_follows_the_library(copy: Path) -> None:
    original = render(WORK, BOARD, CLOCKS, find_library("cmsis-nn", copy))
    with (copy / "Source" / "arm_convolve_wrapper_s8.c").open("a") as file:
        file.write("/* changed */\n")
    assert render(WORK, BOARD, CLOCKS, find_library("cmsis-nn", copy)).image_id != original.image_id


def test_an_error_inside_the_library_names_its_file() -> None:
    tree = render(WORK, BOARD, CLOCKS, find_library("cmsis-nn", STAND_IN)).tree
    unit = "libraries/cmsis-nn/Source/arm_nn_arithmetic.c"
    error = compile_failure(tree, [(unit, f"{unit}:3:1: error: unknown type name 'x'")], "kept")
    assert f"copied from {STAND_IN}/Source/arm_nn_arithmetic.c" in error.detail


def test_plain_multiplication_is_no_librarys() -> None:
    entry = PRIMITIVES["mul"]
    assert len(list(published_set(entry, DType.INT8, "cmsis-nn"))) == 1
    with pytest.raises(UnknownName, match="arithmetic"):
        workload("mul", {"arithmetic": "plain"}, "int8", "cmsis-nn")


def test_reading_c_text() -> None:
    text = """
#include "a.h"
  # include "b/c.h" // #include "d.h"
#include <stdint.h>
/* int commented(void) { } */
const int16_t table[2] = { 1, 2 };
static int hidden(int x) { return x; }
arm_status
arm_first(const int *p,
          int32_t n)
{
    if (n) { arm_second (p); }
    else if (other[0] == 1) { return hidden(n); }
    return table[1];
}
int arm_declared(int x);
"""
    assert definitions(text) == {"table", "arm_first"}
    assert includes(text) == ("a.h", "b/c.h")
    assert calls(text, "arm_") == {"arm_first", "arm_second", "arm_declared"}
    assert "commented" not in identifiers(text)
    assert {"arm_second", "hidden", "other"} <= identifiers(text)
