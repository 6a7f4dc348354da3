"""Verbs about decisions: decisions, undo."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, project, show, table

Answer = dict[str, Any]
MOST = 200


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (decisions, undo):
        app.command()(verb)


def decisions(
    last: Annotated[int, typer.Option(help="how many to show", min=1, max=MOST)] = 20, as_json: Json = False
) -> None:
    """What was decided, why, what came of it, how to undo it."""
    show(project().decisions(last), as_json, tell_decisions)


def tell_decisions(answer: Answer) -> None:
    rows = [
        (moment(d["at"]), d["action"].replace("_", " "), d["why"], d["outcome"] or d["state"], d["undo"])
        for d in answer["decisions"]
    ]
    if not rows:
        console().print("nothing was decided yet")
        return
    table("", ("when (UTC)", "decision", "why", "outcome", "undo by"), rows, wraps=("why",))


def undo(
    decision: Annotated[str, typer.Argument(help="how its id begins; else the newest that moved anything")] = "",
    why: Annotated[str, typer.Option(help="why, for the audit log")] = "undone by hand",
    as_json: Json = False,
) -> None:
    """Take a decision back while nothing has followed upon it."""
    show(project().undo(decision, why=why), as_json, tell_undone)


def tell_undone(answer: Answer) -> None:
    console().print(f"undone: {answer['action'].replace('_', ' ')} ({answer['decision'][:8]}); {escape(answer['how'])}")
