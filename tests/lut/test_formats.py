"""Look-up tables written and read back, in every format, and files that are not tables."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.domain.lut import COLUMNS, LutRow, row
from bench.errors import BenchError, ConfigurationError, UsageError
from bench.lut import Format, format_of, read, row_dict, write
from bench.lut.values import TYPES
from tests.store.store_samples import a_run

ROW = row(a_run())
FORMATS = [Format.CSV, Format.PARQUET, Format.JSON]

# The contract, written out once more: a change of the columns has to be meant.
CONTRACT = [
    "schema_version",
    "source",
    "station",
    "board",
    "mcu",
    "core",
    "vdd_v",
    "clock_id",
    "sysclk_hz",
    "sysclk_measured_hz",
    "flash_wait_states",
    "primitive",
    "params",
    "kernel_h",
    "kernel_w",
    "stride",
    "in_h",
    "in_w",
    "in_c",
    "out_c",
    "dtype",
    "flavor",
    "compiler",
    "opt_level",
    "applications",
    "cycles",
    "cycles_overhead",
    "cycles_per_application",
    "latency_s",
    "latency_u95_s",
    "latency_per_application_s",
    "current_a",
    "idle_current_a",
    "power_w",
    "energy_j",
    "energy_u95_j",
    "energy_per_application_j",
    "flash_bytes",
    "rodata_bytes",
    "ram_bytes",
    "stack_bytes",
    "repeats",
    "firmware_sha256",
    "measured_at",
]

_VALUES: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(codec="utf-8"), max_size=12),
    datetime: st.datetimes(
        min_value=datetime(1700, 1, 1),  # noqa: DTZ001 (hypothesis wants it without)
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
    ),
}
_columns = {c.name: st.none() | _VALUES[c.kind] if c.optional else _VALUES[c.kind] for c in TYPES}
_columns |= {
    "schema_version": st.just(1),
    "source": st.sampled_from(["hardware", "virtual", "published"]),
    "applications": st.integers(1, 2**40),
}
lut_rows = st.builds(LutRow, **_columns)


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"lut.{request.param}"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(lut_rows, max_size=3))
def test_what_is_written_is_read(path: Path, rows: list[LutRow]) -> None:
    assert write(path, rows) == len(rows)
    found = read(path)
    assert found == rows
    # -0.0 == 0.0, and 1 == 1.0: bit for bit is what is promised.
    assert [[repr(v) for v in row_dict(r).values()] for r in found] == [
        [repr(v) for v in row_dict(r).values()] for r in rows
    ]


def test_the_columns_are_the_contract() -> None:
    assert list(COLUMNS) == CONTRACT
    assert list(row_dict(ROW)) == CONTRACT


def test_csv_as_the_contract_says(tmp_path: Path) -> None:
    bare = replace(ROW, vdd_v=None, energy_j=None, kernel_h=None, cycles=0.1, mcu='a "quoted", text')
    write(tmp_path / "lut.csv", [ROW, bare])
    content = (tmp_path / "lut.csv").read_bytes()
    assert b"\r" not in content
    lines = content.decode("utf-8").splitlines()
    assert lines[0].split(",") == CONTRACT
    first, second = csv.DictReader(lines)
    assert first["measured_at"] == "2025-03-01T12:00:00.123456Z"
    assert (first["sysclk_hz"], first["kernel_h"], first["applications"]) == ("180000000.0", "5", "784")
    assert first["params"] == "k=5;in_h=32;in_w=32;in_c=1;out_c=1;stride=1;padding=valid"
    assert (second["vdd_v"], second["energy_j"], second["kernel_h"], second["cycles"]) == ("", "", "", "0.1")
    assert second["mcu"] == 'a "quoted", text'


def test_json_is_one_array_with_an_object_a_line(tmp_path: Path) -> None:
    write(tmp_path / "lut.json", [ROW, ROW])
    text = (tmp_path / "lut.json").read_text()
    assert json.loads(text) == [row_dict(ROW)] * 2
    assert len(text.splitlines()) == 4
    write(tmp_path / "lut.json", [])
    assert json.loads((tmp_path / "lut.json").read_text()) == []


def test_parquet_has_types_and_says_what_it_is(tmp_path: Path) -> None:
    write(tmp_path / "lut.parquet", [ROW, replace(ROW, vdd_v=None, kernel_h=None)])
    schema = pq.read_schema(tmp_path / "lut.parquet")
    assert schema.metadata[b"mcu_bench.schema_version"] == b"1"
    types = {name: str(schema.field(name).type) for name in ("cycles", "kernel_h", "station", "measured_at")}
    assert types == {
        "cycles": "double",
        "kernel_h": "int64",
        "station": "string",
        "measured_at": "timestamp[us, tz=UTC]",
    }
    assert schema.field("vdd_v").nullable
    assert not schema.field("cycles").nullable
    frame = pd.read_parquet(tmp_path / "lut.parquet")
    assert list(frame.columns) == CONTRACT
    assert frame["cycles"].tolist() == [ROW.cycles] * 2


def test_files_that_pandas_wrote_are_read(tmp_path: Path) -> None:
    table = [ROW, replace(ROW, cycles=0.1, latency_s=1e-300)]
    write(tmp_path / "a.parquet", table)
    frame = pd.read_parquet(tmp_path / "a.parquet")
    frame.to_parquet(tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet") == table
    frame.to_csv(tmp_path / "b.csv", index=False)
    assert read(tmp_path / "b.csv") == table


def test_spreadsheet_marks_and_other_orders_are_read(tmp_path: Path) -> None:
    write(tmp_path / "lut.csv", [ROW])
    header, cells = csv.reader((tmp_path / "lut.csv").read_text().splitlines())
    with (tmp_path / "lut.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header[::-1], cells[::-1]])
    assert read(tmp_path / "lut.csv") == [ROW]


# --- files that are no tables ----------------------------------------------------------------------------------------


def damaged_csv(tmp_path: Path, change: Callable[[list[list[str]]], object]) -> Path:
    """Write two rows, change the cells (line 0 is the header), and return the path."""
    path = tmp_path / "lut.csv"
    write(path, [ROW, ROW])
    cells = list(csv.reader(path.read_text().splitlines()))
    change(cells)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(cells)
    return path


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("cycles", "1,5", r"lut\.csv, line 3, column cycles: '1,5' is not a number"),
        ("cycles", "", r"line 3, column cycles: is empty"),
        ("cycles", "nan", r"column cycles: nan is not a finite number"),
        ("stride", "1.0", r"column stride: '1\.0' is not an integer"),
        ("stride", "9" * 30, r"column stride: 9+ does not fit into 64 bits"),
        ("measured_at", "yesterday", r"column measured_at: 'yesterday' is not an ISO 8601 time"),
        ("measured_at", "2025-03-01T12:00:00", r"column measured_at: .* has no time zone"),
        ("source", "guessed", r"column source: 'guessed' is none of hardware, virtual, published"),
        ("schema_version", "2", r"column schema_version: 2 is not supported, this bench reads 1"),
        ("applications", "0", r"column applications: 0 is not positive"),
    ],
)
def test_bad_cells(tmp_path: Path, column: str, text: str, message: str) -> None:
    def change(cells: list[list[str]]) -> None:
        cells[2][COLUMNS.index(column)] = text

    with pytest.raises(ConfigurationError, match=message):
        read(damaged_csv(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[0].__setitem__(0, "version"), r"line 1 misses the column\(s\) schema_version"),
        (lambda c: c[0].append("note"), r"line 1 has the unknown column\(s\) note"),
        (lambda c: c[0].append("board"), r"line 1 repeats the column\(s\) board"),
        (lambda c: c[1].pop(), r"line 2: 43 cells instead of 44"),
        (lambda c: c.clear(), r"lut\.csv is empty"),
    ],
)
def test_bad_tables(tmp_path: Path, change: Callable[[list[list[str]]], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(damaged_csv(tmp_path, change))


def test_the_line_is_the_one_an_editor_shows(tmp_path: Path) -> None:
    path = tmp_path / "lut.csv"
    write(path, [replace(ROW, params="two\nlines"), ROW])
    path.write_text(path.read_text().replace(f",{ROW.repeats},", ",x,"))
    with pytest.raises(ConfigurationError, match="line 2, column repeats"):
        read(path)
    write(path, [replace(ROW, params="two\nlines"), replace(ROW, repeats=77)])
    path.write_text(path.read_text().replace(",77,", ",x,"))
    with pytest.raises(ConfigurationError, match="line 4, column repeats"):
        read(path)


def json_with(tmp_path: Path, **changes: Any) -> Path:
    (tmp_path / "lut.json").write_text(json.dumps([row_dict(ROW), {**row_dict(ROW), **changes}]))
    return tmp_path / "lut.json"


def test_bad_json(tmp_path: Path) -> None:
    path = tmp_path / "lut.json"
    for text, message in (
        ("[\n{]", r"lut\.json, line 2, column 2: "),
        ("", "line 1, column 1"),
        ("[3]", "row 1 is not an object"),
        ("[[]]", "row 1 is not an object"),
        ("[{}]", r"row 1 misses the column\(s\)"),
        ('[{"source": 1, "source": 2}]', r"row 1 misses"),
        ("[NaN]", "NaN is not a finite number"),
        ("[" * 100_000, r"lut\.json"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=message):
            read(path)
    path.write_bytes(b'["\xff"]')
    with pytest.raises(ConfigurationError, match="invalid start byte at byte 2"):
        read(path)
    with pytest.raises(ConfigurationError, match="row 2, column cycles: 'many' is not of type float"):
        read(json_with(tmp_path, cycles="many"))
    with pytest.raises(ConfigurationError, match="row 2, column stride: True is not of type int"):
        read(json_with(tmp_path, stride=True))
    with pytest.raises(ConfigurationError, match="row 2, column station: is empty"):
        read(json_with(tmp_path, station=None))
    with pytest.raises(ConfigurationError, match=r"row 2 has the unknown column\(s\) note"):
        read(json_with(tmp_path, note=1))
    assert read(json_with(tmp_path, cycles=7))[1].cycles == 7.0


def test_an_object_is_no_table(tmp_path: Path) -> None:
    for text in ("{}", json.dumps(row_dict(ROW)), "3", "null"):
        (tmp_path / "lut.json").write_text(text)
        with pytest.raises(ConfigurationError, match="is not an array of objects"):
            read(tmp_path / "lut.json")


def test_bad_parquet(tmp_path: Path) -> None:
    path = tmp_path / "lut.parquet"
    path.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(ConfigurationError, match=r"lut\.parquet"):
        read(path)
    frame = pd.DataFrame([row_dict(ROW)])
    frame["measured_at"] = pd.to_datetime(frame["measured_at"])
    for change, message in (
        ({"cycles": ["many"]}, "column cycles: .*string instead of double"),
        ({"station": [None]}, "row 1, column station: is empty"),
        ({"source": ["guessed"]}, "row 1, column source: 'guessed' is none of"),
    ):
        frame.assign(**change).to_parquet(path)
        with pytest.raises(ConfigurationError, match=message):
            read(path)
    frame.drop(columns=["board"]).to_parquet(path)
    with pytest.raises(ConfigurationError, match=r"misses the column\(s\) board"):
        read(path)


def test_a_value_that_fits_no_column_is_not_written(path: Path) -> None:
    for bad in (replace(ROW, cycles=float("inf")), replace(ROW, stride=2**63)):
        with pytest.raises(ValueError, match=r"not a finite number|64 bits"):
            write(path, [ROW, bad])
    assert list(path.parent.iterdir()) == []


# --- paths -----------------------------------------------------------------------------------------------------------


def test_formats_by_ending() -> None:
    assert [format_of(Path(name)) for name in ("a.csv", "a.b.JSON", "x/a.parquet")] == [
        Format.CSV,
        Format.JSON,
        Format.PARQUET,
    ]
    for name in ("lut", "lut.xlsx", "csv"):
        with pytest.raises(UsageError, match="names no format") as caught:
            format_of(Path(name))
        assert ".csv, .parquet, .json" in caught.value.hint


def test_the_format_may_be_given(tmp_path: Path) -> None:
    write(tmp_path / "table", [ROW], Format.PARQUET)
    assert read(tmp_path / "table", Format.PARQUET) == [ROW]


def test_an_old_file_stays_until_the_new_one_is_complete(path: Path) -> None:
    write(path, [ROW])
    before = path.read_bytes()

    def failing() -> Iterator[LutRow]:
        yield ROW
        raise BenchError("the database went away")

    with pytest.raises(BenchError, match="went away"):
        write(path, failing())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert write(path, [ROW, ROW]) == 2
    assert len(read(path)) == 2


def test_paths_that_cannot_be_written(path: Path) -> None:
    missing = path.parent / "no" / path.name
    with pytest.raises(UsageError, match="No such file or directory") as caught:
        write(missing, [ROW])
    assert "directory exists" in caught.value.hint
    path.mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        write(path, [ROW])
    with pytest.raises(UsageError, match="Is a directory"):
        read(path)
    with pytest.raises(UsageError, match=r"cannot read .*No such file"):
        read(missing)


def test_a_full_disk(path: Path) -> None:
    full = path.parent / f"full{path.suffix}"
    full.symlink_to("/dev/full")
    with pytest.raises(BenchError, match="No space left on device"):
        write(full, [ROW])


def test_links_devices_and_modes(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write(tmp_path / "link.csv", [ROW])
    assert (tmp_path / "link.csv").is_symlink()
    assert read(tmp_path / "real.csv") == [ROW]
    write(Path("/dev/null"), [ROW], Format.CSV)
    assert Path("/dev/null").is_char_device()
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o666 & ~mask
