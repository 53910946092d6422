"""`python -m cocola_lib`, and the console script `cocola`: runs the command line, one line per error."""

import sys
import warnings

import typer

from cocola_lib.cli.app import app
from cocola_lib.data.names import one_line
from cocola_lib.extras import ExtraMissing

# The common base of the command line's usage errors; where it lives differs between Typer releases.
UsageProblem = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def main(arguments=None):
    """Run the command line and exit: 0 done, 1 some rows failed, 2 bad input, 130 interrupted.

    Args:
        arguments: list of strings; None takes those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    warnings.formatwarning = lambda message, *_, **__: f"{one_line(message)}\n"  # without a line of our source
    for stream in (sys.stdout, sys.stderr):  # a name that a console's alphabet lacks costs no score
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="cocola")
    except UsageProblem as problem:
        code = _fail(problem.format_message())
    except (ValueError, OSError, ExtraMissing) as error:
        bare = isinstance(error, OSError) and error.filename is not None and error.strerror
        code = _fail(f"{error.filename}: {error.strerror}" if bare else error)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message):
    """Say what is wrong in one line."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
