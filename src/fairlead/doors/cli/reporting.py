"""The verb `report`: a page about a window or an incident."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, project, show, table

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(report)


def report(
    window: Annotated[int | None, typer.Argument(help="number of a window; else the newest")] = None,
    incident: Annotated[str | None, typer.Option(help="number of an incident instead")] = None,
    out: Annotated[str | None, typer.Option(help="write it here instead of the home's reports")] = None,
    as_json: Json = False,
) -> None:
    """Write a page about a window or an incident, to look at.

    It opens offline; JSON with the same content lies beside it.
    """
    show(project().report(window, incident=incident, out=out), as_json, tell_report)


def tell_report(answer: Answer) -> None:
    out = console()
    if "view" in answer:
        incident = answer["view"]["incident"]
        out.print(f"incident #{incident['number']} ({incident['state']}): {escape(incident['title'])}")
    else:
        seen = answer["window"]
        out.print(f"window {seen['index']}, from {moment(seen['start'])} UTC, {seen.get('rows', 0):,} rows")
    out.print(f"[bold]{escape(answer['headline'])}[/]")
    findings = answer.get("findings") or answer.get("view", {}).get("findings", [])
    if findings:
        rows = [(f.get("severity", "warning"), f["area"].replace("_", " "), f["message"]) for f in findings]
        table("Findings", ("severity", "area", "what"), rows, wraps=("what",))
    out.print(f"page: {escape(answer['report'])}")
