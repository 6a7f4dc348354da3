"""`fairlead forget`: one person's rows, erased."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, project, show

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(forget)


def forget(
    key: Annotated[str, typer.Argument(help="whose rows: a value of the id column")],
    column: Annotated[str | None, typer.Option(help="another column to find the rows by")] = None,
    request: Annotated[bool, typer.Option("--request", help="KEY is a request id")] = False,
    every_model: Annotated[bool, typer.Option("--every-model", help="in all models of the home")] = False,
    wait: Annotated[float, typer.Option(help="seconds to wait for segments that are being written to")] = 30.0,
    as_json: Json = False,
) -> None:
    """Erase one person's rows from records, labels and copies.

    Lines set aside go, too, and copies of fetched tables. Leaves a tombstone in the audit log: a hash and counts. Exit
    code 4: not done yet, the collector goes on with it.
    """
    answer = project().forget(key, column=column, request=request, every_model=every_model, wait_s=wait)
    show(answer, as_json, tell)
    raise typer.Exit(0 if answer["done"] else 4)


def tell(answer: Answer) -> None:
    out = console()
    if answer["done"]:
        out.print(f"erased {answer['records']:,} records and {answer['labels']:,} labels in {answer['files']:,} files")
    elif answer["store_waits"]:
        out.print(f"erased {answer['records']:,} records and {answer['labels']:,} labels here")
        out.print(f"[yellow]not done yet[/] in the store: {escape(answer['store_waits'])}; ask again")
    else:
        waits = ", ".join(answer["waits_for"]) or "the collector"
        out.print(f"[yellow]not done yet[/]: waiting for {escape(waits)}; the collector goes on, or ask again")
    if answer["lines_set_aside"]:
        out.print(f"erased {answer['lines_set_aside']:,} lines that had been set aside")
    if answer["fetched_copies"]:
        out.print(f"let go of {answer['fetched_copies']:,} copies of tables of stores, which are fetched again")
    if answer["other_homes"]:
        said = escape(", ".join(answer["other_homes"]))
        out.print(f"[yellow]ask in their homes, too[/]: rows came from {said}, which may have sent them again")
    for table in answer["tables"]:
        out.print(f"[yellow]still there[/]: {table['rows']:,} rows in training table {table['table'][:12]}")
    for name in answer["unreadable"]:
        out.print(f"[yellow]cannot be read[/]: segment {escape(name)} may hold such rows")
    out.print(f"[dim]{escape(answer['stays'])}[/]")
