"""The ``bench`` command: the application, and what happens to errors on their way out."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from bench.cli import catalogue, db, doctor, estimate, explore, export, run, validate
from bench.cli.console import err, print_error, set_up_logging
from bench.errors import BenchError, UsageError

INTERRUPTED = 130

app = typer.Typer(
    name="bench",
    help="Measure what neural-network primitives cost on a microcontroller: cycles, seconds, joules, bytes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(validate.validate)
app.command()(export.export)
app.command()(estimate.estimate)
app.command()(explore.explore)
app.command()(catalogue.boards)
app.command()(catalogue.primitives)
app.command()(catalogue.stations)
app.command()(doctor.doctor)
app.add_typer(db.app, name="db")


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 something failed, 2 bad usage or configuration, 130 interrupted."""
    signal.signal(signal.SIGTERM, _terminated)
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
