"""Metadata, conversion and spike filter of the PPK2."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ProbeProtocolError
from bench.probes.ppk2_calibration import Calibration, convert, filter_spikes, parse_metadata
from tests.probes.ppk2_samples import METADATA

CALIBRATION = parse_metadata(METADATA)


def test_constants_are_read() -> None:
    assert CALIBRATION.r == (1003.3506, 101.5865, 10.3027, 0.9636, 0.0564)
    assert CALIBRATION.s[0] == 0.000000048
    assert CALIBRATION.ug == (1.0,) * 5


def test_gain_of_the_user_may_be_missing_and_case_does_not_matter() -> None:
    without = (
        "".join(line for line in METADATA.lower().splitlines(keepends=True) if not line.startswith(("ug", "end")))
        + "END\r\n"
    )
    assert parse_metadata(without) == CALIBRATION


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("END\n", "", "before its END"),
        (METADATA[200:], "", "before its END"),
        (METADATA, "", "before its END"),
        (METADATA, "END", "lacks GI0"),
        ("R2: 10.3027\n", "", "lacks R2"),
        ("R2: 10.3027", "R2: -nan", "R2 is nan"),
        ("GS1: 112.789", "GS1: nan", "GS1 is nan"),
        ("I4: -0.009388455", "I4: inf", "I4 is inf"),
        ("O1: 75.4627", "O1: 7x", "no number"),
        ("O1: 75.4627", "O1:", "no number"),
        ("R0: 1003.3506", "R0: 0", "R0 is 0"),
        ("R0: 1003.3506", "R0: 100.5", "R0 is 100.5"),
        ("GI3: 0.9519", "GI3: -1", "GI3 is -1"),
        ("UG4: 1.00", "UG4: 3", "UG4 is 3"),
        ("R1: 101.5865\n", "R1: 101.5865\nR1: 99.0\n", "told twice"),
        ("HW: 9173", "no colon", "no line of metadata"),
    ],
)
def test_bad_metadata_is_refused(old: str, new: str, words: str) -> None:
    assert old in METADATA
    with pytest.raises(ProbeProtocolError, match=words) as caught:
        parse_metadata(METADATA.replace(old, new))
    assert caught.value.hint


@given(st.text(max_size=300))
def test_no_text_is_worse_than_an_error(text: str) -> None:
    with pytest.raises(ProbeProtocolError):
        parse_metadata(text)


@given(st.integers(0, len(METADATA) - 5))
def test_cut_metadata_is_refused(length: int) -> None:
    with pytest.raises(ProbeProtocolError):
        parse_metadata(METADATA[:length])


def test_the_formula_by_hand() -> None:
    raw = (4 * 1000 - 50.4983) * (1.8 / 163840) / 0.9636
    expected = raw * (2.4217 * raw + 0.9519) + 0.000062577 * 3.0 - 0.000374119
    current_a = convert(np.array([1000], np.uint32), np.array([3], np.uint32), CALIBRATION, 3.0)
    assert current_a == pytest.approx([expected])
    assert expected == pytest.approx(0.047, rel=0.05)


def test_user_gain_scales_everything() -> None:
    gained = Calibration(
        **{name: getattr(CALIBRATION, name) for name in ("r", "gs", "gi", "o", "s", "i")}, ug=(1.25,) * 5
    )
    adc, ranges = np.arange(0, 16384, 700, dtype=np.uint32), np.full(24, 2, np.uint32)
    assert convert(adc, ranges, gained, 3.3) == pytest.approx(1.25 * convert(adc, ranges, CALIBRATION, 3.3))


def test_samples_in_one_range_are_left_alone() -> None:
    current_a = np.array([1e-3, 4e-3, 2e-3])
    assert filter_spikes(current_a, np.full(3, 2, np.uint32)).tolist() == current_a.tolist()
    assert filter_spikes(current_a[:0], np.empty(0, np.uint32)).size == 0


def one_by_one(current_a: list[float], ranges: list[int]) -> list[float]:
    """The same filter, sample by sample: the form of the published application."""
    slow = fast = current_a[0]
    left, since, out = 0, 0, []
    for number, (value, now) in enumerate(zip(current_a, ranges, strict=True)):
        before_fast, before_slow = fast, slow
        if number:
            fast += 0.18 * (value - fast)
            slow += 0.06 * (value - slow)
        changed = number > 0 and now != ranges[number - 1]
        if changed or left > 0:
            since = 0 if changed else since + 1
            left = 3 if changed else left
            if now == 4 and since < 2:
                fast, slow = before_fast, before_slow
            value = slow if now == 4 else fast  # noqa: PLW2901
            left -= 1
        out.append(value)
    return out


@pytest.mark.parametrize("after", [1, 3, 4])
def test_the_three_samples_after_a_change_are_averaged(after: int) -> None:
    random = np.random.default_rng(after)
    current_a = random.uniform(1e-3, 2e-3, 300)
    current_a[150:] *= 20
    ranges = np.repeat([2, after], 150).astype(np.uint32)
    filtered = filter_spikes(current_a, ranges)
    assert filtered == pytest.approx(np.array(one_by_one(current_a.tolist(), ranges.tolist())), rel=1e-9)
    assert np.flatnonzero(filtered != current_a).tolist() == [150, 151, 152]


def test_changes_in_quick_succession() -> None:
    current_a = np.linspace(1e-3, 2e-3, 12)
    ranges = np.array([2, 2, 2, 3, 2, 2, 3, 3, 3, 3, 3, 3], np.uint32)
    assert filter_spikes(current_a, ranges) == pytest.approx(np.array(one_by_one(current_a.tolist(), ranges.tolist())))
