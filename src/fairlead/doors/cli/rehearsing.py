"""The verb rehearse, and how its answer is told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, number, program, project, show, table

Answer = dict[str, Any]

TINY = 1e-12


def rehearse(
    data: Annotated[str | None, typer.Option(help="another history than [data] train")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="what to replay: never, always, recent, scheduled, performance, project, window:last:4, ..."),
    ] = None,
    windows: Annotated[bool, typer.Option("--windows", help="also the project with every choice of rows")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="put faults in at random times: what is found?")] = False,
    trials: Annotated[int, typer.Option(help="with --faults: how often each fault is put in", min=1, max=1000)] = 20,
    copies: Annotated[
        int, typer.Option(help="shuffled copies on which false alarms are counted; 0: none", min=0, max=1000)
    ] = 2,
    tune: Annotated[bool, typer.Option("--tune", help="search settings of learners, as a training does")] = False,
    jobs: Annotated[int, typer.Option(help="processes; the outcome is that of one", min=1, max=64)] = 1,
    write: Annotated[bool, typer.Option("--write", help="write the recommendation into fairlead.toml")] = False,
    as_json: Json = False,
) -> None:
    """Replay your history through the code that runs live.

    Is watching worth it for your data, and with which settings? Stopped, it goes on where it was. With --write it exits
    with 4 where the evidence decides nothing.
    """
    chosen.when_stopped = f"`{program('rehearse')}` goes on where it was"
    with Steps() as steps:
        answer = project().rehearse(
            data, tuple(policy or ()), progress=steps, windows=windows, faults=trials if faults else 0, tune=tune,
            jobs=jobs, write=write, copies=copies,
        )  # fmt: skip
    show(answer, as_json, tell_rehearse)
    recommended = answer["recommendation"]
    if write and (recommended is None or recommended["verdict"] == "inconclusive"):
        raise typer.Exit(4)


def tell_rehearse(answer: Answer) -> None:
    """The tables and sentences of a rehearsal."""
    tell_policies(answer)
    if answer["study"]:
        tell_faults(answer)
    for line in answer["summary"]:
        console().print(escape(line))
    tell_recommendation(answer)
    console().print(f"report: {escape(answer['report'])}")


def tell_policies(answer: Answer) -> None:
    """Quality, and what is paid for it."""
    beside = {d["name"]: d for d in answer["differences"]}
    rows = []
    for p in answer["policies"]:
        other = beside.get(p["name"])
        gain = f"{_signed(other['error'])}, {other['judged']}" if other else ""
        rows.append((
            p["name"], p["quality"]["value"], f"{number(p['quality']['low'])} to {number(p['quality']['high'])}", gain,
            p["retrains"], p["fits"], round(p["alerts_per_month"], 2), round(p["incidents_per_month"], 2),
            p["labels"],
        ))  # fmt: skip
    own = answer["differences"][0]["against"] if answer["differences"] else "project"
    heads = ("policy", answer["unit"], "95 % interval", f"better than {own} by", "retrains", "fits", "alarms",
             "incidents", "labels")  # fmt: skip
    table("Policies on your history (alarms and incidents: a month)", heads, rows)


def tell_faults(answer: Answer) -> None:
    """What was found of what was put in, and under other budgets."""
    rows = []
    for f in answer["study"]["faults"]:
        power = f["power"]
        share = f"{power['low']:.0%} to {power['high']:.0%}" if power else f["why"]
        first = ", ".join(f"{name} {count}" for name, count in list(f["by"].items())[:2])
        missed = ", ".join(f"{name} {count}" for name, count in list(f["missed"].items())[:2])
        found = f"{f['found']} of {f['trials']}" if f["trials"] else "not tried"
        rows.append((f["fault"], found, share, "" if f["days"] is None else round(f["days"], 1), first, missed))
    table(
        "Faults put in at random times",
        ("fault", "found", "95 % interval", "days (median)", "first by", "missed in"),
        rows,
    )
    quiet = answer["study"]["quiet"]
    rate = quiet["per_month"]
    console().print(
        f"Clean copies of your windows: {quiet['alarms']} alarms in {quiet['months']:.0f} months, {rate['value']:.2f} "
        f"a month [{rate['low']:.2f}, {rate['high']:.2f}]; the budget is {answer['study']['budget']:g}."
    )
    budgets = []
    for s in answer["sensitivity"]:
        power, error = s["power"], s["error"]
        budgets.append((
            s["budget"], f"{s['alarms']['value']:.2f} [{s['alarms']['low']:.2f}, {s['alarms']['high']:.2f}]",
            f"{power['value']:.0%}" if power else "", "" if s["days"] is None else round(s["days"], 1),
            number(error["value"]) if error else "",
        ))  # fmt: skip
    heads = ("budget", "false alarms/month", "faults found", "days (median)", answer["unit"])
    table("Other budgets of false alarms", heads, budgets)


def tell_recommendation(answer: Answer) -> None:
    """The settings that the evidence asks for, and what was written."""
    told = answer["recommendation"]
    if told is None:
        return
    console().print(f"[bold]Recommendation: {told['verdict']}[/]")
    for line in told["evidence"]:
        console().print(f"  {escape(line)}")
    if answer["diff"]:
        console().print(escape(answer["diff"].rstrip()))
    if answer["backup"]:
        console().print(f"written; the file of before is {escape(answer['backup'])}: copy it back to undo this")
    elif answer["diff"]:
        console().print(f"`{escape(program('rehearse'))} --write` writes it")


def _signed(interval: Answer) -> str:
    # What differs by rounding alone does not differ.
    value, low, high = (0.0 if abs(interval[name]) < TINY else interval[name] for name in ("value", "low", "high"))
    return f"{value:+.4g} [{low:+.4g}, {high:+.4g}]"
