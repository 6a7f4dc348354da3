"""A stream in the foreground: the one place that wires brokers to a data plane without a transport."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.settings import CaptureSettings, TelemetrySettings
from fairlead.contract.streams import Address, Broker, Reading, StreamStatus, address_of
from fairlead.reach.score.streams.desk import Desk
from fairlead.reach.score.streams.running import Running
from fairlead.reach.score.streams.standing import standing
from fairlead.reach.score.streams.telling import Tally, metrics_door
from fairlead.runtime.capture.tended import take_keys
from fairlead.runtime.native.form import NativeTerms
from fairlead.runtime.serve.counters import slot_files
from fairlead.runtime.serve.instances import held_instance, run_folder
from fairlead.runtime.serve.metrics import exposition
from fairlead.runtime.serve.observing.opening import prepare
from fairlead.runtime.serve.server import ServeOptions, fixed_routes
from fairlead.runtime.serve.worker import Worker

DEAD = ".dead"
MOST_DEAD = 100_000
"""Dead letters that a stream keeps which is made here; the oldest go then."""
PORTS = {
    "redis": ("redis", 6379), "rediss": ("redis", 6379), "nats": ("nats", 4222), "tls": ("nats", 4222),
    "amqp": ("amqp", 5672), "amqps": ("amqp", 5671), "kafka": ("kafka", 9092),
}  # fmt: skip
"""By scheme: the kind of broker, and the port of addresses without one."""
Say = Callable[[str], None]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, written and answered with.

    source, answers, dead: addresses; dead empty: that of the answers with `.dead` behind its name. home: what is
    deployed there answers, and is captured. bundle: this folder alone answers; nothing is captured then without a
    home. model: "" is the bundle's. protocol: native or v2. batch: messages taken together. group: of readers.
    Folders in the place of addresses are read by Spark (engine), see `spark_files`.
    metrics_port: None offers no metrics; 0 takes a free port. once: end when nothing is left. instance: name of this
    stream among the readers and in the records; empty: made of the machine's.
    """

    source: str
    answers: str
    dead: str = ""
    home: Path | None = None
    bundle: Path | None = None
    model: str = ""
    protocol: str = "native"
    batch: int = 256
    group: str = "fairlead"
    once: bool = False
    every_s: float = 10.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    trusted: tuple[str, ...] = ()
    instance: str = ""
    capture: CaptureSettings = CaptureSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    native: NativeTerms | None = None
    engine: EngineSettings = EngineSettings()


class _At(NamedTuple):
    """model: whose predictions; reader: who this is in the group; instance: in records; run: where it reports."""

    worker: Worker
    model: str
    reader: str
    instance: str
    run: Path


class _Ends(msgspec.Struct, frozen=True):
    """Parsed addresses with the brokers that are meant."""

    source: Address
    answers: Address
    dead: Address
    brokers: tuple[Broker, Broker, Broker]


def stream(options: StreamOptions, ready: Say = lambda text: None, say: Say = lambda text: None) -> Tally:
    """Answer messages until SIGTERM or SIGINT, which let the batch in hand end; or, with `once`, until none is left.

    On the main thread alone. ready: called once with what goes where. say: told how it goes, what was lost and found
    again. Raises UsageError for addresses and options that cannot be, MissingExtra, BundleRefused.
    """
    if options.home is None and options.bundle is None:
        raise UsageError("nothing to answer with: give a home or a bundle.")
    if not 1 <= options.batch <= 10_000:
        raise UsageError("a batch has between 1 and 10,000 messages.")
    if "://" not in options.source:
        return _stream_files(options, ready, say)
    ends = _ends_of(options)
    with _answering(options, say) as at:
        model = at.model
        desk = Desk(at.worker.plane, model, options.protocol)
        reading = Reading(options.group, at.reader, options.batch)
        tally = Tally(source=str(ends.source))
        with metrics_door(tally, options.metrics_host, options.metrics_port, partial(_page, at.worker)) as url:
            told = f"{model}: {ends.source} -> {ends.answers} (dead letters: {ends.dead})"
            with standing(at.run, tally, _about(at, options, (ends.source, ends.answers, ends.dead), tally)):
                ready(f"{told}, metrics {url}/metrics" if url else told)
                asyncio.run(_run(ends, reading, desk, tally, say, options))
        return tally


def _stream_files(options: StreamOptions, ready: Say, say: Say) -> Tally:
    """The same of folders."""
    from fairlead.reach.score.streams.spark_files import FileStreaming, Folders

    if "://" in options.answers + options.dead:
        raise UsageError("what comes from a folder is answered into a folder.")
    answers = Path(options.answers).resolve()
    dead = Path(options.dead).resolve() if options.dead else answers.with_name(answers.name + DEAD)
    folders = Folders(Path(options.source).resolve(), answers, dead)
    with _answering(options, say) as at:
        worker, model = at.worker, at.model
        tally = Tally(source=str(options.source))
        desk = Desk(worker.plane, model, options.protocol)
        running = FileStreaming(folders, options.engine, desk, tally, say, batch=options.batch, once=options.once)
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        more = partial(_page, worker)
        with metrics_door(tally, options.metrics_host, options.metrics_port, more) as url:
            told = f"{model}: {options.source} -> {options.answers} (dead letters: {dead.name})"
            ready(f"{told}, metrics {url}/metrics" if url else told)
            try:
                for number in before:
                    signal.signal(number, lambda *_: running.stop.set())
                about = _about(at, options, (folders.source, folders.answers, folders.dead), tally)
                with standing(at.run, tally, about):
                    running.run()
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
        return tally


def _about(at: _At, options: StreamOptions, ends: Sequence[object], tally: Tally) -> StreamStatus:
    """What does not change while it runs; of addresses what may be shown."""
    source, answers, dead = map(str, ends)
    return StreamStatus(
        os.getpid(), at.instance, at.model, source, answers, dead, options.group, tally.wall, tally.wall, tally.wall
    )


def _ends_of(options: StreamOptions) -> _Ends:
    source, answers = address_of(options.source), address_of(options.answers)
    if options.dead:
        dead = address_of(options.dead)
    else:
        # Of the same broker; what was said about the answers' own stream is not meant for it.
        kept = {name: value for name, value in answers.options.items() if name not in ("stream", "maxlen")}
        dead = msgspec.structs.replace(answers, name=answers.name + DEAD, options=kept)
    if len({_place(one) for one in (source, answers, dead)}) < 3:
        raise UsageError("what is read, the answers and the dead letters must be three streams.")
    brokers = [variant("broker", one.scheme, extra="streams")() for one in (source, answers, dead)]
    return _Ends(source, answers, dead, (brokers[0], brokers[1], brokers[2]))


def _place(address: Address) -> tuple[object, ...]:
    """The same for addresses of one stream, however they are written."""
    kind, usual = PORTS.get(address.scheme, (address.scheme, 0))
    hosts = tuple(sorted((host.lower(), port or usual) for host, port in address.hosts))
    return kind, hosts, address.name, address.options.get("db", "0"), address.options.get("vhost", "/")


async def _run(ends: _Ends, reading: Reading, desk: Desk, tally: Tally, say: Say, options: StreamOptions) -> None:
    of_source, of_answers, of_dead = ends.brokers
    running = Running(
        of_source.source(ends.source, reading), of_answers.sink(ends.answers), of_dead.sink(ends.dead, bound=MOST_DEAD),
        desk, tally, say, once=options.once, every_s=options.every_s,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stop.set)
    await running.run()


@contextlib.contextmanager
def _answering(options: StreamOptions, say: Say) -> Iterator[_At]:
    """A data plane that follows its routes, and whose predictions it gives."""
    prepare(options.telemetry)
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(run_folder(options.home))
        instance = stack.enter_context(held_instance(run, options.instance or f"{socket.gethostname()}-stream"))
        settings: dict[str, Any] = {
            "run": str(run), "instance": instance, "role": "stream", "capture": options.capture,
            "telemetry": options.telemetry, "native": options.native,
        }  # fmt: skip
        model = options.model
        if options.home is not None:
            take_keys(options.home, options.capture.encrypt)
            settings["home"] = str(options.home)
        if options.bundle is not None:
            served = ServeOptions(bundle=options.bundle, trusted=options.trusted, native=options.native)
            fixed = fixed_routes(served, lambda text: say(f"warning: {text}"))
            settings |= {"bundle": str(options.bundle), "fixed": fixed}
            model = fixed.default or model
        for kind, suffix in (("counters", ".bin"), ("worker", ".json"), ("errors", ".json")):
            for old in slot_files(run, kind, instance, suffix):
                old.unlink()
        worker = Worker(0, settings)
        stack.callback(worker.plane.close)
        yield _At(worker, model, _reader(options, instance), instance, run)


def _page(worker: Worker) -> bytes:
    """The metrics of the data plane."""
    return exposition(worker.scene())


def _reader(options: StreamOptions, instance: str) -> str:
    """Who this is among the readers of a group: the same after a restart, another for another home or bundle."""
    if options.instance:
        return options.instance
    where = str(options.home or f"{options.bundle}-{os.getpid()}")
    return re.sub(r"[^A-Za-z0-9-]", "-", instance) + "-" + sha256(str(Path(where).resolve()).encode()).hexdigest()[:8]
