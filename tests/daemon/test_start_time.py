"""Start times as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.daemon.start_time import parse_start
from bench.errors import ParameterError

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Paris", "Pacific/Kiritimati", "America/Los_Angeles")]
)
START = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 10 * 365 * 86400).map(lambda seconds: START + timedelta(seconds=seconds))


@given(now=MOMENTS, clock=st.times(), zone=ZONES)
def test_a_time_of_day_is_the_next_one_on_the_local_clock(now: datetime, clock: time, zone: ZoneInfo) -> None:
    text = f"{clock.hour}:{clock.minute:02}"
    found = parse_start(text, now, lambda naive: naive.replace(tzinfo=zone))
    assert timedelta(0) < found - now <= timedelta(hours=25)  # 25 on the day when clocks go back
    shown = found.astimezone(zone)
    skipped = datetime.combine(shown, clock.replace(second=0, microsecond=0), zone).astimezone(UTC).astimezone(zone)
    assert (shown.hour, shown.minute) == (skipped.hour, skipped.minute)  # the same, but where clocks skip this hour
    assert found.second == found.microsecond == 0


def test_tonight_or_tomorrow() -> None:
    def zone(naive: datetime) -> datetime:
        return naive.replace(tzinfo=UTC)

    now = datetime(2026, 3, 1, 21, 59, 30, tzinfo=UTC)
    assert parse_start("22:00", now, zone) == datetime(2026, 3, 1, 22, tzinfo=UTC)
    assert parse_start(" 21:59 ", now, zone) == datetime(2026, 3, 2, 21, 59, tzinfo=UTC)
    assert parse_start("2026-03-05 06:30", now, zone) == datetime(2026, 3, 5, 6, 30, tzinfo=UTC)
    assert parse_start("2026-03-05T06:30+02:00", now, zone) == datetime(2026, 3, 5, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["24:00", "22:60", "tonight", "", "2026-03-05", "2020-01-01 00:00", "22", "-1:00", "2026-13-01 00:00"]
)
def test_what_is_no_start_time_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_start(text, datetime(2026, 3, 1, tzinfo=UTC))
    assert "22:00" in caught.value.hint


@given(text=st.text(max_size=20))
def test_any_text_is_a_time_or_a_clear_error(text: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with suppress(ParameterError):
        assert parse_start(text, now) >= now
