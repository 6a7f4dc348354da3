"""`fairlead`: the program. Verbs live in the modules beside this one; errors and exit codes here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fairlead import __version__
from fairlead.contract import errors
from fairlead.doors.cli import looking, making, serving, watching
from fairlead.doors.cli.output import chosen, say_error

EXIT: tuple[tuple[type[Exception], int], ...] = (
    (errors.UsageError, 2),
    (errors.Refused, 3),
    (errors.Inconclusive, 4),
)

app = typer.Typer(
    name="fairlead",
    help="From a table to a served, watched, self-renewing model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `fairlead demo`, or: fairlead init --data TABLE --target COLUMN, then fairlead up.",
)


def version(show: bool) -> None:
    if show:
        typer.echo(f"fairlead {__version__}")
        raise typer.Exit


@app.callback()
def options(
    project: Annotated[Path, typer.Option("--project", "-C", help="the project's folder")] = Path("."),
    show: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="print the version")] = False,
) -> None:
    chosen.folder = project


for module in (making, serving, watching, looking):
    module.add_to(app)


def exit_code(failure: errors.FairleadError) -> int:
    """0 done, 1 failed, 2 usage or configuration, 3 refused by a gate or verdict, 4 inconclusive."""
    return next((code for kind, code in EXIT if isinstance(failure, kind)), 1)


def main() -> None:
    """The entry point. Ends with the exit codes of `exit_code`; 130 after Ctrl-C."""
    try:
        app(standalone_mode=True)
    except errors.FairleadError as failure:
        say_error(failure)
        sys.exit(exit_code(failure))
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
