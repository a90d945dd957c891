"""The commands that show what there is, and ``bench doctor``."""

from __future__ import annotations

from pathlib import Path

from bench.boards import board_names
from bench.domain.primitives import PRIMITIVES
from tests.end_to_end.conftest import Outcome, Workplace


def test_boards_and_the_clock_table_of_each(workplace: Workplace) -> None:
    listed = workplace.bench("boards", "--json")
    assert [row["board"] for row in listed.rows()] == board_names()
    for name in board_names():
        rows = workplace.bench("boards", name, "--json").rows()
        assert all(abs(row["sysclk_hz"] - row["requested_hz"]) <= 0.5 for row in rows)
        shown = workplace.bench("boards", name)
        assert shown.code == 0
        for row in rows:
            assert row["clock_id"] in shown.out


def test_primitives_are_those_of_the_registry_and_documented(workplace: Workplace) -> None:
    rows = workplace.bench("primitives", "--json").rows()
    assert [(row["primitive"], row["application"]) for row in rows] == [
        (entry.name, entry.application) for entry in PRIMITIVES.values()
    ]
    shown = workplace.bench("primitives").out.splitlines()
    documented = (Path(__file__).parents[2] / "docs" / "primitives.md").read_text(encoding="utf-8")
    for entry in PRIMITIVES.values():
        assert any(line.startswith(f"{entry.name} ") for line in shown)
        assert f"| {entry.name} | {entry.application} |" in documented


def test_one_primitive_is_shown_with_its_parameters(workplace: Workplace) -> None:
    shown = workplace.bench("primitives", "conv2d").out
    for parameter in PRIMITIVES["conv2d"].parameters:
        assert parameter.range_text in shown
        assert parameter.help in shown
    assert "k=1 | k=3 | k=5 | k=7 | k=9" in shown
    assert "Did you mean 'conv2d'?" in workplace.bench("primitives", "conv3d").err


def test_stations_lists_one_virtual_station_a_board(workplace: Workplace) -> None:
    rows = workplace.bench("stations", "--json").rows()
    assert [(row["station"], row["source"], row["connected"]) for row in rows] == [
        (f"virtual-{name}", "virtual", True) for name in board_names()
    ]


def test_a_hardware_station_becomes_the_default_and_its_absence_is_said(workplace: Workplace) -> None:
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: desk\n    board: nucleo_f446ze\n    debug_probe: 0123ABCD\n"
        "    current_probe:\n      driver: lpm01a\n      url: /dev/ttyNOWHERE\n"
    )
    findings = workplace.bench("doctor", "--json")
    assert findings.code == 1
    bad = [row for row in findings.rows() if not row["ok"]]
    assert {row["check"] for row in bad} == {"station desk"}
    assert any("0123ABCD" in row["text"] for row in bad)
    assert any("/dev/ttyNOWHERE" in row["text"] for row in bad)
    assert all(row["mend"] for row in bad)
    run = workplace.bench("run", "--primitive", "conv2d", "--freq", "16MHz")
    assert run.code == 1
    assert "desk" in run.err


def test_doctor_is_content_and_leaves_nothing_behind(workplace: Workplace) -> None:
    outcome = workplace.bench("doctor", "--station", "virtual-nucleo_f446ze")
    assert outcome.code == 0, outcome.out
    assert all(line.startswith(("ok", " ")) for line in outcome.out.splitlines())
    assert "current probe: stlink_v3pwr" in outcome.out
    assert not (workplace.folder / "measurements.db").exists()


def test_doctor_misses_the_compiler(workplace: Workplace) -> None:
    outcome = workplace.bench("doctor", PATH=str(workplace.folder))
    assert outcome.code == 1
    assert "gcc-arm-none-eabi" in outcome.out


def test_help_needs_no_heavy_room(workplace: Workplace) -> None:
    outcome = workplace.call(
        [
            workplace.command([])[0],
            "-c",
            "import sys, bench.cli.main; print([m for m in ('pyocd', 'sqlalchemy', 'unicorn', 'pandas') if m in sys.modules])",
        ]
    )
    assert outcome.out.strip() == "[]", outcome.err


def test_virtual_boards_are_missed_only_where_there_is_nothing_else(workplace: Workplace) -> None:
    def about_virtual(outcome: Outcome) -> dict[str, object]:
        (found,) = [row for row in outcome.rows() if row["check"] == "virtual boards"]
        return found

    alone = about_virtual(workplace.bench("doctor", "--json", BENCH_VIRTUAL="0"))
    assert (alone["ok"], alone["mend"]) == (False, "pip install 'mcu-bench[virtual]'")
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: desk\n    board: nucleo_f446ze\n    debug_probe: 0123ABCD\n"
    )
    assert about_virtual(workplace.bench("doctor", "--json", BENCH_VIRTUAL="0"))["ok"]
