"""Verbs around what answers: serve, deploy, promote, rollback, pin, freeze, predict, feedback, status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.machine import machine_lines
from fairlead.doors.cli.output import Json, console, escape, moment, number, project, show, table
from fairlead.doors.cli.streaming import stream_lines

Answer = dict[str, Any]
EXAMPLE = 120
"""Characters of a refused request's answer that a table of them shows."""


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (serve, deploy, promote, rollback, pin, freeze, predict, feedback, status):
        app.command()(verb)


def share(text: str | None) -> float | None:
    """5% or 0.05 as a number."""
    if text is None:
        return None
    try:
        return float(text.rstrip("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise UsageError(f"{text!r} is no share: write 5% or 0.05.") from None


def serve(
    bundle: Annotated[Path | None, typer.Option(help="serve this bundle alone, without a project")] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port; 0 takes a free one")] = None,
    workers: Annotated[int | None, typer.Option(help="worker processes")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="port of gRPC; 0 takes a free one")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="plain HTTP, although others reach the address")] = False,
    trust_native: Annotated[bool, typer.Option("--trust-native", help="let native models run their code")] = False,
    platform: Annotated[
        str | None, typer.Option(help="sagemaker, vertex, azureml or kserve; auto: as the environment shows")
    ] = None,
    routes: Annotated[str, typer.Option(help="obey the routes of the control plane at this URL")] = "",
    routes_key: Annotated[list[str] | None, typer.Option(help="its public key; may be repeated")] = None,
) -> None:
    """Run the data plane in the foreground; Ctrl-C stops it."""
    from fairlead.doors.cli.processes import run_server

    follow = (routes, tuple(routes_key or ()))
    run_server(bundle, host, port, workers, grpc_port, insecure, trust_native, platform, follow)


def deploy(
    version: Annotated[
        list[int] | None, typer.Argument(help="version, or several to be tried; else the newest")
    ] = None,
    canary: Annotated[str | None, typer.Option(help="share of requests for a canary, as 5%")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="ask it, too, but let it answer nobody")] = False,
    ab: Annotated[str | None, typer.Option(help="share of requests for an A/B test, as 50%")] = None,
    bandit: Annotated[bool, typer.Option("--bandit", help="shares that follow what each version brings")] = False,
    pilot: Annotated[str | None, typer.Option(help="name of a pilot, with --cohort and --until")] = None,
    cohort: Annotated[str | None, typer.Option(help="whom a pilot answers: \"region in ('north', 'west')\"")] = None,
    until: Annotated[str | None, typer.Option(help="date on which a pilot ends, as 2027-01-31")] = None,
    question: Annotated[str, typer.Option(help="what a pilot is to find out, for its report")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="only say how long a verdict would take")] = False,
    as_json: Json = False,
) -> None:
    """Let a version answer, or try it beside the champion.

    Refuses what no passing attestation vouches for (exit 3).
    """
    answer = project().deploy(
        version, canary=share(canary), shadow=shadow, ab=share(ab), bandit=bandit, pilot=pilot, cohort=cohort,
        until=until, question=question, plan=plan,
    )  # fmt: skip
    show(answer, as_json, tell_deploy)


def tell_deploy(answer: Answer) -> None:
    tried = answer.get("mode")
    for variant in answer.get("variants", ()):
        role = "shadow" if variant.get("shadow") else f"{variant.get('weight', 1.0):.0%} of requests"
        if tried == "pilot":
            role = "its cohort" if variant["name"] != "champion" else "all others"
        console().print(
            f"{answer['model']}: {variant['name']} version [bold]{variant.get('version', 0)}[/] "
            f"({variant['bundle'][:12]}), {role}"
        )
    if answer.get("note"):
        console().print(escape(answer["note"]))
    if answer.get("plan"):
        console().print(escape(answer["plan"]["why"]))
        if "variants" not in answer and not answer["plan"]["paired"]:
            rows = [(f"{one['share']:.0%}", days_said(one["days"])) for one in answer["plan"]["shares"]]
            table("How long a verdict takes", ("share", "until a verdict"), rows)
    if "variants" in answer:
        tell_confirmed(answer)


def days_said(days: float | None) -> str:
    """A span, or that it is not known."""
    from fairlead.ops.rollout.planning import in_days

    return "not known" if days is None else in_days(days)


def tell_confirmed(answer: Answer) -> None:
    confirmed = answer["confirmed"]
    if confirmed is None:
        console().print("no server is running: it answers so as soon as one starts (`fairlead serve` or `fairlead up`)")
    else:
        console().print(f"confirmed by {confirmed} worker{'s' if confirmed != 1 else ''}")


def tell_moved(answer: Answer) -> None:
    before = f", was {answer['previous']}" if answer["previous"] is not None else "; the challenger is gone"
    console().print(f"{answer['model']}: champion is version [bold]{answer['champion']}[/]{before}")
    tell_confirmed(answer)


Despite = Annotated[str, typer.Option("--despite-freeze", help="why rollout.freeze is not waited for, for the audit")]


def promote(
    version: Annotated[int | None, typer.Argument(help="which, where several are tried")] = None,
    despite: Despite = "",
    as_json: Json = False,
) -> None:
    """A challenger becomes champion, at once."""
    show(project().promote(version, despite_freeze=despite), as_json, tell_moved)


def rollback(as_json: Json = False) -> None:
    """End the rollout, or go back to the champion before.

    The model is then held: no rule moves it until `release`.
    """
    show(project().rollback(), as_json, tell_moved)


Why = Annotated[str, typer.Option(help="why, for the audit log")]


def tell_hold(answer: Answer) -> None:
    console().print(f"{answer['model']} version {answer['champion']}: {answer['hold'] or 'free'}")


def pin(why: Why = "pinned by hand", as_json: Json = False) -> None:
    """Keep this champion until `release`.

    Challengers may still be tried.
    """
    show(project().pin(why), as_json, tell_hold)


def freeze(why: Why = "frozen by hand", as_json: Json = False) -> None:
    """Let no rule move anything until `release`."""
    show(project().freeze(why), as_json, tell_hold)


def predict(
    rows: Annotated[str, typer.Argument(help="table of rows")],
    rank: Annotated[bool, typer.Option("--rank", help="of a ranking: with the rank of each row in its group")] = False,
    as_json: Json = False,
) -> None:
    """Ask the running server about the rows of a table.

    A model that forecasts is asked about what comes after a long table.
    """
    show(project().predict(rows, rank=rank), as_json, tell_predict)


def tell_predict(answer: Answer) -> None:
    shown = answer["predictions"][:20]
    ranks = answer.get("ranks")
    for index, one in enumerate(shown):
        if ranks is not None:
            console().print(f"rank {ranks[index] or '–'}: ", end="")
        if isinstance(one, dict) and "forecast" in one:
            console().print(escape(forecast_line(index, one["forecast"], answer.get("asked"))))
        elif isinstance(one, dict) and "label" in one:
            chances = ", ".join(f"{k} {v:.3f}" for k, v in one["probabilities"].items())
            console().print(f"row {index}: [bold]{escape(one['label'])}[/] ({escape(chances)})")
        else:
            console().print(f"row {index}: [bold]{number(one)}[/]")
    if not answer["rows"]:
        console().print("no rows: there was nothing to ask")
    if answer["rows"] > len(shown):
        console().print(f"... and {answer['rows'] - len(shown):,} more (--json shows all)")


MOST_STEPS = 12
"""Steps of a forecast that a line shows."""


def forecast_line(index: int, steps: list[float], asked: list[dict[str, Any]] | None) -> str:
    """A forecast in a line: of which series and from when on, where a table of series was sent."""
    about = f"row {index}"
    if asked is not None:
        named = [str(value) for name, value in asked[index].items() if name != "origin"]
        about = " ".join([*named, f"after {asked[index]['origin']}"])
    shown = ", ".join(f"t+{at} {number(value)}" for at, value in enumerate(steps[:MOST_STEPS], 1))
    return f"{about}: {shown}" + (f" ... t+{len(steps)} {number(steps[-1])}" if len(steps) > MOST_STEPS else "")


def feedback(labels: Annotated[str, typer.Argument(help="table of labels")], as_json: Json = False) -> None:
    """Send the truth that came later.

    Labels find their rows by `request` (and `row`), or by the key column (and time). Of forecasts a table of the
    values that came will do. Exit 1 when none was accepted.
    """
    answer = project().feedback(labels)
    show(answer, as_json, tell_feedback)
    raise typer.Exit(1 if answer["rejected"] and not answer["accepted"] else 0)


def tell_feedback(answer: Answer) -> None:
    out = console()
    out.print(f"{answer['accepted']:,} labels accepted, {len(answer['rejected']):,} rejected")
    for one in answer["rejected"][:5]:
        out.print(f"  row {one['item']}: {escape(one['reason'])}")
    if len(answer["rejected"]) > 5:
        out.print("  ... (--json shows all)")
    if answer["accepted"] and answer["judged_after"]:
        out.print(
            f"They are joined to the rows that they name, and count once a window is judged: {answer['judged_after']} "
            "after it ends (monitor.label_delay)"
        )


def status(as_json: Json = False) -> None:
    """What is served, since when, why, how healthy.

    Also what it waits for, open findings and the newest decisions.
    """
    show(project().status(), as_json, tell_status)


def led(leader: Answer) -> str:
    """Which of several control planes acts."""
    since = f"{moment(leader['since'])} UTC (epoch {leader['epoch']})"
    return (
        f"led by {leader['holder']} since {since}"
        if leader["leads"]
        else f"led by nobody now, before by {leader['holder']} since {since}"
    )


def tell_status(answer: Answer) -> None:
    out = console()
    for model in answer["models"]:
        since = f"since {moment(model['since'])} UTC, " if model["since"] else ""
        held = f"{model['hold'].replace('_', ' ')} by a person: " if model["hold"] else ""
        out.print(f"[bold]{model['model']}[/]: {since}{held}{escape(model['why'])}")
        for variant in answer["variants"]:
            weight = "shadow" if variant.get("shadow") else f"{variant.get('weight', 1.0):.0%}"
            out.print(f"  {variant['name']} version {variant.get('version', 0)} ({variant['bundle'][:12]}) {weight}")
        if model["rollout"]:
            tried = model["rollout"]
            mode = tried["details"].get("mode", "rollout")
            out.print(f"  {mode} of version {tried['challenger']} since {moment(tried['started_wall'])} UTC")
        out.print(f"  {running(answer['workers'])}")
        if answer.get("outdated"):
            out.print(f"  [yellow]{escape(answer['outdated'])}[/]")
        if answer.get("leader"):
            out.print(f"  {escape(led(answer['leader']))}")
        for line in machine_lines(answer.get("machine") or {}):
            out.print(f"  {escape(line)}")
        for line in stream_lines(answer.get("streams") or []):
            out.print(f"  {escape(line)}")
        awaited = [one["why"] for one in model["awaited"]]
        for at, why in enumerate(awaited):
            out.print(f"  {'waits for' if not at else '      and'} {escape(why)}")
        if model["windows"]:
            names = figures(model["windows"])
            heads = ("#", "from (UTC)", "state", "rows", "labels", *names)
            table("Windows", heads, [window_line(w, names) for w in model["windows"]])
    if answer["incidents"]:
        from fairlead.doors.cli.incidents import tell_table

        tell_table(answer["incidents"])
    if answer.get("errors"):
        failed = [
            (e["count"], e["code"], e["cause"], moment(e["last"]), shortened(e["example"]))
            for e in answer["errors"][:10]
        ]
        heads = ("times", "code", "cause", "last (UTC)", "for example")
        table("Requests answered with an error, since the server started", heads, failed, wraps=heads[3:])
    if answer["decisions"]:
        decided = [
            (moment(d.get("at")), d["action"].replace("_", " "), d["why"], d.get("undo", "").rpartition(" ")[2])
            for d in answer["decisions"]
        ]
        table("Decisions", ("when (UTC)", "what", "why", "fairlead undo"), decided, wraps=("why",))


def shortened(text: str) -> str:
    """As much of an example as a line or two of a table hold; `--json` has all that was kept of it."""
    return text if len(text) <= EXAMPLE else f"{text[:EXAMPLE].rstrip()} ..."


def running(workers: list[Answer]) -> str:
    """How many workers answer, and where."""
    if not workers:
        return "no server is running"
    return f"{len(workers)} worker{'s' if len(workers) != 1 else ''} at {workers[0]['url']}"


def window_line(window: Answer, names: Sequence[str]) -> tuple[Any, ...]:
    """A window as a line of the table."""
    found = window.get("metrics", {})
    shown = [f"{found[name]:.3f}" if found.get(name) is not None else "-" for name in names]
    rows, labels = window.get("rows", 0), window.get("labelled", 0)
    return window["index"], moment(window["start"]), window["state"], rows, labels, *shown


def figures(windows: Sequence[Answer]) -> list[str]:
    """The three figures that people look for first, of those that were measured."""
    order = ("roc_auc", "accuracy", "brier", "mae", "rmse", "r2")
    return [name for name in order if any(w.get("metrics", {}).get(name) is not None for w in windows)][:3]
