"""The verb `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, number, project, show, table

Answer = dict[str, Any]
MOST_SHOWN = 40


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(export)


def export(
    target: Annotated[str | None, typer.Argument(help="where to; without one the targets are listed")] = None,
    out: Annotated[Path | None, typer.Option(help="folder, replaced whole; default export/TARGET")] = None,
    version: Annotated[str | None, typer.Option(help="version, alias or bundle; default what answers now")] = None,
    image: Annotated[str, typer.Option(help="reference of the container image, as registry/churn:v3")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="option of the target, may be repeated; `fairlead export` lists them"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write also over files that were edited")] = False,
    as_json: Json = False,
) -> None:
    """Write what another system needs to run a version.

    Refuses what no passing attestation vouches for (exit 3). The same version gives the same bytes. A folder that was
    edited by hand is left alone unless --force.
    """
    if target is None:
        from fairlead.doors.python.exporting import targets

        show({"targets": targets()}, as_json, tell_targets)
        return
    show(project().export(target, out, version=version, image=image, options=set_ or (), force=force), as_json, tell)


def tell_targets(answer: Answer) -> None:
    """Targets with what they write, and their options."""
    table("", ("target", "what"), [(one["target"], one["what"]) for one in answer["targets"]])
    for one in answer["targets"]:
        rows = [(f"{name}={usual(told)}", told["help"]) for name, told in one["options"].items()]
        if rows:
            table(f"{one['target']} --set", ("name=value", "what"), rows)


def usual(told: Answer) -> str:
    """What an option is where nobody says it; of several words the one that is taken comes first."""
    default: str = told["default"]
    return "|".join([default, *(word for word in told["choices"] if word != default)])


def tell(answer: Answer) -> None:
    """What was written where, and what to know."""
    out = console()
    files = answer["files"]
    for path in files[:MOST_SHOWN]:
        out.print(f"  {escape(path)}")
    if len(files) > MOST_SHOWN:
        out.print(f"[dim]  and {number(len(files) - MOST_SHOWN)} more[/]")
    what = f"version {answer['version']}" if answer["version"] is not None else f"bundle {answer['bundle'][:12]}"
    of = f" of {escape(answer['model'])}, {what}" if answer["bundle"] else f" of {escape(answer['model'])}"
    out.print(f"[bold]{escape(answer['target'])}[/]{of}: {number(len(files))} files in {escape(answer['folder'])}")
    for note in answer["notes"]:
        out.print(escape(note))
