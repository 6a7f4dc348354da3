"""`fairlead reproduce`: the same model again, or what is no longer the same."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, Steps, console, escape, number, project, show, table

Answer = dict[str, Any]
ROWS = {
    "kept": "the rows kept in this home",
    "source": "the rows that the source gives now",
    "given": "the rows given",
}


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(reproduce)


def reproduce(
    version: Annotated[str | None, typer.Argument(help="version, alias or bundle; else the latest trained")] = None,
    data: Annotated[str | None, typer.Option(help="fit on these rows instead of those that were kept")] = None,
    as_json: Json = False,
) -> None:
    """Fit a version's recorded trial again and compare.

    Not the search: learner, parameters, seed and preparation are those it chose. Exit 0 when data, settings, own code
    and every file of the model are the same, 1 when not.
    """
    with Steps() as steps:
        answer = project().reproduce(version, data, progress=steps)
    show(answer, as_json, tell)
    raise typer.Exit(0 if answer["identical"] else 1)


def tell(answer: Answer) -> None:
    out = console()
    words = {True: "same", False: "differs", None: "unknown"}
    rows = [(part["name"], words[part["same"]], "\n".join(part["what"])) for part in answer["parts"]]
    title = f"version {answer['version']}" if answer["version"] else "bundle"
    table(f"{title} ({answer['bundle'][:12]}), fitted on {ROWS[answer['rows']]}", ("part", "", "what"), rows)
    for warning in answer["warnings"]:
        out.print(f"[yellow]look[/]: {escape(warning)}")
    if moved := answer["predictions"]:
        out.print(
            f"on {moved['rows']:,} golden rows scores moved by {number(moved['mean_difference'])} in the mean, "
            f"{number(moved['max_difference'])} at most; {moved['flipped']:,} decisions differ"
        )
    if answer["identical"]:
        noted = f" (changed without effect: {', '.join(answer['noted'])})" if answer["noted"] else ""
        out.print(f"[green]identical[/]{noted}, in {answer['seconds']:.1f} s")
    else:
        out.print(f"[red]differs[/]: {', '.join(answer['differs'])}, in {answer['seconds']:.1f} s")
