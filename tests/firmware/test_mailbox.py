"""The mailbox's layout, and its way through bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.firmware import mailbox
from bench.firmware.mailbox import Command, Report, Request


def test_fields_follow_each_other_without_gaps() -> None:
    expected = 0
    for field in mailbox.FIELDS:
        assert field.offset == expected
        expected += 4 * field.count
    assert expected == mailbox.SIZE_BYTES


def test_field_names_and_error_texts_are_complete() -> None:
    names = [field.name for field in mailbox.FIELDS]
    assert len(set(names)) == len(names)
    assert set(mailbox.EXPLANATION) == set(mailbox.TargetErrorCode) - {mailbox.TargetErrorCode.NONE}


@given(st.binary(min_size=mailbox.SIZE_BYTES, max_size=mailbox.SIZE_BYTES))
def test_report_returns_every_word_under_its_name(data: bytes) -> None:
    report = Report(data)
    words = [word for field in mailbox.FIELDS for word in report.words(field.name)]
    assert struct.pack(f"<{len(words)}I", *words) == data


def test_report_refuses_another_size() -> None:
    with pytest.raises(ValueError, match="bytes"):
        Report(bytes(mailbox.SIZE_BYTES - 4))


def test_request_names_only_fields_of_the_mailbox() -> None:
    words = Request(1, Command.CYCLES, mailbox.CLOCK_AS_RESET, 7, repeats=3).words()
    assert set(words) <= set(mailbox.OFFSET)
    assert (words["command"], words["clock_index"], words["repeats"]) == (1, 0xFFFFFFFF, 3)
