"""The ``bench`` command: the application, and what happens to errors on their way out."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer

from bench.cli import (
    catalogue,
    daemon,
    db,
    doctor,
    estimate,
    explore,
    export,
    importing,
    jobs,
    plot,
    report,
    run,
    show,
    sweep,
    validate,
)
from bench.cli.completion import completing
from bench.cli.console import err, print_error, set_up_logging
from bench.cli.presenting import PresentedCommand, PresentedGroup, help_of, presenting
from bench.errors import BenchError, UsageError

INTERRUPTED = 130
_GARBAGE = 50_000
"""Objects made between two searches for garbage: what commands load stays, and looking at it every 700 takes a tenth of a short one's time."""

app = typer.Typer(
    name="bench",
    cls=PresentedGroup,
    help="Measure what neural-network primitives cost on a microcontroller: cycles, seconds, joules, bytes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, dict[str, Callable[..., int | None]]] = {
    "Measure": {"run": run.run, "sweep": sweep.sweep},
    "Look at what was measured": {"show": show.show, "plot": plot.plot, "report": report.report},
    "Hand on": {"export": export.export, "import": importing.import_table},
    "From primitives to networks": {
        "estimate": estimate.estimate,
        "explore": explore.explore,
        "validate": validate.validate,
    },
    "What there is": {
        "boards": catalogue.boards,
        "primitives": catalogue.primitives,
        "stations": catalogue.stations,
        "doctor": doctor.doctor,
    },
    "Overnight": {
        "daemon": daemon.daemon,
        "submit": jobs.submit,
        "status": jobs.status,
        "logs": jobs.logs,
        "cancel": jobs.cancel,
        "pause": jobs.pause,
        "resume": jobs.resume,
    },
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        _made = app.command(_name, cls=PresentedCommand, help=help_of(_command), rich_help_panel=_panel)
        _made(presenting(completing(_name, _command)))
app.add_typer(db.app, name="db", rich_help_panel="What there is")


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 something failed, 2 bad usage or configuration, 130 interrupted."""
    signal.signal(signal.SIGTERM, _terminated)
    gc.set_threshold(_GARBAGE)
    set_up_logging()
    try:
        code = app(standalone_mode=False)
    except BenchError as error:
        print_error(error)
        code = error.exit_code
    except typer.TyperException as error:
        print_error(UsageError(error.format_message(), hint="bench --help, bench COMMAND --help"))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, as `| head` does
        code = 1
    if code == INTERRUPTED:  # Typer turns Ctrl-C into this code itself
        err().print("interrupted; what was measured until now is in the database")
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
