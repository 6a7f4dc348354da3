"""The verbs `loadtest` and `capacity`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, Steps, console, escape, number, program, project, show, table

Answer = dict[str, Any]
REFUSED, INCONCLUSIVE = 3, 4
_PER = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MS = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0, "": 1.0}
_RATE = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*([kM]?)\s*(?:/\s*([a-z]+))?")
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]*)")


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (loadtest, capacity):
        app.command()(verb)


def rate_of(text: str) -> float:
    """Requests a second of `5000/s`, `300/min`, `5k/s` or `2M/d`. Raises UsageError."""
    found = _RATE.fullmatch(text.strip())
    if found is None or (found[3] or "") not in _PER or not math.isfinite(float(found[1])):
        raise UsageError(f"{text!r} is no rate: write 5000/s, 300/min or 2M/d.")
    return float(found[1]) * {"": 1.0, "k": 1e3, "M": 1e6}[found[2]] / _PER[found[3] or ""]


def milliseconds_of(text: str) -> float:
    """Milliseconds of `20ms`, `0.5s` or `20`. Raises UsageError."""
    found = _TIME.fullmatch(text.strip())
    if found is None or found[2] not in _MS or not float(found[1]) > 0:
        raise UsageError(f"{text!r} is no time: write 20ms or 0.5s.")
    return float(found[1]) * _MS[found[2]]


def whole_numbers(text: str, what: str) -> tuple[int, ...]:
    """`1,2,4`. Raises UsageError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise UsageError(f"{text!r}: {what} are whole numbers with commas, as 1,2,4.")
    return tuple(int(part) for part in parts)


def loadtest(
    version: Annotated[str | None, typer.Argument(help="version, alias or bundle; default what answers now")] = None,
    p99: Annotated[str, typer.Option(help="the largest p99 that counts as carried")] = "50ms",
    workers: Annotated[str, typer.Option(help="numbers of worker processes to measure, as 1,2")] = "1",
    rates: Annotated[str, typer.Option(help="requests a second, as 100,200; default up to the limit")] = "",
    seconds: Annotated[float, typer.Option(help="seconds of each step")] = 4.0,
    connections: Annotated[int, typer.Option(help="connections kept open")] = 64,
    rows: Annotated[int, typer.Option(help="rows in a request")] = 1,
    processes: Annotated[int, typer.Option(min=1, max=64, help="processes of the load generator")] = 1,
    data: Annotated[str | None, typer.Option(help="table of rows to ask; default the bundle's golden rows")] = None,
    url: Annotated[str, typer.Option(help="a server that runs already; it captures what is asked")] = "",
    out: Annotated[Path | None, typer.Option(help="file for the result; default loadtest.json")] = None,
    as_json: Json = False,
) -> None:
    """Measure what a server carries: open-loop load, step by step.

    Starts the version's own server with each number of workers, capture on, records thrown away. Requests come at
    random times whatever became of the ones before, and count from when they were due. Exit 4 when no rate was
    carried within the limit.
    """
    chosen_rates = tuple(rate_of(part) for part in rates.split(",") if part.strip())
    with Steps() as steps:
        answer = project().loadtest(
            version, data=data, url=url, out=out, progress=steps, p99_ms=milliseconds_of(p99), seconds=seconds,
            workers=whole_numbers(workers, "workers"), rates=chosen_rates, connections=connections, rows=rows,
            processes=processes,
        )  # fmt: skip
    show(answer, as_json, tell_loadtest)
    if answer["per_replica"] is None:
        raise typer.Exit(INCONCLUSIVE)


def tell_loadtest(answer: Answer) -> None:
    """Every step, then what each number of workers carried."""
    out = console()
    for run in answer["runs"]:
        rows = [
            (round(step["rate"]), round(step["answered"]), step["p50_ms"], step["p99_ms"], step["p999_ms"],
             step["late_p99_ms"], step["cpu_cores"] or None, step["memory_mb"] or None, sum(step["errors"].values()))
            for step in run["steps"]
        ]  # fmt: skip
        heads = ("asked/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "late p99", "cores", "MiB", "errors")
        table(f"{run['workers']} workers" if run["workers"] > 1 else "1 worker", heads, rows)
    limit = f"p99 within {number(answer['p99_ms'])} ms"
    for one in answer["carried"]:
        who = f"{one['workers']} worker{'s' if one['workers'] > 1 else ''}"
        if not one["carried"]:
            out.print(f"{who}: [yellow]no rate asked was carried[/] with {limit}")
            continue
        top = one["not_carried"]
        not_so = "it may carry more" if top is None or math.isinf(top) else f"not {top:,.0f}/s"
        out.print(f"{who}: [bold]{one['carried']:,.0f}/s[/] with {limit}; {not_so}")
    if answer["machine"]["shared"]:
        out.print("[dim]the generator ran on the same machine: the server alone may carry more[/]")
    out.print(f"[dim]{escape(answer['file'])}[/]")
    out.print(f"Next: [bold]{escape(program('capacity --rate 5000/s --p99 ' + number(answer['p99_ms']) + 'ms'))}[/]")


def capacity(
    rate: Annotated[str, typer.Option(help="volume at its peak, as 5000/s, 300/min or 2M/d")],
    p99: Annotated[str, typer.Option(help="latency that 99 of 100 requests stay within")] = "50ms",
    headroom: Annotated[float, typer.Option(min=0.0, max=10.0, help="room above the volume, as a share")] = 0.3,
    spare: Annotated[int, typer.Option(min=0, max=100, help="replicas that may be lost")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="workers of each replica; default the cheapest")] = None,
    loadtest: Annotated[
        list[Path] | None, typer.Option(help="file of results; repeatable; default loadtest.json")
    ] = None,
    as_json: Json = False,
) -> None:
    """How many replicas a volume and a latency need.

    By a law of scaling fitted to what `fairlead loadtest` measured. Exit 3 when nothing measured is fast enough, 4 when
    the answer lies further out than anything measured.
    """
    answer = project().capacity(
        rate_of(rate), milliseconds_of(p99), headroom=headroom, spare=spare, workers=workers, files=loadtest or ()
    )
    show(answer, as_json, tell_capacity)
    if answer["replicas"] is None:
        raise typer.Exit(REFUSED)
    if answer["extrapolated"]:
        raise typer.Exit(INCONCLUSIVE)


def between(low: float, high: float | None) -> str:
    """Milliseconds in words."""
    if high is None or math.isinf(high):
        return f"at {number(low)} ms or above: longer steps would say"
    return f"between {number(low)} and {number(high)} ms"


def tell_capacity(answer: Answer) -> None:
    """Replicas first, then what they rest on."""
    out = console()
    asked = f"{number(answer['rate'])}/s with p99 within {number(answer['p99_ms'])} ms"
    if answer["replicas"] is None:
        out.print(f"[red]{asked}[/]: not with this model and machine")
    else:
        each = f"{answer['workers']} worker{'s' if answer['workers'] > 1 else ''} each"
        room = f"{answer['headroom']:.0%} room, {answer['spare']} may be lost"
        out.print(f"[bold]{answer['replicas']} replicas[/], {each}, for {asked} ({room})")
        high = answer["high"]
        top = "more" if high is None or math.isinf(high) else f"{high:,.0f}/s"
        out.print(f"one carries {answer['low']:,.0f}/s to {top}; all together are used to {answer['used']:.0%}")
        if then := answer["p99_then_ms"]:
            out.print(f"at {answer['load']:,.0f}/s each, with all running, p99 lies {between(*then)}")
        if answer["cpu_cores"]:
            out.print(
                f"at its limit one takes {number(answer['cpu_cores'])} cores and {number(answer['memory_mb'])} MiB"
            )
    law = answer["law"]
    if law:
        names = (("λ, one worker, /s", "rate"), ("σ, contention", "contention"), ("κ, coherency", "coherency"))
        rows = [(text, law[key]["value"], law[key]["low"], law[key]["high"]) for text, key in names]
        table("Universal scalability law", ("", "value", "low", "high"), rows)
        if law["assumed"]:
            out.print(f"[dim]assumed: {escape(law['assumed'])}[/]")
    for note in answer["notes"]:
        out.print(f"[yellow]{escape(note)}[/]" if answer["extrapolated"] else escape(note))
