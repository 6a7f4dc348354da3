"""`fairlead diff`: two versions side by side, as Markdown."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, project, show


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(diff)


def diff(
    old: Annotated[str, typer.Argument(help="version, alias or bundle")],
    new: Annotated[str, typer.Argument(help="version, alias or bundle")],
    as_json: Json = False,
) -> None:
    """What is different between two versions, as Markdown.

    Data, configuration, code, preparation, learner, signature, library versions; quality of both on the same rows with
    intervals; parity; how the training rows moved.
    """
    show(project().diff(old, new), as_json, tell)


def tell(answer: dict[str, Any]) -> None:
    # As it is, without colours or folding: it goes into a pull request.
    sys.stdout.write(answer["markdown"])
