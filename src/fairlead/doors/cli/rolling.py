"""Verbs about versions on trial: how they stand, for CI and for people; the report of a pilot."""

from __future__ import annotations

from typing import Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, project, show

Answer = dict[str, Any]
EXIT = {"pass": 0, "fail": 3}


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (analysis, pilot):
        app.command()(verb)


def analysis(as_json: Json = False) -> None:
    """How the rollout stands: exit 0 pass, 3 fail, 4 inconclusive.

    For a step of CI, and for what cannot reach the server's GET /analysis.
    """
    answer = project().analysis()
    show(answer, as_json, tell_analysis)
    raise typer.Exit(EXIT.get(answer["verdict"], 4))


def tell_analysis(answer: Answer) -> None:
    out = console()
    about = f" version {answer['version']}" if answer["version"] else ""
    mode = f" ({answer['mode']}, {answer['share']:.0%})" if answer["mode"] and answer["state"] == "running" else ""
    out.print(f"{answer['model']}{about}{mode}: [bold]{answer['verdict']}[/], {answer['n']:,} rows")
    out.print(escape(answer["why"]))
    for name, stands in answer["guardrails"].items():
        out.print(f"  guardrail on {name}: {stands}")
    for version, verdict in answer["others"].items():
        out.print(f"  version {version}: {verdict}")


def pilot(as_json: Json = False) -> None:
    """The report of the pilot in progress, as it stands now."""
    show(project().pilot_report(), as_json, tell_pilot)


def tell_pilot(answer: Answer) -> None:
    out = console()
    out.print(
        f"pilot [bold]{escape(answer['pilot'])}[/] of version {answer['version']} until {moment(answer['until'])} UTC"
    )
    out.print(f"{answer['rows']:,} requests by its cohort ({answer['values']:,} values of {escape(answer['column'])})")
    out.print(escape(answer["found"]))
    out.print(escape(answer["recommendation"]))
    out.print(f"report: {escape(answer['report'])}")
