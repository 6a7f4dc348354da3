"""The verb `release`: a hold that ends, or a version that Git names."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, console, escape, project, show
from fairlead.doors.cli.serving import Why, tell_hold


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(release)


def release(
    why: Why = "released by hand",
    from_git: Annotated[bool, typer.Option("--from-git", help="deploy the version that a tag or commit names")] = False,
    tag: Annotated[str | None, typer.Option(help="with --from-git: the tag, as churn/v3; else the commit")] = None,
    despite_freeze: Annotated[str, typer.Option(help="with --from-git: why a freeze is not waited for")] = "",
    as_json: Json = False,
) -> None:
    """Lift a pin, freeze or hold; or deploy what Git says.

    With --from-git the version answers that releases/MODEL.toml in the commit says, or the name of the tag (churn/v3).
    Done twice it changes nothing. Refused (exit 3): a dirty tree, a signature that does not hold, a version that no
    passing attestation vouches for, a frozen or held model.
    """
    if from_git:
        show(project().release_from_git(tag, despite_freeze=despite_freeze), as_json, tell)
        return
    if tag or despite_freeze:
        raise UsageError("--tag and --despite-freeze go with --from-git.")
    show(project().release(why), as_json, tell_hold)


def tell(answer: dict[str, Any]) -> None:
    """Which version answers, and by whose word."""
    said = escape(answer["tag"] or f"commit {answer['commit'][:12]}")
    signed = f", signed by {escape(answer['signer'])}" if answer["signer"] else ""
    out = console()
    version = f"{answer['model']} version [bold]{answer['champion']}[/] ({answer['bundle'][:12]})"
    if not answer["changed"]:
        out.print(f"{version} answers already, as {said} says{signed}")
        return
    before = f", in place of version {answer['previous']}" if answer["previous"] else ""
    out.print(f"{version} answers now, as {said} says{signed}{before}")
    if answer["confirmed"] is None:
        out.print("no server is running: it answers so as soon as one starts (`fairlead serve` or `fairlead up`)")
