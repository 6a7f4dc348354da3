"""Verbs that keep a model healthy: up, collect, watch, retrain, demo; rehearse has a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, program, project, show
from fairlead.doors.cli.rehearsing import rehearse

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (up, collect, watch, retrain, rehearse, demo):
        app.command()(verb)


def up(
    port: Annotated[int | None, typer.Option(help="port; 0 takes a free one")] = None,
    every: Annotated[float, typer.Option(help="seconds between passes of collector and watcher")] = 5.0,
) -> None:
    """All of it: train and deploy, serve, collect, watch.

    Trains and deploys only if nothing is deployed yet. Ctrl-C stops cleanly; the next `up` goes on where it was.
    """
    from fairlead.doors.cli.processes import run_up

    chosen.when_stopped = f"`{program('up')}` goes on where it was"
    run_up(port, every)


def only_once(as_json: bool, how: str) -> None:
    """What goes on until stopped has no one answer."""
    if as_json:
        raise UsageError(f"--json prints one object, so it goes {how}.")


def collect(
    follow: Annotated[bool, typer.Option("--follow", help="go on until stopped")] = False,
    every: Annotated[float, typer.Option(help="seconds between passes")] = 2.0,
    as_json: Json = False,
) -> None:
    """Bring captured requests and labels into Parquet."""
    if follow:
        only_once(as_json, "without --follow")
        from fairlead.doors.cli.processes import follow_collect

        follow_collect(every)
        return
    show(
        project().collect(),
        as_json,
        _say_collected,
    )


def _say_collected(answer: dict[str, Any]) -> None:
    console().print(f"{answer['records']:,} records and {answer['labels']:,} labels")
    if stored := answer.get("stored"):
        console().print(
            f"stores: {stored['bundles']:,} bundles and {stored['sent']:,} files sent, {stored['fetched']:,} fetched, "
            f"{stored['removed']:,} removed"
        )


def watch(
    once: Annotated[bool, typer.Option("--once", help="one pass, then end")] = False,
    every: Annotated[float, typer.Option(help="seconds between passes")] = 5.0,
    explain: Annotated[bool, typer.Option("--explain", help="why the newest windows alarmed or did not")] = False,
    last: Annotated[int, typer.Option(min=1, max=4, help="with --explain: how many windows")] = 1,
    as_json: Json = False,
) -> None:
    """Close due windows, find what is wrong, decide and act.

    With --explain nothing is done: per check and column of the newest windows, also of one still open, it says the
    value, its limit, what is usual, and why it spoke or was silent.
    """
    if explain:
        from fairlead.doors.cli.why_watched import tell_why

        show(project().watch_explained(last), as_json, tell_why)
        return
    if not once:
        only_once(as_json, "with --once")
        from fairlead.doors.cli.processes import follow_watch

        follow_watch(every)
        return
    show(project().watch(), as_json, tell_watch)


def tell_watch(answer: Answer) -> None:
    out = console()
    out.print(f"{len(answer['windows'])} windows looked at")
    for finding in answer["findings"]:
        out.print(f"[yellow]{finding['area']}[/]: {escape(finding['message'])}")
    for decision in answer["decisions"]:
        out.print(f"[bold]{decision['action']}[/]: {escape(decision['why'])}")


def retrain(as_json: Json = False) -> None:
    """A new candidate from records and labels.

    It goes through the gate to a canary. Exit 3 when the gate fails, 4 when inconclusive.
    """
    with Steps() as steps:
        answer = project().retrain(progress=steps)
    show(answer, as_json, tell_retrain)
    raise typer.Exit({"pass": 0, "fail": 3}.get(answer["verdict"], 4))


def tell_retrain(answer: Answer) -> None:
    out = console()
    out.print(f"{answer['candidate']} sealed as [bold]{answer['bundle'][:12]}[/], verdict {answer['verdict']}")
    for note in answer["notes"]:
        out.print(f"[yellow]not learned from[/]: {escape(note)}")
    if answer["waits_for"]:
        out.print(f"registered as version {answer['version']}; {escape(answer['waits_for'])}")
    elif answer["version"]:
        out.print(f"version {answer['version']} takes part as canary")
    else:
        out.print(f"report: {escape(answer['report'])}")


def demo(
    folder: Annotated[Path, typer.Option(help="where the story is played and left")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="a shorter story")] = False,
    as_json: Json = False,
) -> None:
    """The whole story on this machine, in about a minute.

    A bank's model is trained, sealed, judged and served; the world changes; it alarms, retrains, tries and promotes.
    """
    from fairlead.doors.cli.demo import run_demo

    run_demo(folder, quick=quick, as_json=as_json)
