"""Verbs that look and change nothing: inspect, config, audit, doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, number, project, show, table

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (inspect, config, audit, doctor):
        app.command()(verb)


def inspect(
    bundle: Annotated[str | None, typer.Argument(help="folder, bundle, version or alias; else the latest")] = None,
    as_json: Json = False,
) -> None:
    """What is in a bundle, who sealed it, and whether it verifies; never executes it."""
    answer = project().inspect(bundle)
    show(answer, as_json, tell_inspect)
    raise typer.Exit(0 if answer["seal"]["verified"] else 3)


def tell_inspect(answer: Answer) -> None:
    out = console()
    seal = answer["seal"]
    out.print(f"[bold]{answer['bundle']}[/]")
    word = "[green]verified[/]" if seal["verified"] else f"[red]refused[/]: {escape(str(seal.get('reason', '')))}"
    out.print(f"seal {word}, signer {str(seal.get('signer'))[:16]}")
    if answer.get("signature"):
        columns = [(c["name"], c["kind"], limits(c)) for c in answer["signature"].get("columns", [])]
        table("Columns", ("column", "kind", "seen in training"), columns)
    files = [(name, size.get("bytes") if isinstance(size, dict) else size) for name, size in answer["contents"].items()]
    table("Contents", ("file", "bytes"), files)
    for attestation in answer["attestations"]:
        out.print(
            f"{attestation['kind']} by {escape(attestation['by'])} at {moment(attestation['at'])}: "
            f"{attestation['statement'].get('outcome', '')}"
        )


def limits(column: Answer) -> str:
    if column.get("categories"):
        shown = ", ".join(column["categories"][:6])
        return shown + (", ..." if len(column["categories"]) > 6 else "")
    if column.get("low") is not None:
        return f"{number(column['low'])} to {number(column['high'])}"
    return ""


def config(as_json: Json = False) -> None:
    """The effective configuration and where each value comes from."""
    show(project().config(), as_json, tell_config)


def tell_config(answer: Answer) -> None:
    rows = [(name, str(entry["value"]), entry["from"]) for name, entry in answer["settings"].items()]
    table(answer["file"], ("setting", "value", "from"), rows)


def audit(last: Annotated[int, typer.Option(help="how many events to show")] = 20, as_json: Json = False) -> None:
    """Verify the audit chain and show what was done, by whom and why."""
    answer = project().audit(last)
    show(answer, as_json, tell_audit)
    raise typer.Exit(0 if answer["ok"] else 1)


def tell_audit(answer: Answer) -> None:
    rows = [
        (e["sequence"], moment(e["at"]), e["actor"], e["action"], e["subject"][:24], e["why"]) for e in answer["newest"]
    ]
    table("", ("#", "when", "who", "what", "on", "why"), rows)
    word = "[green]verifies[/]" if answer["ok"] else f"[red]broken[/]: {escape(str(answer.get('why')))}"
    console().print(f"{answer['events']:,} events, chain {word}")


def doctor(as_json: Json = False) -> None:
    """Reconcile what was captured with what was answered, and look for what is wrong."""
    answer = project().doctor()
    show(answer, as_json, tell_doctor)
    raise typer.Exit(0 if answer["verdict"] == "pass" else 1)


def tell_doctor(answer: Answer) -> None:
    table(
        "",
        ("check", "verdict", "value", "why"),
        [(c["name"], c["verdict"], c["value"], c["why"]) for c in answer["checks"]],
    )
    console().print(f"verdict: {answer['verdict']}")
