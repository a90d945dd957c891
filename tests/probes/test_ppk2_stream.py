"""The PPK2's stream: alignment, counter, trigger. A window is whole, or it is an error."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.errors import CurrentProbeError, ProbeProtocolError, ProbeTimeout, SamplesLost
from bench.probes.ppk2_stream import TriggeredStream, TriggeredWindow
from tests.probes.ppk2_samples import pulse, words

WANTED = 80
NUMBERED = words(pulse(), adc=1000 + np.arange(150))


def read(data: bytes | NDArray[np.uint32], pieces: list[int] | None = None, wanted: int = WANTED) -> TriggeredWindow:
    raw = data if isinstance(data, bytes) else data.tobytes()
    stream = TriggeredStream(wanted)
    for start, stop in pairwise([0, *sorted(min(cut, len(raw)) for cut in pieces or []), len(raw)]):
        stream.feed(raw[start:stop])
    if not stream.complete:
        raise ProbeTimeout("not complete")
    return stream.window()


def same(window: TriggeredWindow, start: int = 50) -> bool:
    return window.fall == 40 and window.samples.adc[window.before :].tolist() == list(
        range(1000 + start, 1000 + start + WANTED)
    )


def test_a_window_is_found() -> None:
    window = read(NUMBERED)
    assert same(window)
    assert window.before == 50
    assert window.samples.trigger[window.before :].sum() == 40


@given(st.lists(st.integers(0, 600), max_size=30))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    assert same(read(NUMBERED, cuts))


def test_single_bytes_do() -> None:
    assert same(read(NUMBERED, list(range(600))))


def test_a_long_wait_keeps_a_short_history() -> None:
    window = read(words(pulse(before=5000)), list(range(0, 20000, 333)))
    assert (window.before, window.fall) == (256, 40)


def test_losses_before_the_trigger_do_no_harm() -> None:
    window = read(np.concatenate((NUMBERED[:10], NUMBERED[20:])))
    assert same(window)
    assert window.before == 30  # what was before the loss is no neighbour


def test_the_end_of_an_older_window_is_passed_over() -> None:
    stale = words([True] * 30 + [False] * 10, first=33)
    assert same(read(np.concatenate((stale, NUMBERED))))


def test_a_rise_in_a_gap_is_a_loss() -> None:
    with pytest.raises(SamplesLost, match="about 5 samples lost 0 samples before the trigger"):
        read(np.concatenate((NUMBERED[:48], NUMBERED[53:])))


def test_a_loss_right_before_the_rise_is_one() -> None:
    with pytest.raises(SamplesLost, match="about 3 samples lost 12 samples before the trigger"):
        read(np.concatenate((NUMBERED[:35], NUMBERED[38:])))


@given(st.integers(51, 129), st.integers(1, 63))
def test_every_loss_in_the_window_is_noticed(at: int, count: int) -> None:
    with pytest.raises((SamplesLost, ProbeTimeout)):
        read(np.concatenate((NUMBERED[:at], NUMBERED[at + count :])))


def test_where_and_how_many_are_told() -> None:
    with pytest.raises(SamplesLost, match="about 7 samples lost 20 samples after the trigger") as caught:
        read(np.concatenate((NUMBERED[:70], NUMBERED[77:])))
    assert caught.value.hint


def test_what_comes_after_the_window_is_nobodys_business() -> None:
    assert same(read(np.concatenate((NUMBERED[:140], NUMBERED[145:]))))


@given(st.integers(0, 519), st.binary(min_size=1, max_size=40))
@settings(max_examples=200)
def test_bytes_too_many_are_noticed_or_do_no_harm(at: int, extra: bytes) -> None:
    raw = NUMBERED.tobytes()
    try:
        window = read(raw[:at] + extra + raw[at:])
    except CurrentProbeError:
        return
    assert same(window)


@given(st.integers(0, 519), st.integers(1, 255))
@settings(max_examples=200)
def test_bytes_too_few_are_noticed_or_do_no_harm(at: int, count: int) -> None:
    raw = NUMBERED.tobytes()
    try:
        window = read(raw[:at] + raw[at + count :])
    except CurrentProbeError:
        return
    assert same(window)


@given(st.binary(max_size=2000))
@settings(max_examples=300)
def test_noise_is_no_window(data: bytes) -> None:
    with pytest.raises(CurrentProbeError):
        read(data)


def test_unknown_ranges() -> None:
    for number in (45, 60):
        damaged = NUMBERED.copy()
        damaged[number] |= np.uint32(6 << 14)
        with pytest.raises(ProbeProtocolError, match="range"):
            read(damaged)


def test_a_trigger_that_does_not_fall_and_one_that_bounces() -> None:
    with pytest.raises(ProbeTimeout, match="did not fall within 800 us"):
        read(words(pulse(high=100)))
    bounce = pulse()
    bounce[60] = False
    with pytest.raises(ProbeProtocolError, match="changed 3 times"):
        read(words(bounce))
