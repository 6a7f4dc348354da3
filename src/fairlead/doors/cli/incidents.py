"""`fairlead incidents`, `incident`, `ack`, `assign`, `comment`, `snooze`, `expected`: what is wrong, and who cares."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, program, project, show, table

Answer = dict[str, Any]
Reference = Annotated[str, typer.Argument(help="number or id, as `fairlead incidents` lists it")]
COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (incidents, incident, ack, assign, comment, snooze, expected):
        app.command()(verb)


def incidents(
    every: Annotated[bool, typer.Option("--all", help="also those that are over")] = False,
    last: Annotated[int, typer.Option(min=1, max=1000, help="how many, the newest")] = 100,
    as_json: Json = False,
) -> None:
    """What is wrong now: findings that belong together."""
    show(project().incidents(every, last), as_json, tell_incidents)


def tell_incidents(answer: Answer) -> None:
    if not answer["incidents"]:
        console().print("nothing is wrong that is known of (`fairlead incidents --all` lists what was)")
        return
    tell_table(answer["incidents"])
    console().print(f"Look at one: [bold]{escape(program('incident NUMBER'))}[/]")


def tell_table(found: list[Answer]) -> None:
    """One line an incident."""
    rows = [
        (
            str(i["number"]),
            i["severity"],
            state_of(i),
            moment(i["first"] or i["since"]),
            i["assignee"] or "-",
            i["title"],
        )
        for i in found
    ]
    table("Incidents", ("#", "severity", "state", "since (UTC)", "who", "what"), rows)


def state_of(incident: Answer) -> str:
    """A state in words."""
    if incident["merged_into"]:
        return "merged"
    if incident["state"] == "snoozed":
        return f"snoozed to {moment(incident['snoozed_until'])[5:]}"
    return str(incident["state"])


def incident(reference: Reference, as_json: Json = False) -> None:
    """One incident: causes, cost, timeline."""
    show(project().incident(reference), as_json, tell_incident)


def tell_incident(answer: Answer) -> None:
    out = console()
    colour = COLOURS[answer["severity"]]
    out.print(f"[bold]#{answer['number']}[/] [{colour}]{answer['severity']}[/] {escape(answer['title'])}")
    since = f"since {moment(answer['since'])} UTC"
    first = f", first affected {moment(answer['first'])}" if answer["first"] else ""
    ended = f", until {moment(answer['ended'])}" if answer["ended"] else ""
    who = f", {escape(answer['assignee'])} looks after it" if answer["assignee"] else ""
    number = answer["merged_number"]
    into = f" into #{number}" if number else ""
    out.print(f"  {escape(state_of(answer))}{into}, {since}{first}{ended}{who}")
    if answer["why"]:
        out.print(f"  expected: {escape(answer['why'])}")
    for cause in answer["causes"]:
        # What the world did has no name of its own.
        kind = "a changed" if cause["kind"] == "time" else cause["kind"]
        out.print(f"  likely {cause['weight']:.0%} {kind} [bold]{escape(cause['name'])}[/]: {escape(cause['why'])}")
    if answer["cost"]:
        cost = answer["cost"]
        between = f" (between {cost['low']:+.3g} and {cost['high']:+.3g})" if cost["low"] < cost["high"] else ""
        out.print(f"  estimated cost: {cost['value']:+.3g} {escape(answer['cost_in'])}{between}")
    if answer["advice"]:
        out.print(f"  what to do: {escape(answer['advice'])}")
    rows = [(moment(e["at"]), e["kind"], e.get("actor") or "rule", line_of(e)) for e in answer["timeline"]]
    if answer["cut"]:
        rows.insert(0, ("", "", "", f"{answer['cut']} earlier lines are left out"))
    if rows:
        table("Timeline", ("when (UTC)", "what", "who", ""), rows)
    if number:
        out.print(f"Next: [bold]{escape(program(f'incident {number}'))}[/] tells how it went on")
    if answer["state"] == "open":
        n = answer["number"]
        out.print(f"Next: [bold]{escape(program(f'ack {n}'))}[/] says that you look after it")


def line_of(entry: Answer) -> str:
    """A line of the timeline; with the event time where that is another than when it was seen."""
    event = entry.get("event")
    apart = event is not None and abs(event - entry["at"]) >= 3600.0
    return f"{entry['text']} [{moment(event)}]" if apart else str(entry["text"])


def ack(
    reference: Reference,
    why: Annotated[str, typer.Option(help="what you make of it")] = "",
    as_json: Json = False,
) -> None:
    """You look after it.

    No reminders and no escalation until it gets worse; its end is told. Under your name in the audit log.
    """
    show(project().ack(reference, why), as_json, tell_done)


def assign(
    reference: Reference,
    who: Annotated[str, typer.Argument(help="who is to look after it")],
    as_json: Json = False,
) -> None:
    """Say whose it is to look after."""
    show(project().assign(reference, who), as_json, tell_done)


def comment(
    reference: Reference,
    text: Annotated[str, typer.Argument(help="what is to be remembered")],
    as_json: Json = False,
) -> None:
    """Add a line to its timeline, also after it is over."""
    show(project().comment(reference, text), as_json, tell_done)


def snooze(
    reference: Reference,
    span: Annotated[str, typer.Argument(help="for how long, as 12h or 3d; off ends it")],
    why: Annotated[str, typer.Option(help="why it can wait")] = "",
    as_json: Json = False,
) -> None:
    """Be silent about it for some time, unless it gets critical."""
    show(project().snooze(reference, span, why), as_json, tell_done)


def expected(
    reference: Reference,
    why: Annotated[str, typer.Option(help="why this is how things are now")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="take it back")] = False,
    as_json: Json = False,
) -> None:
    """Mark it as expected: the new level is usual from then on.

    It stands beside the sealed reference, signed, until --undo or the next model; the seal stays as it is.
    """
    show(project().expected(reference, why, undo=undo), as_json, tell_expected)


def tell_expected(answer: Answer) -> None:
    out = console()
    tell_done(answer)
    what = [*answer["columns"], *answer["levels"]]
    if answer["state"] == "expected":
        out.print(f"usual from {moment(answer['since'])} UTC: {escape(', '.join(what))}")
    if answer["stays"]:
        out.print(f"[yellow]still open[/]: {escape(', '.join(answer['stays']))}, which is no level of inputs")


def tell_done(answer: Answer) -> None:
    who = f", {escape(answer['assignee'])} looks after it" if answer["assignee"] else ""
    console().print(f"[bold]#{answer['number']}[/] {escape(state_of(answer))}{who}: {escape(answer['title'])}")
