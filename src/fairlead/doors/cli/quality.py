"""`fairlead quality`: what is wrong with a table, and what fairlead.toml can do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.doors.cli.engines import Connect, EngineName, Master
from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, show, table

Answer = dict[str, Any]
COLOUR = {"problem": "red", "warning": "yellow", "note": "cyan"}
SHOWN = 40


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(quality)


def quality(
    data: Annotated[str | None, typer.Argument(help="a table; without it [data] train of the project")] = None,
    against: Annotated[
        str | None, typer.Option(help="does DATA stand for this table? or `records`: for what was answered")
    ] = None,
    suspects: Annotated[
        bool,
        typer.Option("--suspects", help="also rows whose labels or blocks look wrong; takes longer"),
    ] = False,
    target: Annotated[str, typer.Option(help="the column to predict; else as the project says")] = "",
    id: Annotated[str, typer.Option(help="row key; else as the project says")] = "",
    time: Annotated[list[str] | None, typer.Option(help="event time; twice for a date and an hour")] = None,
    out: Annotated[Path | None, typer.Option(help="with --suspects: write the rows here, .csv or .parquet")] = None,
    html: Annotated[Path | None, typer.Option(help="write the report as a page that opens offline")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit 3 where a problem was found")] = False,
    engine: EngineName = "",
    master: Master = "",
    connect: Connect = "",
    as_json: Json = False,
) -> None:
    """Say what is wrong with a table, and what to do about it.

    Missing cells, duplicates, outliers, leaks and more, each with lines for fairlead.toml. Changes nothing, and works
    outside a project, too, where a table is named.
    """
    from fairlead.doors.python.engines import engine_of_folder
    from fairlead.doors.python.quality import quality as look

    wanted = engine_of_folder(chosen.folder, engine, master, connect)

    with Steps() as steps:
        answer = look(
            chosen.folder, data, against=against, suspects=suspects, target=target, id=id, time=tuple(time or ()),
            out=out, html=html, progress=steps, engine=wanted,
        )  # fmt: skip
    show(answer, as_json, tell)
    if strict and any(i["severity"] == "problem" for i in answer["issues"]):
        raise typer.Exit(3)


def tell(answer: Answer) -> None:
    out = console()
    what = f"{answer['rows']:,} rows, {answer['columns']} columns"
    counts = {s: sum(i["severity"] == s for i in answer["issues"]) for s in COLOUR}
    told = ", ".join(f"[{COLOUR[s]}]{n} {s}{'s' if n > 1 else ''}[/]" for s, n in counts.items() if n)
    out.print(f"[bold]{escape(answer['source'] or 'table')}[/]: {what}; {told or '[green]nothing found[/]'}")
    if answer["sampled"] < answer["rows"]:
        out.print(f"[dim]quantiles and relations: from {answer['sampled']:,} rows all over the table[/]")
    rows = [
        (i["severity"], i["check"], i.get("column", "") or "-", i["says"], places(i)) for i in answer["issues"][:SHOWN]
    ]
    if rows:
        table("", ("", "check", "column", "what", "rows"), rows, wraps=("what", "rows"))
    left = len(answer["issues"]) - len(rows) + sum(answer["more"].values())
    if left:
        out.print(f"and {left} more: --json or --html FILE shows them")
    for name, why in answer["unchecked"].items():
        out.print(f"[dim]not checked: {escape(name)}, because {escape(why)}[/]")
    if answer["toml"]:
        out.print("fairlead.toml can take this (read it first: nothing is changed by itself):\n")
        out.print(escape(answer["toml"]), end="")
    if found := answer.get("suspects"):
        tell_suspects(found)
    if answer.get("html"):
        out.print(f"page: {escape(answer['html'])}")


def tell_suspects(found: Answer) -> None:
    """The strongest rows, and where all of them went."""
    rows = [(s["row"], s.get("key", ""), s["check"], s["given"], s["suggested"], s["score"]) for s in found["suspects"]]
    if rows:
        title = f"Suspects, the strongest of {len(rows) + found['more']:,}"
        table(title, ("row", "key", "check", "given", "suggested", "score"), rows[:10])
    out = console()
    if "out" in found:
        out.print(f"{found['written']:,} lines written to {escape(found['out'])}: read it, keep what is wrong, and put")
        out.print(escape(f'exclude_rows = "{found["out"]}" under [data] to leave those rows out'))
    elif rows:
        out.print("--out suspects.csv writes all of them, for \\[data] exclude_rows")


def places(issue: Answer) -> str:
    """The first rows that show it."""
    rows = issue.get("rows", ())[:3]
    more = issue.get("count", 0) > len(rows)
    return ", ".join(map(str, rows)) + (", ..." if rows and more else "")
