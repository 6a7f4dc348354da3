"""Verbs that look and change nothing: inspect, config, audit, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import NotAProject
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
    """What is in a bundle, who sealed it, does it verify.

    Never executes it. Exit 3 when it does not verify. A folder can be looked at outside a project, too.
    """
    answer = inspected(bundle)
    show(answer, as_json, tell_inspect)
    raise typer.Exit(0 if answer["seal"]["verified"] else 3)


def inspected(bundle: str | None) -> Answer:
    """By the project's keys; a folder outside any project by the keys it claims."""
    try:
        return project().inspect(bundle)
    except NotAProject:
        if bundle is None or not Path(bundle).is_dir():
            raise
        from fairlead.doors.python.looking import inspect_folder

        return inspect_folder(Path(bundle))


def tell_inspect(answer: Answer) -> None:
    out = console()
    seal = answer["seal"]
    out.print(f"[bold]{answer['bundle'] or 'no manifest'}[/]")
    word = "[green]verified[/]" if seal["verified"] else f"[red]refused[/]: {escape(str(seal.get('reason', '')))}"
    out.print(f"seal {word}")
    alone = ", by its own word: no project says whom to trust" if seal.get("own_word") else ""
    out.print(f"signer {seal.get('signer') or 'nobody'}{alone}")
    if not seal["verified"]:
        return
    if answer.get("signature"):
        columns = [(c["name"], kind(c), limits(c)) for c in answer["signature"].get("columns", [])]
        table("Columns", ("column", "kind", "seen in training"), columns)
    table("Contents", ("file", "bytes"), answer["contents"].items())
    for attestation in answer["attestations"]:
        out.print(
            f"{attestation['kind']} by {escape(attestation['by'])} at {moment(attestation['at'])} UTC: "
            f"{escape(stated(attestation))}"
        )


def stated(attestation: Answer) -> str:
    """What an attestation says, in a few words."""
    told = attestation["statement"]
    if attestation["kind"] == "waiver":
        return f"{told['check']} waived by {told['by']} until {moment(told['until'])}: {told['reason']}"
    if attestation["kind"] == "approval":
        return f"approved by {told['by']}" + (f": {told['reason']}" if told.get("reason") else "")
    return str(told.get("outcome", ""))


def kind(column: Answer) -> str:
    return f"{column['dtype']} {list(column['shape'])}" if column["kind"] == "tensor" else str(column["kind"])


def limits(column: Answer) -> str:
    if column.get("categories"):
        shown = ", ".join(column["categories"][:6])
        return shown + (", ..." if len(column["categories"]) > 6 else "")
    if column.get("low") is not None:
        said = moment if column["kind"] == "time" else number
        return f"{said(column['low'])} to {said(column['high'])}" + (" UTC" if column["kind"] == "time" else "")
    return ""


def config(as_json: Json = False) -> None:
    """The effective configuration and where each value comes from."""
    show(project().config(), as_json, tell_config)


def tell_config(answer: Answer) -> None:
    rows = [(name, setting(entry["value"]), entry["from"]) for name, entry in answer["settings"].items()]
    table(answer["file"], ("setting", "value", "from"), rows, wraps=("value",))
    console().print(f"home: {escape(answer['home'])}")


def setting(value: Any) -> str:
    """A value as one would write it in fairlead.toml; "-" when there is none."""
    if value is None or value == "" or value == {}:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {setting(one)}" for name, one in value.items())
    return json.dumps(value, ensure_ascii=False)


def audit(last: Annotated[int, typer.Option(help="how many events to show")] = 20, as_json: Json = False) -> None:
    """Verify the audit chain; what was done, by whom and why."""
    answer = project().audit(last)
    show(answer, as_json, tell_audit)
    raise typer.Exit(0 if answer["ok"] else 1)


def tell_audit(answer: Answer) -> None:
    rows = [
        (e["sequence"], moment(e["at"]), e["actor"], e["action"], e["subject"][:12], e["why"]) for e in answer["newest"]
    ]
    table("", ("#", "when (UTC)", "who", "what", "on", "why"), rows, wraps=("what", "why"))
    word = "[green]verifies[/]" if answer["ok"] else f"[red]broken[/]: {escape(str(answer.get('why')))}"
    console().print(f"{answer['events']:,} events, chain {word}")


def doctor(as_json: Json = False) -> None:
    """Look for what is wrong; each complaint has its cure.

    Reconciles what was captured with what was answered. Exit 1 when something is wrong.
    """
    answer = project().doctor()
    show(answer, as_json, tell_doctor)
    raise typer.Exit(0 if answer["verdict"] == "pass" else 1)


def tell_doctor(answer: Answer) -> None:
    out = console()
    for check in answer["checks"]:
        colour = {"pass": "green", "fail": "red"}.get(check["verdict"], "yellow")
        value = check["value"]
        said = "" if value is None or value == "" else f" ({value:,})" if isinstance(value, int) else f" ({value})"
        head = f"[{colour}]{check['verdict']}[/] [bold]{escape(check['name'])}[/]{escape(said)}"
        out.print(f"{head}: {escape(check['why'])}")
    console().print(f"verdict: {answer['verdict']}")
