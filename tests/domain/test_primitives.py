"""The registry of primitives: what it makes of good parameters, and how it refuses bad ones."""

import pytest

from bench.domain.primitives import PRIMITIVES, Primitive, applications, operations, published_set, shape, workload
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName

ENTRIES = pytest.mark.parametrize("entry", PRIMITIVES.values(), ids=PRIMITIVES)


@ENTRIES
def test_published_sets_are_workloads_that_count_something(entry: Primitive) -> None:
    for dtype, flavors in entry.flavors.items():
        for flavor in flavors:
            works = list(published_set(entry, dtype, flavor))
            assert len(set(works)) == len(works) >= 1
            for work in works:
                assert operations(work) >= applications(work) >= 1
                assert all(name in dict(work.params) for name in ("k", "stride") if shape(work).kernel_h)


@ENTRIES
def test_every_parameter_refuses_what_is_beside_its_range(entry: Primitive) -> None:
    for parameter in entry.parameters:
        dtype = parameter.dtypes[0]
        bad: list[int | str] = ["none such"] if isinstance(parameter.default, str) else ["two", "1.5", -1, 0]
        if not parameter.choices:
            bad.append(parameter.maximum + 1)
        for value in bad:
            if value == 0 and parameter.minimum == 0:
                continue
            with pytest.raises(ParameterError, match=parameter.name) as caught:
                workload(entry.name, {parameter.name: value}, dtype)
            assert str(value) in caught.value.message
            assert parameter.range_text in caught.value.hint


@ENTRIES
def test_unknown_names_are_refused_with_what_is_known(entry: Primitive) -> None:
    for arguments, known in (
        (({"colour": 3},), entry.parameters[0].name),
        (({}, "fp12"), "fp32"),
        (({}, "fp32", "fast"), "naive"),
        (({}, "fp32", "naive", "O9"), "O3"),
    ):
        with pytest.raises(UnknownName) as caught:
            workload(entry.name, *arguments)
        assert known in caught.value.hint


@pytest.mark.parametrize("name", ["conv2d", "conv2d_rgb", "depthwise_conv2d", "avgpool2d", "maxpool2d"])
def test_a_window_larger_than_the_image_is_refused_with_both(name: str) -> None:
    with pytest.raises(ParameterError, match=r"the 5 x 5 window is larger than the 4 x 32 input"):
        workload(name, {"k": 5, "in_h": 4, "in_w": 32})


def test_a_parameter_of_one_data_type_is_not_there_in_the_other() -> None:
    assert workload("conv2d", dtype="int8")["scaling"] == "per_channel"
    with pytest.raises(UnknownName, match=r"parameter of conv2d in fp32 'scaling'"):
        workload("conv2d", {"scaling": "per_tensor"})


def test_a_pool_steps_by_its_window_unless_told_otherwise() -> None:
    assert workload("avgpool2d", {"k": 4}).integer("stride") == 4
    assert workload("avgpool2d", {"k": 4, "stride": 1}).integer("stride") == 1


@pytest.mark.parametrize(
    ("name", "params", "count"),
    [  # the published counts of LeNet-5 and ResNet-8, layer by layer (Garbay, ZIP-CNN, 2023, tables 4.1 and 5.2)
        ("conv2d", {"k": 5, "in_h": 28, "in_w": 28, "in_c": 1, "out_c": 6, "padding": "same"}, 4704),
        ("conv2d", {"k": 5, "in_h": 14, "in_w": 14, "in_c": 6, "out_c": 16}, 9600),
        ("avgpool2d", {"k": 2, "in_h": 28, "in_w": 28, "in_c": 6}, 1176),
        ("conv2d_rgb", {"k": 3, "in_h": 32, "in_w": 32, "out_c": 16, "padding": "same"}, 49152),
        ("fully_connected", {"n_in": 400, "n_out": 120}, 1),
        ("softmax", {"n": 10}, 1),
    ],
)
def test_applications_are_counted_as_published(name: str, params: dict[str, int | str], count: int) -> None:
    assert applications(workload(name, params)) == count


def test_int8_and_fp32_are_there_for_everything() -> None:
    assert all(set(entry.dtypes) == set(DType) for entry in PRIMITIVES.values())
