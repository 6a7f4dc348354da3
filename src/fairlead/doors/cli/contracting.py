"""`fairlead contract`: what people expect of the rows, and whether rows keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, Steps, console, escape, moment, number, program, project, show, table

Answer = dict[str, Any]
contract = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
SHOWN = 40


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs, below one of their own."""
    app.add_typer(contract, name="contract")


@contract.callback()
def about() -> None:
    """The data contract: what people expect of the rows, in a file.

    [monitor] contract names it; then every window is held to it, and the server refuses or counts rows that break it.
    """


@contract.command()
def init(
    bundle: Annotated[str | None, typer.Option(help="bundle, version or alias to begin from; else the latest")] = None,
    force: Annotated[bool, typer.Option("--force", help="write over the file that is there")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented contract from what a model was trained on.

    Ranges get room, categories are closed, columns without gaps may have none. Read it and make it yours.
    """
    show(project().contract_init(bundle=bundle, force=force), as_json, tell_init)


def tell_init(answer: Answer) -> None:
    out = console()
    out.print(f"[bold]{escape(answer['contract'])}[/]: {answer['columns']} columns, version {answer['version']}")
    if not answer["named_in_settings"]:
        out.print(escape(f'Put this under [monitor] in fairlead.toml: contract = "{Path(answer["contract"]).name}"'))
    out.print(f"Next: read it, then [bold]{escape(program('contract check TABLE'))}[/]")


@contract.command()
def check(
    data: Annotated[str | None, typer.Argument(help="a table; without it the newest records")] = None,
    last: Annotated[int, typer.Option(help="without a table: how many records")] = 10_000,
    file: Annotated[Path | None, typer.Option(help="a contract; else as [monitor] contract says")] = None,
    as_json: Json = False,
) -> None:
    """Ask whether a table, or the newest records, keep the contract.

    Exit 3 where they break it: a line for a pipeline before training. Changes nothing.
    """
    with Steps() as steps:
        steps("reading the rows", done=0.0)
        answer = project().contract_check(data, last=last, file=file)
    show(answer, as_json, tell_check)
    if not answer["kept"]:
        raise typer.Exit(3)


def tell_check(answer: Answer) -> None:
    out = console()
    word = "[green]kept[/]" if answer["kept"] else f"[red]broken[/] by {len(answer['breaches'])} rules"
    what = f"{escape(answer['source'])}, {answer['rows']:,} rows"
    out.print(f"contract [bold]{escape(answer['version'])}[/]: {word} ({what})")
    rows = [
        (b["rule"], b["message"].removeprefix(f"{', '.join(b['columns'])}: "), place(b))
        for b in answer["breaches"][:SHOWN]
    ]
    if rows:
        table("", ("rule", "what", "first"), rows, wraps=("what",))
    if left := len(answer["breaches"]) - len(rows):
        out.print(f"and {left} more: --json shows them")
    if answer["not_seen"]:
        out.print(f"[dim]not among the rows: {escape(', '.join(answer['not_seen'][:10]))}[/]")


def place(breach: Answer) -> str:
    """Where it was first seen: by time, else by row."""
    if breach.get("first") is not None:
        return moment(breach["first"])
    row = breach.get("first_row")
    return "-" if row is None else f"row {number(row)}"
