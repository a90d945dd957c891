"""Every error the bench raises on purpose, in one tree.

    BenchError                          exit code 1
     +- UsageError                      exit code 2: the request or a configuration file is wrong
     |   +- UnknownName                 no such board, primitive, station, probe ...
     |   +- ParameterError              a value outside its range
     |   +- ConfigurationError          a YAML file is wrong (names file and line)
     |   +- ModelFileError              a model file is damaged, hostile, or holds what no primitive covers
     |   +- UnreachableClock            no clock configuration gives this frequency
     +- BuildError                      class "build"
     |   +- ToolchainMissing
     |   +- CompileError
     +- TargetError                     class "target"
     |   +- DebugProbeError             class "connect": the connection broke, or the target does not answer
     |   |   +- StationBusy             another bench measures there
     |   |   +- DebugProbeUnavailable   no such debug probe, or another program holds it
     |   +- IdentifyError               class "identify": another MCU or board than the station says
     |   +- FlashError                  class "flash"
     |   +- BootError                   class "boot": the image does not come up
     |   +- RunTimeout                  class "run": the target never stopped
     |   +- TargetFault                 class "run": the target took a fault, decoded
     |   +- MailboxCorrupt              class "run": the target stopped, but its answer makes no sense
     +- VerifyError                     class "verify"
     |   +- OutputMismatch
     |   +- ClockUnconfirmed            the core clock is not what was asked for
     |   +- CounterWrapped              DWT->CYCCNT wrapped in the window
     |   +- Unstable                    cycles or current changed while they were measured
     |   +- Drifted                     class "drift": the sentinel point, measured again, came out different
     +- StationQuarantined              class "station": the ladder of recoveries did not help; leave this station out
     +- CurrentProbeError               class "probe"
     |   +- ProbeTimeout                no answer in time
     |   +- ProbeProtocolError          an answer that the protocol does not know
     |   +- ProbeRangeError             the current is outside the probe's range (before a point)
     |   +- ProbeSaturated              ... or was (in a window)
     |   +- SamplesLost
     |   +- ProbeDisconnected
     +- StoreError                      class "database"
         +- DatabaseUnusable            unwritable, locked, or not a database
         +- ForeignDatabase             a database of some other program
         +- OutdatedRevision            written by an older bench, to be upgraded first
         +- FutureRevision              written by a newer bench

An error says what failed, where, the numbers, and in ``hint`` what mends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import ClassVar


class BenchError(Exception):
    """Something failed that the bench knows about.

    ``message`` says what and the numbers, ``hint`` what to do, ``detail`` holds further lines (a compiler's output, decoded registers)
    and ``context`` where it happened, outermost first (station, point).
    """

    exit_code: ClassVar[int] = 1
    failure_class: ClassVar[str] = "bench"

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail
        self.context: list[str] = []

    def __str__(self) -> str:
        where = ", ".join(self.context)
        return f"{where}: {self.message}" if where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Let it pass from process to process, whatever the arguments of a subclass are."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[BenchError], args: tuple[object, ...], values: dict[str, object]) -> BenchError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(values)
    return error


@contextmanager
def error_context(where: str) -> Iterator[None]:
    """Add ``where`` (a station, a point) to any BenchError that passes through."""
    try:
        yield
    except BenchError as error:
        error.context.insert(0, where)
        raise


class UsageError(BenchError):
    """The request or a configuration file is wrong; nothing was measured."""

    exit_code: ClassVar[int] = 2
    failure_class: ClassVar[str] = "usage"


class UnknownName(UsageError):
    """A name that is not in a registry."""

    @classmethod
    def among(cls, what: str, name: str, known: list[str]) -> UnknownName:
        """Build the error for ``name``, an unknown ``what``; names the known ones and the nearest."""
        near = get_close_matches(name, known, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        return cls(f"unknown {what} {name!r}.{guess}", hint=f"known: {', '.join(known) or 'none'}")


class ParameterError(UsageError):
    """A value outside its range."""


class ConfigurationError(UsageError):
    """A configuration file is wrong."""


class ModelFileError(UsageError):
    """A model file is damaged, too large, or holds operators that no primitive covers."""


class UnreachableClock(UsageError):
    """No clock configuration of the board gives the requested frequency."""

    def __init__(self, message: str, *, nearest_hz: tuple[float, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.nearest_hz = nearest_hz


class BuildError(BenchError):
    """The firmware image could not be built."""

    failure_class: ClassVar[str] = "build"


class ToolchainMissing(BuildError):
    """No usable compiler."""


class CompileError(BuildError):
    """The compiler or linker refused the sources."""


class TargetError(BenchError):
    """The board under test failed."""

    failure_class: ClassVar[str] = "target"


class DebugProbeError(TargetError):
    """No debug probe answers, or the connection to the target broke."""

    failure_class: ClassVar[str] = "connect"


class StationBusy(DebugProbeError):
    """Another process measures on the station."""


class DebugProbeUnavailable(DebugProbeError):
    """No such debug probe, or another program holds it: whatever is tried on the board would be tried in vain, or on somebody else's."""


class IdentifyError(TargetError):
    """The connected MCU is not the one the station describes."""

    failure_class: ClassVar[str] = "identify"


class FlashError(TargetError):
    """Programming or verifying the flash failed."""

    failure_class: ClassVar[str] = "flash"


class BootError(TargetError):
    """The image was flashed but does not come up."""

    failure_class: ClassVar[str] = "boot"


class RunTimeout(TargetError):
    """The target did not stop in time."""

    failure_class: ClassVar[str] = "run"


class TargetFault(TargetError):
    """The target took a fault; ``detail`` holds the decoded fault registers."""

    failure_class: ClassVar[str] = "run"


class MailboxCorrupt(TargetError):
    """The target stopped, but what it left in the mailbox is no answer to the request."""

    failure_class: ClassVar[str] = "run"


class VerifyError(BenchError):
    """A measurement ran, but a check on it failed."""

    failure_class: ClassVar[str] = "verify"


class OutputMismatch(VerifyError):
    """The target's output differs from the reference."""


class ClockUnconfirmed(VerifyError):
    """The core clock is not the one that was asked for."""


class CounterWrapped(VerifyError):
    """DWT->CYCCNT wrapped during the window (2^32 cycles)."""


class Unstable(VerifyError):
    """Cycles or current changed while they were measured, by more than noise explains."""


class Drifted(VerifyError):
    """The sentinel point, measured again, came out different by more than its uncertainty allows."""

    failure_class: ClassVar[str] = "drift"


class StationQuarantined(BenchError):
    """The station does not work and nothing the bench can do mends it: leave it out until somebody has looked at it.

    ``cause`` is the first failure of the last series, which says what is wrong.
    """

    failure_class: ClassVar[str] = "station"

    def __init__(self, station: str, cause: BenchError, tried: str = "") -> None:
        after = f" (after: {tried})" if tried else ""
        super().__init__(f"station {station} is left out{after}: {cause.message}", hint=cause.hint, detail=cause.detail)
        self.cause = cause


class CurrentProbeError(BenchError):
    """The current probe failed."""

    failure_class: ClassVar[str] = "probe"


class ProbeTimeout(CurrentProbeError):
    """The current probe did not answer in time."""


class ProbeProtocolError(CurrentProbeError):
    """The current probe sent something its protocol does not know."""


class ProbeRangeError(CurrentProbeError):
    """The expected current is outside the probe's range."""


class ProbeSaturated(CurrentProbeError):
    """The current left the probe's range during a window."""


class SamplesLost(CurrentProbeError):
    """The probe lost samples during a window."""


class ProbeDisconnected(CurrentProbeError):
    """The probe went away."""


class StoreError(BenchError):
    """The database failed."""

    failure_class: ClassVar[str] = "database"


class DatabaseUnusable(StoreError):
    """The database cannot be opened or written."""


class ForeignDatabase(StoreError):
    """The database belongs to another program."""


class OutdatedRevision(StoreError):
    """The database was written by an older bench and has to be upgraded first."""


class FutureRevision(StoreError):
    """The database was written by a newer bench."""
