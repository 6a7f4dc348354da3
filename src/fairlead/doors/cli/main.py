"""`fairlead`: the program. Verbs live in the modules beside this one, endings in `ending`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fairlead import __version__
from fairlead.doors.cli import (
    alerting,
    capacity,
    compressing,
    contracting,
    deciding,
    diffing,
    drifting,
    explaining,
    exporting,
    forgetting,
    gating,
    handing_out,
    incidents,
    keeping,
    keys,
    learning,
    looking,
    making,
    performing,
    quality,
    releasing,
    reporting,
    reproducing,
    rolling,
    serving,
    streaming,
    testing,
    watching,
)
from fairlead.doors.cli.asked import asked
from fairlead.doors.cli.ending import ended_well
from fairlead.doors.cli.output import chosen

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
    """Print the version and end."""
    if show:
        typer.echo(f"fairlead {__version__}")
        raise typer.Exit


@app.callback()
def options(
    project: Annotated[Path, typer.Option("--project", "-C", help="the project's folder")] = Path("."),
    show: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="print the version")] = False,
) -> None:
    """Options before the verb."""
    chosen.folder = project


for module in (
    making,
    quality,
    drifting,
    serving,
    handing_out,
    watching,
    learning,
    looking,
    performing,
    explaining,
    forgetting,
    incidents,
    alerting,
    keeping,
    keys,
    testing,
    gating,
    reproducing,
    diffing,
    compressing,
    deciding,
    reporting,
    contracting,
    rolling,
    releasing,
    exporting,
    capacity,
    streaming,
):
    module.add_to(app)


def main() -> None:
    """The entry point. Ends with the exit codes of `ending.exit_code`."""
    with ended_well():
        asked(app, sys.argv[1:])(prog_name="fairlead")


if __name__ == "__main__":
    main()
