"""The verb that answers messages of a broker: stream."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, chosen, console, escape, moment, number, show

if TYPE_CHECKING:
    from fairlead.reach.score.streams import StreamOptions, Tally

Answer = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.command()(stream)


def stream(
    source: Annotated[
        str, typer.Option("--from", help="messages: redis, nats, amqp or kafka://host/name, or a folder")
    ],
    answers: Annotated[str, typer.Option("--to", help="where answers go; any of these brokers, or a folder")],
    dead_letters: Annotated[
        str, typer.Option(help="where messages go without an answer; else the answers' .dead")
    ] = "",
    bundle: Annotated[Path | None, typer.Option(help="answer with this bundle alone, without a project")] = None,
    model: Annotated[str, typer.Option(help="whose predictions; else the project's")] = "",
    protocol: Annotated[str, typer.Option(help="what messages are: native (as for /predict) or v2")] = "native",
    batch: Annotated[int, typer.Option(help="messages that are taken and answered together, at most")] = 256,
    group: Annotated[str, typer.Option(help="readers of one group share the messages")] = "fairlead",
    once: Annotated[bool, typer.Option("--once", help="end when nothing is left to read")] = False,
    every: Annotated[float, typer.Option(help="seconds between two lines about how it goes")] = 10.0,
    metrics_host: Annotated[str, typer.Option(help="address of the metrics")] = "127.0.0.1",
    metrics_port: Annotated[int | None, typer.Option(help="port of /metrics; 0 takes a free one; else none")] = None,
    trust: Annotated[list[str] | None, typer.Option(help="hex key that may have sealed --bundle; repeatable")] = None,
    trust_native: Annotated[bool, typer.Option("--trust-native", help="let native models run their code")] = False,
    as_json: Json = False,
) -> None:
    """Answer messages of a broker as the server answers requests.

    A message is acknowledged once its answer is confirmed; what cannot be answered goes to the dead letters with the
    reason. SIGTERM and Ctrl-C let the batch in hand end.
    """
    from fairlead.reach.score.streams import StreamOptions

    asked = StreamOptions(
        source=source, answers=answers, dead=dead_letters, bundle=bundle, model=model, protocol=protocol, batch=batch,
        group=group, once=once, every_s=every, metrics_host=metrics_host, metrics_port=metrics_port,
        trusted=tuple(trust or ()),
    )  # fmt: skip
    show(told(run(asked, trust_native, as_json)), as_json, tell)


def run(asked: StreamOptions, trust_native: bool, as_json: bool) -> Tally:
    """Stream with what the project or the bundle says."""
    import msgspec

    from fairlead.contract.settings import ServeSettings
    from fairlead.doors.cli.processes import log
    from fairlead.ops.flow.lifeline import die_with_parent
    from fairlead.reach.score.streams import stream as answer_all
    from fairlead.runtime.native import native_terms, terms_of

    if asked.bundle is not None:
        if not asked.bundle.is_dir():
            raise UsageError(f"{asked.bundle}: no such folder. Give the folder of a sealed bundle.")
        options = msgspec.structs.replace(asked, native=terms_of(ServeSettings()) if trust_native else None)
    else:
        from fairlead.ops.project import Project
        from fairlead.runtime.capture.keys import anchored

        project = Project.find(chosen.folder)
        project.home.ensure()
        settings = project.settings
        options = msgspec.structs.replace(
            asked,
            home=project.home.root,
            model=asked.model or settings.model.name,
            capture=anchored(settings.capture, project.root),
            telemetry=settings.telemetry,
            engine=settings.engine,
            native=terms_of(settings.serve) if trust_native else native_terms(settings),
        )

    def ready(text: str) -> None:
        out = sys.stderr if as_json else sys.stdout
        out.write(f"ready: {text}\n")
        out.flush()

    die_with_parent()
    return answer_all(options, ready=ready, say=log)


def told(tally: Tally) -> Answer:
    """The answer of the verb: what became of how many messages."""
    seconds = tally.seconds()
    return {
        "source": tally.source,
        "answered": tally.answered,
        "refused": tally.refused,
        "batches": tally.batches,
        "lag": tally.lag,
        "lost_broker": tally.broker,
        "waited_for_model": tally.model,
        "seconds": round(seconds, 3),
        "messages_per_s": round((tally.answered + tally.refused) / seconds, 1) if seconds > 0 else 0.0,
    }


def tell(answer: Answer) -> None:
    left = "an unknown number" if answer["lag"] is None else number(answer["lag"])
    console().print(
        f"{escape(answer['source'])}: [bold]{number(answer['answered'])}[/] answered, {number(answer['refused'])} "
        f"refused to the dead letters, {left} left, in {answer['seconds']:.1f} s"
    )


def stream_lines(streams: list[Answer]) -> list[str]:
    """What `status` says of each stream that runs, or was killed."""
    found = []
    for one in streams:
        left = "an unknown number" if one["lag"] is None else number(one["lag"])
        counts = f"{number(one['answered'])} answered, {number(one['refused'])} dead letters, {left} left"
        pace = f", {one['rate']:,.0f} a second" if one["state"] == "running" else ""
        found.append(f"stream {one['source']} -> {one['answers']} since {moment(one['since'])} UTC: {counts}{pace}")
        if one["why"]:
            found.append(f"  {one['state']}: {one['why']}")
    return found
