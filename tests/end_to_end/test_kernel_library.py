"""A flavor whose code comes from a folder of the user's, shown with a stand-in for the library: built, run, checked, recorded; and what can go wrong."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from bench.build import BuildCache
from bench.domain.primitives import PRIMITIVES, workload
from bench.domain.workload import DType, Workload
from bench.errors import VerifyError
from bench.firmware.library import find_library
from bench.target.board_under_test import BoardUnderTest
from tests.end_to_end.conftest import Workplace
from tests.end_to_end.kernels import assert_conforms, call, load
from tests.firmware.test_library import STAND_IN

USERS = [name for name, entry in PRIMITIVES.items() if "cmsis-nn" in entry.flavors[DType.INT8]]
SMALL = {"in_h": 8, "in_w": 8, "n": 32, "n_in": 24, "n_out": 7}


def small(name: str, **params: int | str) -> Workload:
    """Return a small workload of primitive ``name``."""
    known = {parameter.name for parameter in PRIMITIVES[name].parameters}
    sizes = {key: value for key, value in SMALL.items() if key in known}
    return workload(name, {**sizes, **params}, "int8", "cmsis-nn")


CASES = [
    *(small(name) for name in USERS),
    small("conv2d", k=3, in_c=5, out_c=3, stride=2, padding="same"),
    small("conv2d", k=1, in_c=4, out_c=3, scaling="per_tensor"),
    small("depthwise_conv2d", k=5, padding="same", scaling="per_tensor"),
    small("fully_connected", scaling="per_channel"),
    small("avgpool2d", k=3, stride=1, in_c=4),
]


def run(place: Workplace, library: Path | None, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a small conv2d; return the exit code and what was said."""
    option = () if library is None else ("--cmsis-nn", str(library))
    done = place.bench(
        *("run", "--primitive", "conv2d", "--k", "3", "--size", "8x8", "--dtype", "int8", "--freq", "16MHz"),
        *("--window", "50ms", *option, *(arguments or ("--flavor", "cmsis-nn"))),
        **environment,
    )
    assert "Traceback" not in done.err
    return done.code, done.err


@pytest.mark.parametrize("work", CASES, ids=str)
def test_every_adapter_computes_what_the_reference_says(
    virtual_board: BoardUnderTest, work: Workload, build_cache: BuildCache
) -> None:
    assert_conforms(virtual_board, work, build_cache, find_library("cmsis-nn", STAND_IN))


def test_the_librarys_code_counts_as_the_kernels(virtual_board: BoardUnderTest, build_cache: BuildCache) -> None:
    image = load(virtual_board, small("conv2d"), build_cache, find_library("cmsis-nn", STAND_IN))
    elf = image.built.elf
    for name in ("kernel", "arm_convolve_wrapper_s8", "arm_nn_requantize"):
        assert elf.symbol(name).section == ".kernel_text"
    softmax = load(virtual_board, small("softmax"), build_cache, find_library("cmsis-nn", STAND_IN))
    assert softmax.built.elf.symbol("arm_nn_exp_factors").section == ".kernel_rodata"


def test_a_run_is_accepted_and_tells_the_library(workplace: Workplace) -> None:
    code, said = run(workplace, STAND_IN)
    assert code == 0, said
    with sqlite3.connect(workplace.folder / "measurements.db") as database:
        verdict, environment = database.execute("select verdict, environment from run").fetchone()
    library = find_library("cmsis-nn", STAND_IN)
    assert verdict == "accepted"
    told = json.loads(environment)
    assert (told["cmsis-nn_version"], told["cmsis-nn_sha256"]) == ("18.0.0", library.digest)


def test_the_environment_may_name_the_folder_and_other_flavors_do_not_mind(
    workplace: Workplace, tmp_path: Path
) -> None:
    assert run(workplace, None, BENCH_CMSIS_NN=str(STAND_IN))[0] == 0
    assert run(workplace, None, "--flavor", "naive", BENCH_CMSIS_NN=str(tmp_path / "nowhere"))[0] == 0


@pytest.mark.parametrize(
    ("library", "arguments", "words"),
    [
        (None, (), ("does not come with the bench", "--cmsis-nn PATH")),
        ("nowhere", (), ("the folder does not exist", "https://github.com/ARM-software/CMSIS-NN")),
        ("", (), ("this is not CMSIS-NN", "Include/arm_nnfunctions.h")),
        (str(STAND_IN), ("--flavor", "naive"), ("the flavor is naive", "--flavor cmsis-nn")),
    ],
)
def test_usage_errors(
    workplace: Workplace, tmp_path: Path, library: str | None, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    code, said = run(workplace, None if library is None else tmp_path / library, *arguments)
    assert code == 2
    for word in words:
        assert word in said


def test_an_unsupported_version_is_refused(workplace: Workplace, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STAND_IN, tmp_path / "old"))
    header = folder / "Include" / "arm_nnfunctions.h"
    header.write_text(header.read_text().replace("V.18.0.0", "V.11.3.0"))
    code, said = run(workplace, folder)
    assert code == 2
    assert "11.3.0, which is too old" in said


def test_a_library_that_does_not_compile_is_named(workplace: Workplace, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STAND_IN, tmp_path / "broken"))
    unit = folder / "Source" / "arm_nn_arithmetic.c"
    unit.write_text(unit.read_text() + "\nsurprise\n")
    code, said = run(workplace, folder)
    assert code == 1
    assert "Source/arm_nn_arithmetic.c" in said
    assert str(unit) in said.replace("\n", "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(window + 3) / 4 * 4 * 2", "(window + 3) / 4 * 4 * 20", "more scratch memory"),
        ("return ARM_CMSIS_NN_SUCCESS;", "return ARM_CMSIS_NN_ARG_ERROR;", "refused its arguments"),
    ],
)
def test_a_library_that_asks_for_too_much_or_refuses_is_an_error(
    virtual_board: BoardUnderTest, build_cache: BuildCache, tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = Path(shutil.copytree(STAND_IN, tmp_path / "other"))
    unit = folder / "Source" / "arm_convolve_wrapper_s8.c"
    assert old in unit.read_text()
    unit.write_text(unit.read_text().replace(old, new))
    image = load(virtual_board, small("conv2d", k=3), build_cache, find_library("cmsis-nn", folder))
    with pytest.raises(VerifyError, match=words):
        call(virtual_board, image, 1)
