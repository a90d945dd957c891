"""Plans in YAML files and as dictionaries: what they say, and what is wrong with them, at which line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.boards.sweep_file import load_plan, request_from_dict, request_to_dict
from bench.domain.primitives import PRIMITIVES
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.errors import BenchError, ConfigurationError, ParameterError, UnknownName

WHOLE = """
stations: [desk, virtual-nucleo_l496zg]
primitives:
  - relu
  - name: conv2d
    grid: {k: [3, 5], in_h: 16}
dtypes: int8
flavors: [naive, dsp]
opt_levels: [O3, Os]
freq: [16 MHz, 180 MHz]
accelerators: [prefetch, icache]
repeats: 5
window: 20 ms
seed: 7
again: true
"""


def test_a_plan_says_everything_that_the_command_line_says(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(WHOLE)
    assert load_plan(path) == SweepRequest(
        stations=("desk", "virtual-nucleo_l496zg"),
        primitives=(PrimitiveSweep("relu"), PrimitiveSweep("conv2d", (("k", (3, 5)), ("in_h", (16,))))),
        dtypes=("int8",),
        flavors=("naive", "dsp"),
        opt_levels=("O3", "Os"),
        freq="16 MHz,180 MHz",
        accelerators="prefetch,icache",
        repeats=5,
        window_s=0.02,
        seed=7,
        again=True,
    )


def test_what_is_left_out_has_the_command_lines_defaults() -> None:
    assert request_from_dict({}) == SweepRequest()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dtypes: [int8]\nprimitive: [relu]\n", ("plan.yaml:2", "unknown key primitive, did you mean primitives")),
        ("primitives:\n  - relu\n  - rellu\n", ("plan.yaml:3", "unknown primitive 'rellu'", "'relu'")),
        ("primitives:\n  - name: conv2d\n    grid: {k: [3, 4]}\n", ("plan.yaml:2", "k = 4 is not allowed")),
        ("primitives:\n  - name: relu\n    grid: {k: 3}\n", ("plan.yaml:2", "unknown parameter of relu 'k'")),
        ("primitives:\n  - name: relu\n    grids: {n: 3}\n", ("plan.yaml:3", "primitives[0].grids", "grid")),
        ("repeats: 5\ndtypes: [int4]\n", ("plan.yaml:2", "unknown data type 'int4'")),
        ("flavors: []\n", ("plan.yaml:1", "flavors")),
        ("window: 100\n", ("plan.yaml:1", "a time with its unit")),
        ("repeats: many\n", ("plan.yaml:1", "repeats")),
        ("again: perhaps\n", ("plan.yaml:1", "again")),
        ("- relu\n", ("plan.yaml:1", "keys and values")),
        ("", ("plan.yaml:1", "empty")),
        ("stations: [desk\n", ("plan.yaml", "not YAML")),
    ],
)
def test_mistakes_are_told_with_file_and_line(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_plan(path)
    said = f"{raised.value} {raised.value.hint} {raised.value.detail}"
    for word in words:
        assert word in said


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize(
    "data", [{"stations": "desk", "extra": 1}, {"seed": "1"}, {"primitives": [{"grid": {}}]}, {"freq": 16}]
)
def test_mistakes_in_a_job_name_the_job(data: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"^job 7: ") as raised:
        request_from_dict(data, "job 7")
    assert ":1:" not in str(raised.value)


def test_a_request_is_checked_at_birth() -> None:
    with pytest.raises(UnknownName, match="opt_levels"):
        SweepRequest(opt_levels=("O9",))
    with pytest.raises(ParameterError, match="dtypes is empty"):
        SweepRequest(dtypes=())
    with pytest.raises(ParameterError, match="too many"):
        SweepRequest(
            primitives=(PrimitiveSweep("conv2d", tuple((n, tuple(range(1, 200))) for n in ("in_h", "in_w", "in_c"))),)
        )
    with pytest.raises(ParameterError, match="twice"):
        PrimitiveSweep("conv2d", (("k", (3,)), ("k", (5,))))


@st.composite
def requests(draw: st.DrawFn) -> SweepRequest:
    """Return any request: valid parameters of any primitives."""

    def some(*names: str) -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))

    primitives = []
    for name in draw(st.lists(st.sampled_from(sorted(PRIMITIVES)), max_size=3)):
        grid = []
        for parameter in draw(
            st.lists(st.sampled_from(PRIMITIVES[name].parameters), unique_by=lambda p: p.name, max_size=2)
        ):
            value = (
                st.sampled_from(parameter.choices)
                if parameter.choices
                else st.integers(parameter.minimum, parameter.maximum)
            )
            grid.append((parameter.name, tuple(draw(st.lists(value, min_size=1, max_size=3)))))
        primitives.append(PrimitiveSweep(name, tuple(grid)))
    return SweepRequest(
        stations=tuple(draw(st.lists(st.text("abc-_1", min_size=1), max_size=2))),
        primitives=tuple(primitives),
        dtypes=some("fp32", "int8"),
        flavors=some("naive", "dsp"),
        opt_levels=some("O0", "O3", "Os"),
        freq=draw(st.sampled_from(("all", "16MHz,180MHz"))),
        accelerators=draw(st.sampled_from(("default", "none"))),
        repeats=draw(st.integers(-5, 500)),
        window_s=draw(st.floats(1e-6, 100, allow_nan=False)),
        seed=draw(st.integers(0, 2**32)),
        again=draw(st.booleans()),
    )


@given(requests())
def test_requests_survive_json(request: SweepRequest) -> None:
    assert request_from_dict(json.loads(json.dumps(request_to_dict(request)))) == request


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(sorted(request_to_dict(SweepRequest()))),
)
def test_any_value_is_taken_or_refused(value: object, key: str) -> None:
    try:
        request = request_from_dict({key: value})
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017 - to be refused is one of two good outcomes
    else:
        assert request_from_dict(request_to_dict(request)) == request


def test_a_plan_that_comes_with_the_bench_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_plan(Path("cost-model")).primitives
    Path("cost-model").write_text("dtypes: [int8]\n")  # what lies there goes before it
    assert load_plan(Path("cost-model")).primitives == ()
    with pytest.raises(BenchError, match="no-such-plan"):
        load_plan(Path("no-such-plan"))
