"""What is done about a failure: one table, and a pure choice from it.

A rung of a ladder is tried once for a kind of failure, and only where the station can do it. Two rules bound everything: a failure that comes
again exactly alike, of a kind that repeats itself where its cause lies in the image, ends the climb at once; and no point is tried more than
MAX_ATTEMPTS times.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from bench.domain.event import Action
from bench.errors import (
    BenchError,
    BootError,
    BuildError,
    CounterWrapped,
    CurrentProbeError,
    DebugProbeError,
    DebugProbeUnavailable,
    FlashError,
    IdentifyError,
    OutputMismatch,
    ProbeDisconnected,
    ProbeRangeError,
    ProbeSaturated,
    RunTimeout,
    SamplesLost,
    StoreError,
    TargetError,
    TargetFault,
    Unstable,
    UsageError,
    VerifyError,
)

MAX_ATTEMPTS = 8
HOPELESS_AFTER = 3
"""So many points in a row that the current probe ruined, each after the whole ladder: the station is wired wrongly or broken."""

OF_THE_IMAGE = (TargetFault, OutputMismatch)
"""Where one of these ended a point, the very same at another point, place and numbers included, needs no second look."""

_RETRY, _RESET, _RECONNECT = Action.RETRY, Action.RESET, Action.RECONNECT
_UNDER_RESET, _POWER_CYCLE = Action.CONNECT_UNDER_RESET, Action.POWER_CYCLE
_REJECT, _GIVE_UP, _QUARANTINE = Action.REJECT, Action.GIVE_UP, Action.QUARANTINE


@dataclass(frozen=True, slots=True)
class Rule:
    """``ladder``: what to do before each further attempt; ``end``: what to do when it is climbed.

    ``determinate``: the same failure twice means that a third attempt would fail alike. ``why`` is for the documentation.
    """

    ladder: tuple[Action, ...]
    end: Action
    why: str
    determinate: bool = False


RULES: dict[type[BenchError], Rule] = {
    BuildError: Rule((), _GIVE_UP, "the same sources give the same error"),
    UsageError: Rule((), _REJECT, "the request itself is wrong for this point"),
    DebugProbeError: Rule((_RECONNECT, _UNDER_RESET, _POWER_CYCLE), _QUARANTINE, "debug ports get stuck"),
    DebugProbeUnavailable: Rule(
        (_RECONNECT,), _QUARANTINE, "absent, or another program's: nothing is done to its board"
    ),
    IdentifyError: Rule((), _QUARANTINE, "no retry turns one board into another; nothing is written to it"),
    FlashError: Rule((_RESET, _UNDER_RESET, _POWER_CYCLE), _QUARANTINE, "a supply dip heals, a worn sector does not"),
    BootError: Rule(
        (_RESET, _UNDER_RESET, _POWER_CYCLE), _QUARANTINE, "a watchdog or a lock-up may need the power cut"
    ),
    TargetError: Rule(
        (_RESET, _UNDER_RESET, _POWER_CYCLE), _REJECT, "fault, time-out, mailbox: a glitch or the image", True
    ),
    VerifyError: Rule((_RESET, _POWER_CYCLE), _REJECT, "wrong twice alike is the image's or the clock's fault", True),
    CounterWrapped: Rule((), _REJECT, "the same window wraps again"),
    Unstable: Rule((_RETRY, _RETRY), _REJECT, "a board that warms up, or something beside it, comes to rest"),
    ProbeRangeError: Rule((), _REJECT, "the probe does not grow"),
    ProbeSaturated: Rule((_RETRY,), _REJECT, "a spike passes, a current that is too large stays"),
    SamplesLost: Rule((_RETRY, _RETRY, _RECONNECT), _REJECT, "a busy host"),
    ProbeDisconnected: Rule((_RECONNECT, _POWER_CYCLE), _QUARANTINE, "a loose plug"),
    CurrentProbeError: Rule((_RETRY, _RECONNECT, _POWER_CYCLE), _REJECT, "garbled or missing answers"),
    StoreError: Rule((_RETRY, _RETRY), _GIVE_UP, "another process may hold the lock; each try waits for it"),
}
"""By class of error; the nearest class in an error's ancestry counts."""


def rule_for(error: BenchError) -> Rule:
    """Return the rule for ``error``; what the table does not know is not repeated."""
    for kind in type(error).__mro__:
        if kind in RULES:
            return RULES[kind]
    return Rule((), Action.REJECT, "unknown")


def choose(failures: Sequence[BenchError], available: Set[Action], condemned: Sequence[BenchError] = ()) -> Action:
    """Return what to do after ``failures``, those of one point in their order; the last one is the one to act upon.

    ``available`` are the rungs that the station has; ``condemned`` the failures that ended other points of the image.
    """
    last = failures[-1]
    rule = rule_for(last)
    if len(failures) >= MAX_ATTEMPTS or (rule.determinate and len(failures) > 1 and same(failures[-2], last)):
        return rule.end
    if isinstance(last, OF_THE_IMAGE) and any(
        type(last) is type(known) and last.message == known.message for known in condemned
    ):
        return rule.end
    tried = sum(rule_for(failure) is rule for failure in failures[:-1])
    ladder = [action for action in rule.ladder if action in available]
    return ladder[tried] if tried < len(ladder) else rule.end


def same(one: BenchError, other: BenchError) -> bool:
    """Tell whether two failures are alike: class and message, numbers included; for a time-out the class, as an endless loop has no place."""
    return type(one) is type(other) and (isinstance(one, RunTimeout) or one.message == other.message)


def hopeless(rejections: Sequence[BenchError]) -> bool:
    """Tell whether ``rejections``, the failures of the last points in a row, show that the station's current probe is useless."""
    last = rejections[-HOPELESS_AFTER:]
    return len(last) == HOPELESS_AFTER and all(
        isinstance(error, CurrentProbeError) and not isinstance(error, ProbeRangeError | ProbeSaturated)
        for error in last
    )
