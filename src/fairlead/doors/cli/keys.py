"""`fairlead keys`: who may ask the server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, project, show, table
from fairlead.doors.cli.serving import tell_confirmed

Answer = dict[str, Any]
keys = typer.Typer(rich_markup_mode=None)
Which = Annotated[str, typer.Argument(help="name of the key, or its id")]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs, below one of their own."""
    app.add_typer(keys, name="keys")


@keys.callback(invoke_without_command=True)
def keys_of_home(context: typer.Context, as_json: Json = False) -> None:
    """Who may ask the server: API keys.

    Without a command below: all of them, as `list` shows them.
    """
    if context.invoked_subcommand is None:
        list_keys(as_json)


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="who or what will use it")],
    model: Annotated[list[str] | None, typer.Option(help="a model it may ask; * for all; else the project's")] = None,
    verb: Annotated[
        list[str] | None, typer.Option(help="predict, feedback, explain, metrics, admin; else the first two")
    ] = None,
    purpose: Annotated[str, typer.Option(help="what its answers are used for; a model must be meant for it")] = "",
    days: Annotated[float, typer.Option(help="until it expires; 0: never")] = 90.0,
    rate: Annotated[float, typer.Option(help="requests a second; 0: without limit")] = 0.0,
    burst: Annotated[int, typer.Option(help="requests at once; 0: those of a second")] = 0,
    rows_per_day: Annotated[int, typer.Option(help="rows a day (UTC); 0: without limit")] = 0,
    digits: Annotated[int | None, typer.Option(help="decimals that probabilities are rounded to")] = None,
    label_only: Annotated[bool, typer.Option("--label-only", help="tell the label, not how likely it is")] = False,
    as_json: Json = False,
) -> None:
    """Make a key.

    It is shown once: what is kept is a hash of it. Running workers know it when this returns.
    """
    answer = project().keys.create(
        name,
        models=model or (),
        verbs=verb or (),
        purpose=purpose,
        days=days,
        rate=rate,
        burst=burst,
        rows_per_day=rows_per_day,
        digits=digits,
        label_only=label_only,
    )
    show(answer, as_json, tell_made)


@keys.command()
def rotate(
    name: Which,
    overlap: Annotated[str, typer.Option(help="how long the old key still holds, as 1d, 2h; 0s: not at all")] = "1d",
    as_json: Json = False,
) -> None:
    """Replace a key by a new one with the same rules.

    The old one holds for a while more, so that nobody who uses it is turned away meanwhile.
    """
    show(project().keys.rotate(name, overlap), as_json, tell_made)


@keys.command()
def revoke(
    name: Which,
    why: Annotated[str, typer.Option(help="why, for the audit log")] = "revoked by hand",
    as_json: Json = False,
) -> None:
    """End a key at once.

    Running workers have confirmed it when this returns.
    """
    show(project().keys.revoke(name, why), as_json, tell_revoked)


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """All keys: what each may do, until when."""
    show(project().keys.list(), as_json, tell_keys)


def tell_made(answer: Answer) -> None:
    out = console()
    out.print(escape(answer["key"]))
    out.print(f"[bold]{escape(answer['name'])}[/] ({answer['id']}): {escape(rules(answer))}. It is shown this once.")
    for warning in answer["warnings"]:
        out.print(f"warning: {escape(warning)}")
    tell_confirmed(answer)


def tell_revoked(answer: Answer) -> None:
    for one in answer["revoked"]:
        console().print(f"[bold]{escape(one['name'])}[/] ({one['id']}) opens nothing any more")
    tell_confirmed(answer)


def tell_keys(answer: Answer) -> None:
    rows = [(one["name"], one["id"], one["state"], moment(one["expires"]), rules(one)) for one in answer["keys"]]
    table("", ("name", "id", "state", "until (UTC)", "may"), rows, wraps=("may",))


def rules(key: Answer) -> str:
    """What a key may do, in one line."""
    said = [f"{', '.join(key['verbs'])} of {', '.join(key['models']).replace('*', 'every model')}"]
    if key["purpose"]:
        said.append(f"for {key['purpose']}")
    if key["rate_per_s"]:
        said.append(f"{key['rate_per_s']:g} requests a second")
    if key["rows_per_day"]:
        said.append(f"{key['rows_per_day']:,} rows a day")
    if key["label_only"]:
        said.append("labels alone")
    elif key["digits"] is not None:
        said.append(f"{key['digits']} decimals")
    return "; ".join(said)
