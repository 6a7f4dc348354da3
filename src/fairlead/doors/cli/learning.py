"""The verb that learns label by label: learn."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, Steps, console, escape, number, project, show

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.command()(learn)


def learn(
    once: Annotated[bool, typer.Option("--once", help="what has come until now, then end")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between passes")] = 5.0,
    anew: Annotated[bool, typer.Option("--anew", help="forget what was learned, begin with the table")] = False,
    as_json: Json = False,
) -> None:
    """Learn label by label from what is served, as labels come.

    What was learned is sealed now and then ([retrain] seal), judged, and tried like any version. With --once, exit 3
    when the gate refused the newest, 4 when inconclusive.
    """
    if not once:
        from fairlead.doors.cli.watching import only_once

        only_once(as_json, "with --once")
        follow(every, anew)
        return
    from fairlead.doors.cli.processes import stop_on_signal

    stop = stop_on_signal()
    with Steps() as steps:
        answer = project().learn(progress=steps, anew=anew, stop=stop.is_set)
    show(answer, as_json, tell)
    newest = answer["sealed"][-1]["verdict"] if answer["sealed"] else "pass"
    raise typer.Exit({"pass": 0, "fail": 3}.get(newest, 4))


def follow(every_s: float, anew: bool) -> None:
    """Pass after pass until stopped; a signal ends a pass once what it learned is written."""
    from fairlead.contract.errors import ConfigInvalid, FairleadError, MissingExtra
    from fairlead.doors.cli.processes import log, pause_after, stop_on_signal
    from fairlead.ops.flow.lifeline import die_with_parent
    from fairlead.ops.flow.online_state import require_able

    die_with_parent()
    stop, work, failures, told = stop_on_signal(), project(), 0, 0.0
    require_able(work.workspace)  # What no waiting mends is said at once.
    while not stop.is_set():
        try:
            answer = work.learn(anew=anew, stop=stop.is_set)
            failures, anew = 0, False
        except (ConfigInvalid, MissingExtra):
            raise
        except FairleadError as failure:
            failures += 1
            log(f"failed: {failure}")
        else:
            if any(answer[name] for name in ("learned", "sealed", "begun")) or time.monotonic() - told > 60:
                told = time.monotonic()
                for line in lines_of(answer):
                    log(line)
            if answer["left"]:
                continue
        stop.wait(pause_after(failures, every_s))


def lines_of(answer: Answer) -> list[str]:
    """A pass in words."""
    if answer["paused"]:
        return [f"nothing was taken: {answer['paused']}"]
    found = [f"{answer['learner']} begun anew: {answer['begun']}"] if answer["begun"] else []
    loss = "" if answer["loss"] is None else f", loss {answer['loss']:.3f} before they were learned"
    found.append(
        f"{number(answer['learned'])} labels taken, {number(answer['held'])} wait to judge by{loss}; "
        f"{number(answer['rows'])} rows learned in all"
    )
    odd = {"again": "told again", "other": "of another definition", "unknown": "of no known class",
           "waiting": "without a record yet", "left": "not taken yet"}  # fmt: skip
    aside = ", ".join(f"{number(answer[name])} {word}" for name, word in odd.items() if answer[name])
    found += [aside] if aside else []
    for one in answer["sealed"]:
        passed = f"version {one['version']}" if one["version"] else one["why"]
        found.append(f"sealed {one['bundle'][:12]} after {number(one['rows'])} rows: {one['verdict']}, {passed}")
    if answer["waits_for"]:
        found.append(answer["waits_for"])
    return found


def tell(answer: Answer) -> None:
    for line in lines_of(answer):
        console().print(escape(line))
