"""The choice of what to do about a failure: a pure function of the failures so far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import errors
from bench.domain.event import Action
from bench.errors import (
    BenchError,
    BootError,
    CompileError,
    DebugProbeError,
    DebugProbeUnavailable,
    IdentifyError,
    OutputMismatch,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    RunTimeout,
    SamplesLost,
    TargetFault,
)
from bench.measure.policy import MAX_ATTEMPTS, RULES, choose, hopeless, rule_for

RUNGS = (Action.RETRY, Action.RESET, Action.RECONNECT, Action.CONNECT_UNDER_RESET, Action.POWER_CYCLE)
ENDS = {Action.REJECT, Action.GIVE_UP, Action.QUARANTINE}
ALL = frozenset(RUNGS)
EVERY_ERROR = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BenchError) and kind is not errors.StationQuarantined
]  # fmt: skip


def climb(error: BenchError, available: frozenset[Action] = ALL) -> list[Action]:
    """Return what is done about ``error`` with another message each time, until the end."""
    failures: list[BenchError] = []
    done: list[Action] = []
    while not done or done[-1] not in ENDS:
        failures.append(type(error)(f"{error.message} {len(failures)}"))
        done.append(choose(failures, available))
    return done


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_climb_ends_within_the_bound_and_never_goes_down(kind: type[BenchError]) -> None:
    done = climb(kind("failed"))
    assert len(done) <= MAX_ATTEMPTS
    assert done[-1] is rule_for(kind("")).end
    ranks = [RUNGS.index(action) for action in done[:-1]]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("kind", [CompileError, IdentifyError, ProbeRangeError], ids=lambda kind: kind.__name__)
def test_what_cannot_mend_is_not_tried_again(kind: type[BenchError]) -> None:
    assert len(climb(kind("failed"))) == 1


def test_the_ladder_of_a_stuck_debug_port() -> None:
    assert climb(DebugProbeError("no answer")) == [
        Action.RECONNECT,
        Action.CONNECT_UNDER_RESET,
        Action.POWER_CYCLE,
        Action.QUARANTINE,
    ]


def test_a_rung_that_the_station_lacks_is_left_out() -> None:
    assert Action.POWER_CYCLE not in climb(BootError("no start"), ALL - {Action.POWER_CYCLE})


def test_a_board_that_another_program_holds_is_not_power_cycled() -> None:
    assert climb(DebugProbeUnavailable("in use")) == [Action.RECONNECT, Action.QUARANTINE]


def test_twice_alike_ends_at_once_and_twice_different_does_not() -> None:
    first, other = OutputMismatch("3 of 36 outputs are wrong"), OutputMismatch("4 of 36 outputs are wrong")
    assert choose([first], ALL) is Action.RESET
    assert choose([first, OutputMismatch(first.message)], ALL) is Action.REJECT
    assert choose([first, other], ALL) is Action.POWER_CYCLE


def test_two_time_outs_are_alike_wherever_the_loop_was() -> None:
    assert choose([RunTimeout("at kernel.c:5"), RunTimeout("at kernel.c:6")], ALL) is Action.REJECT


def test_what_ended_another_point_needs_no_second_look() -> None:
    fault = TargetFault("the target took a fault at kernel.c:5")
    assert choose([fault], ALL, [TargetFault(fault.message)]) is Action.REJECT
    assert choose([fault], ALL, [TargetFault("elsewhere")]) is Action.RESET
    assert choose([SamplesLost("lost")], ALL, [SamplesLost("lost")]) is Action.RETRY


def test_a_probe_that_ruins_point_after_point_is_hopeless() -> None:
    assert not hopeless([ProbeTimeout("no edge")] * 2)
    assert hopeless([ProbeTimeout("no edge")] * 3)
    assert not hopeless([ProbeTimeout("no edge"), ProbeSaturated("too much"), ProbeTimeout("no edge")])
    assert not hopeless([TargetFault("fault")] * 3)


@given(st.lists(st.sampled_from(sorted(RULES, key=lambda kind: kind.__name__)), min_size=1, max_size=30))
def test_any_mixture_of_failures_ends(kinds: list[type[BenchError]]) -> None:
    failures: list[BenchError] = []
    for number, kind in enumerate(kinds):
        failures.append(kind(f"failure {number}"))
        if choose(failures, ALL) in ENDS:
            return
    assert len(failures) < MAX_ATTEMPTS
