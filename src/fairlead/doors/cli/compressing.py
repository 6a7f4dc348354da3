"""The verb `compress`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, Steps, console, escape, number, program, project, show, table

REFUSED = 3
GOOD = "small enough a loss"
MOST_GOOD, MOST_TOLD = 8, 14
"""Lines about what was tried."""
FIGURES = (
    ("bytes", "bytes", "bytes of the model"),
    ("memory", "memory_mb", "memory, MiB"),
    ("latency", "row_us", "one row, µs"),
    ("cpu", "cpu_s_per_million", "CPU seconds a million rows"),
)


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(compress)


def compress(
    version: Annotated[str | None, typer.Argument(help="version, alias or bundle; else the latest trained")] = None,
    max_loss: Annotated[float, typer.Option(min=0.0, max=1.0, help="mean loss it may cost, from 0 to 1")] = 0.002,
    seconds: Annotated[float, typer.Option(min=1.0, help="time for the search")] = 300.0,
    only: Annotated[
        str,
        typer.Option(help="ways to try: trees,prune,narrow,distil,quantise,features, or one alone"),
    ] = "",
    data: Annotated[str | None, typer.Option(help="rows instead of those that were kept")] = None,
    as_json: Json = False,
) -> None:
    """Seal a smaller model, hardly worse, with a certificate.

    Fewer trees and leaves, pruned trees, networks with fewer neurons, with weights of eight bits or mostly zeros,
    features that have no effect, small models that learn the large one's answers, and what comes of joining these are
    judged out of fold. What is sealed gets a signed certificate: what it costs, and what it gains. Exit 3 when nothing
    is smaller at that cost. A search that ended early goes on when it is asked again.
    """
    words = tuple(word.strip() for word in only.split(",") if word.strip())
    with Steps() as steps:
        answer = project().compress(version, max_loss=max_loss, seconds=seconds, only=words, data=data, progress=steps)
    show(answer, as_json, tell)
    if answer["smaller"] is None:
        raise typer.Exit(REFUSED)


def ranged(certificate: dict[str, Any], name: str) -> str:
    """The quartiles of what is left, round by round."""
    found = certificate["spread"].get(name)
    return "" if found is None else f"{found[0]:.0%} to {found[1]:.0%}"


def told_of(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is worth a line: what was chosen, the smallest that would do, and of each way the mildest that would not."""
    good = sorted((one for one in tried if one["why"] == GOOD), key=lambda one: (not one["chosen"], one["bytes"]))
    bad = {one["way"]: one for one in reversed(tried) if one["why"] != GOOD}
    return [*good[:MOST_GOOD], *reversed(bad.values())][:MOST_TOLD]


def tell(answer: dict[str, Any]) -> None:
    """What was tried, what was chosen, what it costs and gains."""
    rows = []
    for one in told_of(answer["tried"]):
        lost = one["difference"]
        told = "-" if lost is None else f"{lost['value']:+.4f} ({lost['low']:+.4f} to {lost['high']:+.4f})"
        rows.append((one["what"], told, one["bytes"] or "-", "chosen" if one["chosen"] else one["why"]))
    table("Tried, judged out of fold", ("what", "loss", "bytes", ""), rows, wraps=("what", ""))
    out = console()
    if left := len(answer["tried"]) - len(rows):
        out.print(f"[dim]and {left} more, which --json and the page list[/]")
    certificate = answer["certificate"]
    if certificate is None:
        out.print(f"[yellow]nothing smaller[/]: {escape(answer['why'])}")
        return
    before, after, share = certificate["before"], certificate["after"], certificate["share"]
    figures = [
        (text, before[key], after[key], f"{share[name]:.0%}", ranged(certificate, name)) for name, key, text in FIGURES
    ]
    table("Measured side by side", ("", "before", "after", "left", "half of the rounds"), figures)
    cost = certificate["cost"]
    lost = cost["difference"]
    flipped = "" if cost["flipped"] is None else f"; {cost['flipped']:.1%} of decisions differ"
    out.print(
        f"costs {lost['value']:+.4f} ({lost['low']:+.4f} to {lost['high']:+.4f}) of mean loss on "
        f"{number(cost['rows'])} rows that neither model saw{flipped}"
    )
    out.print(f"[bold]{escape(certificate['what'])}[/] sealed as [bold]{answer['smaller'][:12]}[/]")
    if certificate["unread"]:
        out.print(f"[dim]it takes and no longer reads: {escape(', '.join(certificate['unread']))}[/]")
    out.print(f"[dim]{escape(answer['report'])}[/]")
    out.print(f"Next: [bold]{escape(program('evaluate'))}[/]")
