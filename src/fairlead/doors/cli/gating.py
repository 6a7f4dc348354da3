"""`fairlead waive` and `fairlead approve`: people who answer for a bundle, by name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, program, project, show

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (waive, approve):
        app.command()(verb)


def waive(
    bundle: Annotated[str, typer.Argument(help="bundle, version or alias")],
    check: Annotated[str, typer.Argument(help="the check that holds it back, as `fairlead evaluate` names it")],
    reason: Annotated[str, typer.Option(help="why it may pass all the same")],
    by: Annotated[str, typer.Option(help="who answers for it")],
    until: Annotated[str, typer.Option(help="last day on which the waiver holds, as 2027-01-31; at most a year")],
    as_json: Json = False,
) -> None:
    """Let one check of one bundle pass until a date.

    Signed and in the audit log. Deploying honours exactly this check, while it is no worse than it is now.
    """
    show(project().waive(bundle, check, by=by, reason=reason, until=until), as_json, tell_waive)


def tell_waive(answer: Answer) -> None:
    out = console()
    out.print(f"[bold]{escape(answer['check'])}[/] waived by {escape(answer['by'])} until {answer['until']}")
    out.print(f"it was {answer['waived']['verdict']}: {escape(answer['waived']['why'])}")
    if answer["held_back_by"]:
        out.print(f"[yellow]still held back[/] by {escape(', '.join(answer['held_back_by']))}")
    else:
        out.print(f"Next: [bold]{escape(program('deploy'))}[/]")


def approve(
    version: Annotated[str, typer.Argument(help="version, alias or bundle")],
    by: Annotated[str, typer.Option(help="who approves")],
    reason: Annotated[str, typer.Option(help="what the approval rests on")] = "",
    as_json: Json = False,
) -> None:
    """Say yes to a judged version, by name.

    [gate] approvals says whose yes a deployment needs. Signed and in the audit log; judged anew, it is asked anew.
    """
    show(project().approve(version, by=by, reason=reason), as_json, tell_approve)


def tell_approve(answer: Answer) -> None:
    out = console()
    out.print(f"[bold]{answer['bundle'][:12]}[/] approved by {escape(answer['by'])}")
    if answer["missing"]:
        out.print(f"[yellow]still missing[/]: {escape(', '.join(answer['missing']))}")
    if answer["verdict"] != "pass":
        out.print(f"[yellow]look[/]: its verdict is {answer['verdict']}, which an approval does not change")
