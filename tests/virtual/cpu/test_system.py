"""The choice of the next exception and the assembled registers of the system control block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu.system import THREAD_PRIORITY, SystemControl


def test_ties_go_to_the_lower_number() -> None:
    system = SystemControl()
    for number in (20, 18):
        system.enable(number)
        system.pend(number)
    assert system.next_exception(THREAD_PRIORITY) == 18


def test_disabled_interrupt_is_not_taken() -> None:
    system = SystemControl()
    system.pend(18)
    assert system.next_exception(THREAD_PRIORITY) is None


@given(st.dictionaries(st.integers(16, 60), st.integers(0, 255), min_size=1), st.integers(0, 7), st.integers(0, 256))
def test_taken_exception_preempts_and_none_is_better(priorities: dict[int, int], group: int, current: int) -> None:
    system = SystemControl()
    system.prigroup = group
    for number, priority in priorities.items():
        system.priority[number] = priority
        system.enable(number)
        system.pend(number)
    taken = system.next_exception(current)
    better = [number for number in priorities if system.group_priority(number) < current]
    assert (taken is None) == (not better)
    if taken is not None:
        assert system.exception_priority(taken) == min(system.exception_priority(number) for number in better)


def test_masks_and_active_exceptions_set_the_priority() -> None:
    system = SystemControl()
    assert system.execution_priority(0, 0, 0) == THREAD_PRIORITY
    assert system.execution_priority(1, 0, 0) == 0
    assert system.execution_priority(1, 0x40, 0, ignore_primask=True) == 0x40
    assert system.execution_priority(0, 0, 1) == -1
    system.active.add(2)
    assert system.execution_priority(0, 0, 0) == -2


def test_shcsr_round_trip() -> None:
    system = SystemControl()
    system.shcsr = 0x0007_0000
    system.active.add(6)
    system.pend(5)
    assert system.shcsr == 0x0007_0000 | 1 << 3 | 1 << 14
