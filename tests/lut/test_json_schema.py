"""The schema of the JSON table, as it is documented, accepts what is written and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bench.domain.lut import row
from bench.lut import json_schema, row_dict, write
from tests.store.store_samples import a_run

DOCUMENTED = Path(__file__).parents[2] / "docs" / "lut-schema.json"


def test_the_documented_schema_is_the_one_of_the_program() -> None:
    assert json.loads(DOCUMENTED.read_text()) == json_schema()


def test_a_written_table_fits_it(tmp_path: Path) -> None:
    write(tmp_path / "lut.json", [row(a_run()), row(a_run(minutes=1))])
    written = json.loads((tmp_path / "lut.json").read_text())
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(written)) == []
    assert len(written) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"source": "guessed"}, {"cycles": None}, {"schema_version": 2}, {"applications": 0}, {"extra": 1}, {"k": "5"}],
)
def test_a_row_that_is_none_does_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([row_dict(row(a_run())) | wrong], json_schema())
