"""Verbs that make and judge: init, train, bundle, evaluate, register, score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from fairlead.doors.cli.engines import Connect, EngineName, Master
from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, number, program, project, show, table

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (init, train, bundle, evaluate, register, score):
        app.command()(verb)


def init(
    data: Annotated[
        str, typer.Option(help="the training table: a file (CSV, JSON lines, Parquet), s3://…, database URL")
    ],
    target: Annotated[
        str | None, typer.Option(help="the column to predict; --task clustering and anomaly need none")
    ] = None,
    name: Annotated[str | None, typer.Option(help="name of the model; else from the target")] = None,
    task: Annotated[
        str | None,
        typer.Option(help="classification, regression, clustering, anomaly or forecasting; else from the target"),
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="the class that counts as an event, or the target's value of an anomaly")
    ] = None,
    id: Annotated[str | None, typer.Option(help="row key")] = None,
    time: Annotated[list[str] | None, typer.Option(help="event time; give it twice for a date and an hour")] = None,
    group: Annotated[
        str | None, typer.Option(help="ranking: the column whose rows are put in order together, as query or customer")
    ] = None,
    item: Annotated[str | None, typer.Option(help="ranking: what a row stands for, as offer or document")] = None,
    series: Annotated[str | None, typer.Option(help="forecasting: the column that names the series of a value")] = None,
    horizon: Annotated[int, typer.Option(min=0, help="forecasting: values ahead; else a season of them")] = 0,
    every: Annotated[str, typer.Option(help="forecasting: from one value to the next, as 15m, 1h, 1d or month")] = "",
    query: Annotated[str, typer.Option(help="what a database is asked: select … from … order by …")] = "",
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="keep lines that cannot be read apart, and go on")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="write over an existing fairlead.toml")] = False,
    as_json: Json = False,
) -> None:
    """Look at a table and write a commented fairlead.toml."""
    from fairlead.ops.project import init_project

    times = None if not time else time[0] if len(time) == 1 else tuple(time)
    made = init_project(
        chosen.folder, data, target, name=name, task=task, positive=positive, id=id, time=times, group=group, item=item,
        series=series, horizon=horizon, every=every, query=query,
        bad_lines="set_aside" if set_aside else "stop", force=force,
    )  # fmt: skip
    show(msgspec.to_builtins(made), as_json, tell_init)


def tell_init(answer: Answer) -> None:
    out = console()
    out.print(f"wrote [bold]{escape(answer['config'])}[/]: {answer['task']}, {answer['rows']:,} rows")
    rows = [(c["name"], c["role"], c["kind"], c.get("missing") or "", c["why"]) for c in answer["columns"]]
    table("", ("column", "role", "kind", "missing", "because"), rows)
    for warning in answer["warnings"]:
        out.print(f"[yellow]look[/]: {escape(warning)}")
    steps = f"or [bold]{escape(program('train'))}[/] to go step by step"
    out.print(f"Next: [bold]{escape(program('up'))}[/] trains, serves and watches; {steps}.")


def train(
    data: Annotated[str | None, typer.Option(help="another table than [data] train")] = None,
    older: Annotated[
        str | None, typer.Option("--from", help="version, alias or bundle to go on from, where that is better")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="who fits the trials, in the place of [train] engine")] = None,
    as_json: Json = False,
) -> None:
    """Prepare, tune, cross-validate, choose and seal.

    Interrupted, it takes up where it was.
    """
    chosen.when_stopped = f"`{program('train')}` takes it up again"
    with Steps() as steps:
        answer = project().train(data, progress=steps, older=older, engine=engine)
    show(answer, as_json, tell_train)


def tell_train(answer: Answer) -> None:
    rows = [
        (row["name"], row["score"], row.get("se"), row.get("seconds"), remark(row)) for row in answer["leaderboard"]
    ]
    metric = answer["leaderboard"][0].get("metric", "score") if answer["leaderboard"] else "score"
    table("Leaderboard (cross-validated)", ("learner", metric, "std. error", "seconds", ""), rows)
    parity = answer["parity"]
    out = console()
    sealed = f"[bold]{answer['learner']}[/] sealed as [bold]{answer['bundle'][:12]}[/] in {answer['seconds']:.1f} s"
    out.print(f"{sealed}; {compiled(parity)}")
    if ahead := answer.get("forecast"):
        spread = f"{ahead['seconds']['low']:.0f} to {ahead['seconds']['high']:.0f}"
        out.print(f"the search took {ahead['took']:.0f} s; before it, {spread} s were forecast for all its trials")
    tell_decisions(answer)
    if answer.get("scale"):
        out.print(escape(answer["scale"]["says"]))
    if answer.get("warm_start"):
        out.print(escape(answer["warm_start"]["says"]))
    tell_warnings(answer)
    out.print(f"Next: [bold]{escape(program('evaluate'))}[/]")


def tell_decisions(answer: Answer) -> None:
    """How calibration, threshold and abstention were settled, a sentence each."""
    for found in answer["decisions"].values():
        if found:
            console().print(escape(found["why"]))


def tell_warnings(answer: Answer) -> None:
    """What a reader should know of the tables: lines set aside, keys that are not in every record."""
    for warning in answer["warnings"]:
        console().print(f"[yellow]look[/]: {escape(warning)}")


def remark(row: Answer) -> str:
    """What a leaderboard line should be known for."""
    words = [
        ("chosen", row.get("chosen")),
        ("baseline", row.get("baseline")),
        ("simplest within one std. error", row.get("simplest_within_one_se")),
    ]
    return ", ".join(word for word, true in words if true)


def bundle(
    source: Annotated[str, typer.Argument(help="a file or folder with the model, or an MLflow URI")],
    sample: Annotated[str, typer.Option(help="rows it was trained on, as a table")],
    trust: Annotated[
        bool, typer.Option("--trust", "--trust-pickle", help="open it although that runs the code it holds")
    ] = False,
    target: Annotated[str | None, typer.Option(help="column of the sample with the truth, for metrics")] = None,
    as_json: Json = False,
) -> None:
    """Seal a model trained elsewhere.

    Takes ONNX, MLflow models, joblib, pickle and skops files of scikit-learn, XGBoost's JSON, LightGBM's text and
    programs of torch.export.
    """
    show(project().bundle(source, sample, trust=trust, target=target), as_json, tell_bundle)


def tell_bundle(answer: Answer) -> None:
    out = console()
    out.print(escape(answer["did"]))
    out.print(f"sealed as [bold]{answer['bundle'][:12]}[/]; {compiled(answer['parity'])}")
    out.print(f"why this form: {escape(answer['why'])}")
    if metrics := answer.get("metrics"):
        told = ", ".join(f"{name} {number(value)}" for name, value in metrics.items())
        out.print(f"on the sample, which it may have been fitted on: {told}")
    out.print(escape(answer["path"]))


def compiled(parity: Answer) -> str:
    """The parity certificate in a sentence."""
    how = "runs natively" if parity["form"] == "native" else f"compiled to {parity['form']}"
    return (
        f"{how}: {parity['flipped']} of {parity['rows']:,} decisions differ from the trained "
        f"pipeline's, scores by at most {parity['max_difference']:.1e}"
    )


def evaluate(
    bundle: Annotated[str | None, typer.Argument(help="bundle, version or alias; else the latest trained")] = None,
    data: Annotated[str | None, typer.Option(help="rows to judge on; else those kept back in training")] = None,
    engine: EngineName = "",
    master: Master = "",
    connect: Connect = "",
    as_json: Json = False,
) -> None:
    """Judge the sealed bundle on rows it never saw.

    Exit 3 when the gate fails, 4 when inconclusive. With --engine spark metrics and losses are of all rows, where they
    lie; parts of the report that do not add up are of 50,000 of them.
    """
    with Steps() as steps:
        answer = project().evaluate(
            bundle, data, engine=engine, master=master, connect=connect, progress=steps
        )  # fmt: skip
    show(answer, as_json, tell_evaluate)
    raise typer.Exit({"pass": 0, "fail": 3}.get(answer["verdict"], 4))


def tell_evaluate(answer: Answer) -> None:
    rows = [(c["name"], c["verdict"], c["value"], c["limit"]) for c in answer["checks"]]
    table(f"Gate: {answer['verdict']}", ("check", "verdict", "value", "limit"), rows, wraps=("check",))
    out = console()
    # Reasons in lines of their own: beside long names of checks a terminal has no room for them.
    for c in answer["checks"]:
        if c["verdict"] != "pass":
            word = "[red]holds it back[/]" if c["verdict"] == "fail" or c["refuses"] else "does not hold it back"
            out.print(f"[bold]{escape(c['name'])}[/] {word}: {escape(c['why'])}")
    if "engine" in answer:
        tell_elsewhere(answer)
    tell_warnings(answer)
    out.print(f"report: {escape(answer['report'])}")
    if answer["verdict"] == "pass":
        out.print(f"Next: [bold]{escape(program('register'))}[/], then [bold]{escape(program('deploy'))}[/]")
    else:
        out.print(f"A person may answer for a check: [bold]{escape(program('waive'))}[/] --help")


def tell_elsewhere(answer: Answer) -> None:
    """Figures of all rows that an engine judged, and how far each may be off."""
    rows = [
        (name, told["value"], told["low"], told["high"], answer["off_by"].get(name, "exact"))
        for name, told in answer["intervals"].items()
    ]
    left = f", {answer['unlabelled']:,} without a truth left out" if answer["unlabelled"] else ""
    title = f"{answer['rows']:,} rows on {answer['engine']} in {answer['seconds']:.1f} s{left}"
    table(title, ("metric", "value", "low", "high", "off by at most"), rows)
    out = console()
    if answer["sampled"] < answer["rows"] + answer["unlabelled"]:
        names = f" and {', '.join(answer['by_sample'])}" if answer["by_sample"] else ""
        out.print(f"[dim]all other parts of the report{names}: of {answer['sampled']:,} rows all over the table[/]")
    for name, why in answer["left_out"].items():
        out.print(f"[dim]left out: {escape(name)}, because {escape(why)}[/]")


def register(
    bundle: Annotated[str | None, typer.Argument(help="bundle; else the latest trained")] = None,
    sync: Annotated[bool, typer.Option("--sync", help="only bring MLflow's versions and aliases up to date")] = False,
    as_json: Json = False,
) -> None:
    """Make a version of a bundle in the registry.

    With its lineage, metrics and report. The same bundle is the same version each time.
    """
    if sync:
        show(project().sync(), as_json, lambda a: console().print("; ".join(a["warnings"]) or "up to date"))
        return
    with Steps() as steps:
        answer = project().register(bundle, progress=steps)
    show(answer, as_json, tell_register)


def tell_register(answer: Answer) -> None:
    out = console()
    out.print(f"{answer['model']} version [bold]{answer['version']}[/] ({answer['bundle'][:12]})")
    for warning in answer["warnings"]:
        out.print(f"[yellow]look[/]: {escape(warning)}")


def score(
    rows: Annotated[str, typer.Argument(help="table to score")],
    out: Annotated[Path, typer.Argument(help="where answers go: .parquet or .csv")],
    bundle: Annotated[str | None, typer.Option(help="bundle, version or alias; else the champion")] = None,
    rank: Annotated[bool, typer.Option("--rank", help="of a ranking: with the rank of each row in its group")] = False,
    engine: EngineName = "",
    master: Master = "",
    connect: Connect = "",
    as_json: Json = False,
) -> None:
    """Score a table of any size, batch by batch, here or on Spark."""
    asked = {"engine": engine, "master": master, "connect": connect}
    show(project().score(rows, out, bundle=bundle, rank=rank, **asked), as_json, tell_score)


def tell_score(answer: Answer) -> None:
    took = f"{answer['rows']:,} rows in {answer['seconds']:.2f} s ({number(answer['rows_per_s'])} rows/s)"
    console().print(f"{took} -> {escape(answer['out'])}")
    tell_warnings(answer)
