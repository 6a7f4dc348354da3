"""`fairlead drift`: how far rows have moved, from a table, a model or what was answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.doors.cli.engines import Connect, EngineName, Master
from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, number, show, table

Answer = dict[str, Any]
SHOWN = 30


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(drift)


def drift(
    data: Annotated[str, typer.Argument(help="a table; or `records`: what was answered")],
    against: Annotated[
        str | None,
        typer.Option(help="a table, a bundle (folder, id, version, alias) or `records`; else the model that answers"),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write the report as a page that opens offline")] = None,
    no_scores: Annotated[
        bool, typer.Option("--no-scores", help="against a bundle: do not ask the model for scores and decisions")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 3 where something moved")] = False,
    engine: EngineName = "",
    master: Master = "",
    connect: Connect = "",
    as_json: Json = False,
) -> None:
    """How far rows have moved from a training, or another table.

    Every column, correlations, scores and decisions, each with its size, its doubt and whether chance or everyday
    variation explain it. Changes nothing, and works outside a project, too, with --against.
    """
    from fairlead.doors.python.drifting import drift as look

    with Steps() as steps:
        answer = look(
            chosen.folder, data, against=against, html=html, scores=not no_scores, progress=steps,
            engine=engine, master=master, connect=connect,
        )  # fmt: skip
    show(answer, as_json, tell)
    if strict and answer["moved"]:
        raise typer.Exit(3)


def tell(answer: Answer) -> None:
    """The report for people: what moved first."""
    out = console()
    out.print(
        f"[bold]{escape(answer['source'])}[/] ({answer['rows']:,} rows) against "
        f"[bold]{escape(answer['reference'])}[/] ({answer['reference_rows']:,} rows)"
    )
    out.print(f"[{'red' if answer['moved'] else 'green'}]{escape(answer['headline'])}[/]")
    if answer["decisions"]:
        rows = [
            (r["decision"], f"{r['before']:.1%}", f"{r['now']:.1%}", points(r), "moved" if r["moved"] else "")
            for r in answer["decisions"]
        ]
        table("Decisions", ("decision", "before", "now", "difference", ""), rows)
    for title, found in (("Scores", answer["scores"]), ("Columns", answer["columns"])):
        if found:
            heads = ("", "column", "distance", "usual", "p", "what")
            table(title, heads, [line(m) for m in found[:SHOWN]], wraps=("what",))
        if len(found) > SHOWN:
            out.print(f"[dim]and {len(found) - SHOWN} more, which moved less: --json or --html FILE shows them[/]")
    if answer["together"]:
        tell_together(answer["together"])
    pairs = [p for p in answer["pairs"] if p["moved"]]
    if pairs:
        told = [(f"{p['one']}, {p['two']}", f"{p['before']:+.2f}", f"{p['now']:+.2f}", p["p_joint"]) for p in pairs]
        table("Correlations that moved", ("columns", "before", "now", "p"), told, wraps=("columns",))
    for names, why in ((answer["lacking"], "only the reference has"), (answer["surplus"], "the reference lacks")):
        if names:
            out.print(f"[dim]{why}: {escape(', '.join(names[:10]))}{', ...' if len(names) > 10 else ''}[/]")
    for name, why in answer["left_out"].items():
        out.print(f"[dim]not compared: {escape(name)}, because {escape(why)}[/]")
    for note in answer["notes"]:
        out.print(f"[dim]{escape(note)}[/]")
    if answer.get("html"):
        out.print(f"page: {escape(answer['html'])}")


def tell_together(found: Answer) -> None:
    """What all columns show together, in one sentence with its doubt."""
    usual = "" if found["usual"] is None else f", usually {found['usual']:.2f}"
    console().print(
        f"[bold]All columns together[/]{': [red]moved[/]' if found['moved'] else ''}: {escape(found['says'])} "
        f"[dim](AUC {found['auc']:.3f} \\[{found['low']:.3f}, {found['high']:.3f}]{usual}, "
        f"p {number(found['p'])}, {found['rows']:,} rows against {found['other_rows']:,})[/]"
    )


def line(moved: Answer) -> tuple[str, ...]:
    """One column of the report."""
    usual = "-" if moved["usual"] is None else f"{moved['usual']:.3f}"
    mark = "moved" if moved["moved"] else ""
    return mark, moved["name"], f"{moved['distance']:.3f}", usual, number(moved["p_joint"]), moved["says"]


def points(rate: Answer) -> str:
    """A difference of shares with its interval, in points of a hundred."""
    apart = 100 * (rate["now"] - rate["before"])
    return f"{apart:+.1f} [{100 * rate['low']:+.1f}, {100 * rate['high']:+.1f}] points"
