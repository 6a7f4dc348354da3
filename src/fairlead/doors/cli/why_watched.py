"""`fairlead watch --explain`: each check and column beside its limit, in words and one table a window."""

from __future__ import annotations

from typing import Any

from fairlead.doors.cli.output import console, escape, moment, number, program, table

Answer = dict[str, Any]
MOST_LINES = 15
SHIFT = "shift"
USUAL = "within everyday variation"


def tell_why(answer: Answer) -> None:
    """Print it."""
    out = console()
    if not answer["windows"]:
        out.print(
            f"no window was looked at yet: [bold]{escape(program('watch --once'))}[/] looks at those that are due"
        )
        return
    budget = answer["budget"]
    a_month = f"{budget['false_alarms_per_month']:g} false alarm{'s' * (budget['false_alarms_per_month'] != 1)} a month"
    out.print(
        f"{answer['model']}: windows of {escape(answer['window'])}, budget of {a_month} for all checks; "
        f"{budget['alarms_in_30_days']} began in the newest 30 days"
    )
    for window in answer["windows"]:
        tell_window(window)


def tell_window(window: Answer) -> None:
    """One window: what spoke first, then what came nearest to its limit."""
    out = console()
    open_still = " (still open: an early look)" if window["state"] == "open" else ""
    out.print(
        f"\n[bold]window {window['index']}[/]: {moment(window['start'])} to {moment(window['end'])}, "
        f"{window['rows']:,} rows{open_still}"
    )
    out.print(escape(window["calibration"]))
    lines = [line for line in window["lines"] if line["check"] != SHIFT]
    kinds = [line["why"] for line in window["lines"] if line["check"] == SHIFT]
    shown = [line for line in lines if line["speaks"] or line["value"]][:MOST_LINES]
    heads = ["check", "of", "value", "limit", "usual", "", "why"]
    rows = [
        [
            line["check"], line["key"], number(line["value"]), number(line["limit"]), number(line["usual"]),
            said(line), short(line),
        ]
        for line in shown
    ]  # fmt: skip
    if rows:
        table("", heads, rows)
    left = len(lines) - len(shown) + window["left_out"]
    for kind in kinds:
        out.print(f"Kind of shift: {escape(kind)}.")
    if left > 0:
        out.print(f"and {left} more, further from their limits (--json has {len(lines)} of them with all reasons)")
    seasons = {line["against"] for line in lines if line.get("against")}
    if seasons:
        out.print(f"Compared with {escape(' and '.join(sorted(seasons)))}.")


def said(line: Answer) -> str:
    """Whether it spoke."""
    if not line["speaks"]:
        return "silent"
    return "told" if line.get("provisional") else "spoke"


def short(line: Answer) -> str:
    """The reason without what the table's other columns say."""
    why = str(line["why"])
    return "everyday variation" if why.startswith(USUAL) else escape(why)
