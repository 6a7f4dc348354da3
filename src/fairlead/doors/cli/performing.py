"""Verbs about what a model reaches: performance."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, moment, number, project, show, table

Answer = dict[str, Any]
UNSURE = " unsure"


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.command()(performance)


def performance(
    last: Annotated[int, typer.Option(help="how many windows to show")] = 12,
    page: Annotated[bool, typer.Option("--page", help="also write a page with plots, to open offline")] = False,
    as_json: Json = False,
) -> None:
    """How well the model does: before labels, and with them.

    Estimates of windows whose labels are not there yet, what labels showed, how good the estimates were, and what each
    version promised in development beside what it reached live.
    """
    show(project().performance(last, page=page), as_json, tell_performance)


def tell_performance(answer: Answer) -> None:
    out = console()
    metric = answer["metric"]
    if not answer["windows"]:
        out.print("no window has been closed yet: `fairlead watch --once` looks at what was answered")
        return
    rows = [_line(window, metric) for window in answer["windows"]]
    heads = ("window (UTC)", "version", "rows", "labels", "estimated", "with labels", "how it is known")
    table(f"{metric} by window", heads, rows, wraps=heads[-3:])
    if any(window["unsure"] for window in answer["windows"]):
        out.print("unsure: rows unlike those held out; rely on neither estimate nor interval")
    record = answer["record"].get(metric)
    if record:
        out.print(
            f"estimates so far: off by {number(record['mean_absolute_error'])} on average "
            f"({record['mean_error']:+.4f}), {record['covered']:.0%} of {record['windows']} intervals held what labels "
            "showed (95 % is promised)"
        )
    tell_versions(answer, metric)
    out.print(escape(f"Note: {answer['assumes']}."))
    if answer["report"]:
        out.print(f"page: {escape(answer['report'])}")


def _line(window: Answer, metric: str) -> tuple[Any, ...]:
    shown = window["revised"][-1]["metrics"] if window["revised"] else window["realised"]
    labels = f"{window['labelled']:,}" + (f" + {window['late_labels']:,} late" if window["late_labels"] else "")
    told = shown.get(metric) or shown.get("loss")
    how = window["how"] or "no labels yet"
    if shown and metric not in shown and told:
        how += ", of the loss"
    estimated = spread(window["estimated"].get(metric)) + UNSURE * window["unsure"]
    version = "-" if window["version"] is None else str(window["version"])
    return (moment(window["start"]), version, window["rows"], labels, estimated,
            spread(told), how)  # fmt: skip


def spread(value: Answer | None) -> str:
    """A figure with its interval."""
    if value is None:
        return "-"
    return f"{number(value['value'])} ({number(value['low'])} to {number(value['high'])})"


def tell_versions(answer: Answer, metric: str) -> None:
    """Development against live."""
    out = console()
    rows = [
        (
            str(version["version"] or version["bundle"][:12]), spread(version["offline"].get(metric)),
            spread(version["live"].get(metric)), version["rows"], "shadow" if version["shadow"] else "answered",
        )
        for version in answer["versions"]
    ]  # fmt: skip
    if not rows:
        return
    heads = ("version", "in its report", "live", "labelled rows", "how")
    table(f"{metric} of each version", heads, rows, wraps=heads[1:3])
    told = answer["correlation"].get(metric)
    if told is None:
        return
    sure = "" if told["low"] is None else f" ({told['low']:+.2f} to {told['high']:+.2f})"
    out.print(
        f"over {told['versions']} versions, reports and live agree with r = {told['pearson']:+.2f}{sure}, "
        f"ranks {told['spearman']:+.2f}; live is {told['mean_gap']:+.4f} on average"
    )
