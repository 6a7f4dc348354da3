"""`fairlead alerts`: through what people are told, and whether that works."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, program, project, show, table

Answer = dict[str, Any]
STATES = {
    "unused": "nothing sent yet", "works": "works", "waiting": "fails, is tried again",
    "given_up": "fails, was given up",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(alerts)


def alerts(
    test: Annotated[bool, typer.Option("--test", help="send a test message through every channel")] = False,
    as_json: Json = False,
) -> None:
    """Through what alerts go, and whether they arrive.

    With --test each channel gets one message; exit 1 if one did not take it.
    """
    answer = project().alerts(test)
    show(answer, as_json, tell_alerts)
    if any(not one["ok"] for one in answer["tried"]):
        raise typer.Exit(1)


def tell_alerts(answer: Answer) -> None:
    out = console()
    if not answer["channels"]:
        out.print('nobody is told: \\[alerts] to is empty (for example to = ["file:alerts.log"]).')
        out.print(f"What is wrong is shown by [bold]{escape(program('incidents'))}[/].")
        return
    if answer["tried"]:
        tell_tried(answer["tried"])
        return
    rows = [
        (c["channel"] + (" (escalation)" if c["further"] else ""), moment(c["sent_at"]), state_of(c))
        for c in answer["channels"]
    ]
    table("Channels", ("channel", "last took (UTC)", "state"), rows)
    if answer["messages"]:
        lines = [(moment(m["at"]), m["kind"].replace("_", " "), m["title"]) for m in answer["messages"][-5:]]
        table("Newest messages", ("when (UTC)", "kind", "title"), lines)
    out.print(f"Try them: [bold]{escape(program('alerts --test'))}[/]")


def state_of(channel: Answer) -> str:
    """A state in words, with what is kept for it and why."""
    told = STATES[channel["state"]]
    if channel["state"] == "waiting":
        told += f" at {moment(channel['due_at'])[11:]}"
    kept = [f"{channel['waiting']} waiting"] if channel["waiting"] else []
    kept += [f"{channel['missed']} did not arrive"] if channel["missed"] else []
    told += f" ({', '.join(kept)})" if kept else ""
    return told + (f": {channel['error']}" if channel["error"] else "")


def tell_tried(tried: list[Answer]) -> None:
    rows = [
        (one["channel"], "took it" if one["ok"] else "did not take it", f"{one['seconds']:.1f} s", one["error"] or "-")
        for one in tried
    ]
    table("Test messages", ("channel", "what happened", "after", "why"), rows)
