"""Bad input of every kind: a clear error on one screen, the right exit code, no traceback, nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.boards import data_dir
from tests.end_to_end.conftest import QUICK, TIMEOUT_S, Outcome, Workplace


def assert_clear(outcome: Outcome, code: int, *words: str) -> None:
    """Check exit code, that every one of ``words`` is said, and that it fits one screen."""
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 40
    for word in words:
        assert word in outcome.err, f"{word!r} is not in:\n{outcome.err}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--primitive", "conv3d"), ("unknown primitive 'conv3d'", "Did you mean 'conv2d'")),
        (("run", "--primitive", "conv2d", "--k", "4"), ("k = 4 is not allowed", "1, 3, 5, 7, 9")),
        (("run", "--primitive", "conv2d", "--k", "five"), ("k = 'five' is not an integer",)),
        (
            ("run", "--primitive", "conv2d", "--k", "9", "--size", "8x8"),
            ("9 x 9 window is larger than the 8 x 8 input",),
        ),
        (("run", "--primitive", "conv2d", "--size", "400x400"), ("bytes of RAM", "131072")),
        (("run", "--primitive", "conv2d", "--param", "strides=2"), ("unknown parameter", "stride")),
        (("run", "--primitive", "conv2d", "--param", "stride"), ("NAME=VALUE",)),
        (("run", "--primitive", "conv2d", "--dtype", "fp64"), ("unknown data type", "fp32")),
        (("run", "--primitive", "conv2d", "--flavor", "fast"), ("unknown flavor", "naive")),
        (("run", "--primitive", "conv2d", "--opt", "O9"), ("unknown optimisation level", "O3")),
        (("run", "--primitive", "conv2d", "--station", "desk"), ("unknown station 'desk'", "virtual-nucleo_f446ze")),
        (("run", "--primitive", "conv2d", "--freq", "181MHz"), ("181", "180 MHz")),
        (("run", "--primitive", "conv2d", "--freq", "fast"), ("'fast' is not a quantity in Hz",)),
        (("run", "--primitive", "conv2d", "--freq", "0"), ("not a clock frequency",)),
        (("run", "--primitive", "conv2d", "--window", "1h"), ("'1h' is in h, expected s",)),
        (("run", "--primitive", "conv2d", "--repeats", "0"), ("repeats 0 is out of range",)),
        (("run", "--primitive", "conv2d", "--window", "60s"), ("window 60 is out of range", "0.001 to 10")),
        (("run",), ("--primitive",)),
        (("boards", "nucleo_f447ze"), ("unknown board 'nucleo_f447ze'", "nucleo_f446ze")),
        (("export", "lut.xls"), ("lut.xls",)),
        (("frobnicate",), ("frobnicate",)),
    ],
    ids=lambda value: (
        " ".join(value)
        if isinstance(value, tuple) and value and value[0] in ("run", "boards", "export", "frobnicate")
        else ""
    ),
)
def test_bad_usage_exits_with_2_and_measures_nothing(
    workplace: Workplace, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_clear(workplace.bench(*arguments), 2, *words)
    assert not (workplace.folder / "measurements.db").exists()


def test_a_station_file_that_was_asked_for_must_exist(workplace: Workplace) -> None:
    assert_clear(workplace.bench("stations", "--stations", "lab.yaml"), 2, "lab.yaml")


def test_a_wrong_station_file_names_file_and_line(workplace: Workplace) -> None:
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: desk\n    board: nucleo_f446ze\n    colour: red\n"
    )
    assert_clear(workplace.bench("stations"), 2, "stations.yaml:4", "colour")


def test_a_debug_probe_that_is_not_there(workplace: Workplace) -> None:
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: desk\n    board: nucleo_f446ze\n    debug_probe: 0123ABCD\n"
    )
    assert_clear(workplace.bench(*QUICK, "--station", "desk"), 1, "0123ABCD", "not connected", "pyocd list")
    assert rejected(workplace) == ["connect"]


def rejected(place: Workplace) -> list[str]:
    """Return the failure classes that were recorded."""
    with sqlite3.connect(place.folder / "measurements.db") as connection:
        return [
            name
            for (name,) in connection.execute("select failure_class from run where verdict = 'rejected' order by id")
        ]


def test_no_compiler(workplace: Workplace) -> None:
    outcome = workplace.bench(*QUICK, PATH=str(workplace.folder))
    assert_clear(outcome, 1, "arm-none-eabi-gcc", "apt install gcc-arm-none-eabi")
    assert rejected(workplace) == ["build"]


def own_kernel(place: Workplace, body: str) -> dict[str, str]:
    """Put a conv2d kernel with ``body`` into a template folder of one's own; return the environment that names it."""
    kernel = place.folder / "templates" / "kernels" / "conv2d_fp32_naive.c.j2"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(
        '#include "harness.h"\n\n__attribute__((noipa)) void kernel(const struct kernel_args *args)\n{\n'
        + body
        + "\n    (void)args;\n}\n"
    )
    return {"BENCH_TEMPLATES": str(place.folder / "templates")}


def test_a_compile_error_shows_the_rendered_line(workplace: Workplace) -> None:
    outcome = workplace.bench(*QUICK, **own_kernel(workplace, "    int sum = missing_variable;"))
    assert_clear(outcome, 1, "missing_variable", "kernel.c", "conv2d_fp32_naive.c.j2", "int sum = missing_variable;")
    assert rejected(workplace) == ["build"]


def test_what_fails_for_all_clocks_is_said_once(workplace: Workplace) -> None:
    environment = own_kernel(workplace, "    int sum = missing_variable;")
    outcome = workplace.bench("run", "--primitive", "conv2d", **environment)
    assert_clear(outcome, 1, "14 points not measured", "missing_variable")
    assert rejected(workplace) == ["build"] * 14


def test_a_target_that_never_stops(workplace: Workplace) -> None:
    outcome = workplace.bench(*QUICK, **own_kernel(workplace, '    for (;;) { __asm__ volatile(""); }'))
    assert_clear(outcome, 1, "did not finish the cycles run", "kernel", "kernel.c")
    assert rejected(workplace) == ["run"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    *(volatile int *)0x60000000 = 1;", ("0x60000000", "kernel.c:5")),
        ('    __asm__ volatile("udf #0");', ("UNDEFINSTR", "kernel.c:5")),
        ("    *(volatile int *)0x08000000 = 1;", ("0x08000000", "kernel.c:5")),
        ("    volatile int one = 1, zero = 0; args->output[0] = (float)(one / zero);", ("DIVBYZERO", "kernel.c:5")),
        (
            "    volatile char big[20000]; big[0] = 1; args->output[0] = big[0];",
            (
                "stack overflow",
                "STKERR",
                "in kernel+0x0 at kernel.c:",
                "which takes 20000 bytes of stack",
                "called from",
            ),
        ),
    ],
    ids=["unmapped write", "undefined instruction", "flash write", "division by zero", "stack overflow"],
)
def test_a_target_that_faults_is_decoded_to_function_and_line(
    workplace: Workplace, body: str, words: tuple[str, ...]
) -> None:
    outcome = workplace.bench(*QUICK, **own_kernel(workplace, body))
    assert_clear(outcome, 1, "fault", *words)
    assert rejected(workplace) == ["run"]


def test_a_fault_at_every_clock_still_fits_one_screen(workplace: Workplace) -> None:
    environment = own_kernel(workplace, '    __asm__ volatile("udf #0");')
    outcome = workplace.bench("run", "--primitive", "conv2d", **environment)
    assert_clear(outcome, 1, "[14/14]", "UNDEFINSTR")
    assert rejected(workplace) == ["run"] * 14


def test_a_wrong_output_is_refused(workplace: Workplace) -> None:
    body = "    for (int i = 0; i < args->out_h * args->out_w; i++) args->output[i] = 0.25F;"
    assert_clear(
        workplace.bench(*QUICK, **own_kernel(workplace, body)), 1, "outputs are wrong", "target 0.25", "reference"
    )
    assert rejected(workplace) == ["verify"]


def test_a_kernel_that_writes_nothing_is_refused(workplace: Workplace) -> None:
    assert_clear(workplace.bench(*QUICK, **own_kernel(workplace, "")), 1, "36 of 36 outputs are wrong")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("mute", ("sent nothing for 1 s", "check cable and port")),
        ("lost", ("lost",)),
        ("garbage", ()),
        ("disconnect", ()),
        ("overcurrent", ("50 mA",)),
    ],
)
def test_a_current_probe_that_fails(workplace: Workplace, fault: str, words: tuple[str, ...]) -> None:
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: virtual-broken\n    board: nucleo_f446ze\n    virtual: true\n    debug_probe: virtual-nucleo_f446ze\n"
        f"    current_probe:\n      driver: lpm01a\n      url: virtual://virtual-nucleo_f446ze/lpm01a?faults={fault}\n"
    )
    window = (*QUICK[:-1], "50ms")
    assert_clear(workplace.bench(*window, "--station", "virtual-broken"), 1, *words)
    assert rejected(workplace) == ["probe"]


def test_an_unwritable_database(workplace: Workplace) -> None:
    if os.geteuid() == 0:  # root may write everywhere but into something that is no folder
        (workplace.folder / "readonly").write_text("")
    else:
        (workplace.folder / "readonly").mkdir(mode=0o500)
    assert_clear(workplace.bench(*QUICK, "--db", "readonly/m.db"), 1, "readonly")


def test_a_foreign_database_is_left_alone(workplace: Workplace) -> None:
    path = workplace.folder / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table album (name text)")
    before = path.read_bytes()
    assert_clear(workplace.bench(*QUICK, "--db", "photos.db"), 1, "photos.db")
    assert path.read_bytes() == before
    path.write_text("not a database at all, but long enough to be read as a page of one" * 20)
    assert_clear(workplace.bench(*QUICK, "--db", "photos.db"), 1, "photos.db")


def test_a_database_of_a_newer_bench(workplace: Workplace) -> None:
    assert workplace.bench(*QUICK).code == 0
    with sqlite3.connect(workplace.folder / "measurements.db") as connection:
        connection.execute("update mcu_bench_revision set version_num = '9999'")
    assert_clear(workplace.bench(*QUICK), 1, "newer", "9999")


@contextmanager
def main_job(place: Workplace, points: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Yield the main job once it has recorded ``points`` points; interrupt it at the end."""
    with subprocess.Popen(
        place.command(["run", "--primitive", "conv2d", "--k", "5", *options]),
        cwd=place.folder,
        env=place.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith(f"[{points}/14]") for line in process.stderr)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=TIMEOUT_S)


def test_ctrl_c_keeps_what_was_measured(workplace: Workplace) -> None:
    with main_job(workplace, points=2) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    rows = workplace.bench("export", "--json").rows()
    assert 2 <= len(rows) < 14
    assert workplace.bench("db", "check").code == 0


def test_export_of_nothing_says_so_and_writes_nothing(workplace: Workplace) -> None:
    assert_clear(workplace.bench("export", "lut.csv"), 1, "measurements.db")
    assert workplace.bench(*QUICK, PATH=str(workplace.folder)).code == 1  # leaves a database with a rejected run
    assert_clear(workplace.bench("export", "lut.csv"), 1, "no accepted run", "bench run")
    assert not (workplace.folder / "lut.csv").exists()


def test_export_needs_one_place_to_go(workplace: Workplace) -> None:
    assert_clear(workplace.bench("export"), 2, "either a file or --json")
    assert_clear(workplace.bench("export", "lut.csv", "--json"), 2, "either a file or --json")


def test_a_board_in_use_is_said(workplace: Workplace) -> None:
    with main_job(workplace, 1, "--window", "3s"):  # long enough to be still there
        outcome = workplace.bench(*QUICK, "--db", "other.db")
    assert_clear(outcome, 1, "in use")


def test_a_board_file_of_ones_own_with_a_mistake(workplace: Workplace, tmp_path: Path) -> None:
    text = (data_dir("boards") / "nucleo_f446ze.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        text.replace("name: nucleo_f446ze", "name: mine").replace("dev_id: 0x421", "dev_id: many")
    )
    assert_clear(workplace.bench("boards", "mine", BENCH_BOARDS=str(tmp_path)), 2, "mine.yaml", "dev_id")
    shutil.rmtree(tmp_path)
