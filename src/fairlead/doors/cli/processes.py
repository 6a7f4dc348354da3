"""Verbs that run until stopped: the server, the collector, the watcher, and `up`, which supervises all three."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.doors.cli.output import Steps, chosen


def log(text: str) -> None:
    """One line on stderr: what a long-running process has to say. Under `up`, which adds the time, without it."""
    from fairlead.ops.flow.lifeline import TOKEN

    stamp = "" if TOKEN in os.environ else f"{time.strftime('%H:%M:%S')} "
    sys.stderr.write(f"{stamp}{text}\n")
    sys.stderr.flush()


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set, so that a pass in progress ends whole."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def run_server(
    bundle: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    grpc_port: int | None = None,
    insecure: bool = False,
    trust_native: bool = False,
    platform: str | None = None,
    follow: tuple[str, tuple[str, ...]] = ("", ()),
) -> None:
    """The data plane in the foreground. follow: URL of routes and the keys that sign them, "" as the settings say."""
    import msgspec

    from fairlead.contract.settings import ServeSettings
    from fairlead.ops.flow.lifeline import die_with_parent
    from fairlead.runtime.native import native_terms, terms_of
    from fairlead.runtime.serve import ServeOptions, serve

    if bundle is None and platform:
        bundle = mounted(platform)
    if bundle is not None:
        if not bundle.is_dir():
            raise UsageError(f"{bundle}: no such folder. Give the folder of a sealed bundle.")
        options = ServeOptions(
            bundle=bundle,
            host=host or "127.0.0.1",
            port=8080 if port is None else port,
            workers=workers or 1,
            server=ServeSettings(grpc_port=grpc_port, insecure=insecure),
            native=terms_of(ServeSettings()) if trust_native else None,
        )
    else:
        from fairlead.ops.project import Project
        from fairlead.runtime.capture.keys import anchored

        project = Project.find(chosen.folder)
        project.home.ensure()
        asked = project.settings.serve
        options = ServeOptions(
            home=project.home.root,
            host=host or asked.host,
            port=asked.port if port is None else port,
            workers=workers or asked.workers,
            server=msgspec.structs.replace(
                asked,
                grpc_port=asked.grpc_port if grpc_port is None else grpc_port,
                insecure=asked.insecure or insecure,
                routes=follow[0] or asked.routes,
                routes_keys=follow[1] or asked.routes_keys,
            ),
            instance=asked.instance,
            access=project.settings.access,
            capture=anchored(project.settings.capture, project.root),
            telemetry=project.settings.telemetry,
            native=terms_of(asked) if trust_native else native_terms(project.settings),
        )

    platform = platform or options.server.platform
    if platform:
        from fairlead.runtime.serve import platforms

        found = platforms.platform(platform, os.environ)
        options = platforms.applied(options, found, host=host, port=port, workers=workers)

    def ready(url: str) -> None:
        sys.stdout.write(f"ready: {url}\n")
        sys.stdout.flush()

    die_with_parent()
    serve(options, ready=ready, warn=lambda text: log(f"warning: {text}"))


def mounted(platform: str) -> Path | None:
    """The bundle that a platform put where it puts models; None where there is a project, which says what is served."""
    from fairlead.contract.errors import NotAProject
    from fairlead.ops.project import Project
    from fairlead.runtime.serve import platforms

    try:
        Project.find(chosen.folder)
    except NotAProject:
        return platforms.bundle_of(platforms.platform(platform, os.environ))
    return None


def repeat(what: Callable[[], str], every_s: float) -> None:
    """Do something again and again until stopped; a failure is told and tried again, later each time."""
    from fairlead.ops.flow.lifeline import die_with_parent

    die_with_parent()
    stop = stop_on_signal()
    failures = 0
    while not stop.is_set():
        try:
            said = what()
            failures = 0
        except FairleadError as failure:
            failures += 1
            said = f"failed: {failure}"
        for line in said.splitlines():
            log(line)
        stop.wait(pause_after(failures, every_s))


def pause_after(failures: int, every_s: float) -> float:
    """Seconds to the next time: as asked where all is well; after failures twice as long each, a minute at most.

    >>> pause_after(0, 3600.0), pause_after(2, 5.0), pause_after(5000, 5.0)
    (3600.0, 20.0, 60.0)
    """
    return every_s if not failures else min(every_s * 2 ** min(failures, 16), 60.0)


def follow_collect(every_s: float) -> None:
    """The collector: spool to Parquet, and old files away, once an hour."""
    from fairlead.ops.flow import RULE, Workspace
    from fairlead.ops.flow.keeping import keep, keep_on, let_days_end
    from fairlead.runtime.capture import collect

    ws = Workspace.find(chosen.folder, actor=RULE)
    project = ws.project
    swept = 0.0

    def once() -> str:
        nonlocal swept
        if time.monotonic() - swept > 3600 or swept == 0.0:
            swept = time.monotonic()
            if held := let_days_end(ws).held:
                log(f"stores: {held} days of records stay past capture.keep_days until the store has them")
        done = collect(project.home.root)
        if done.records or done.labels:
            return f"collected {done.records:,} records and {done.labels:,} labels"
        return ""

    stop = threading.Event()
    sending = keep_on(ws, log, stop)
    repeat(once, every_s)
    # Whoever ends a machine ends the collector after the server: what was answered last is not left behind.
    stop.set()
    try:
        if said := once():
            log(said)
        if sending is not None:
            sending.join(10.0)
            log(f"stores: {keep(ws).sent} files sent")
    except FairleadError as failure:
        log(f"failed: {failure}")


def follow_watch(every_s: float) -> None:
    """The watcher: every pass, then alerts on their way, then versions into the registry's projection."""
    from fairlead.ops.flow import RULE, Loop, Workspace
    from fairlead.ops.flow.attending import attended
    from fairlead.ops.flow.guarding import guarded
    from fairlead.ops.flow.leading import standing_by, told_to_children
    from fairlead.ops.flow.projecting import behind

    ws = Workspace.find(chosen.folder, actor=RULE)
    loop = Loop(ws, machine=False)
    registrar: subprocess.Popen[bytes] | None = None

    def once() -> str:
        nonlocal registrar
        if not leads():
            return ""
        done = loop.once()
        ws.outbox.deliver(ws.clock())
        if (registrar is None or registrar.poll() is not None) and behind(ws):
            # MLflow takes seconds to import and to write: in a process of its own it holds no window up.
            words = [sys.executable, "-m", "fairlead", "-C", str(chosen.folder), "register", "--sync"]
            told = {**os.environ, **told_to_children(ws)}
            registrar = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=told)  # noqa: S603
        # A window that was closed and scored in one pass is told once, as it is now.
        seen = {w.index: w for w in done.windows}
        lines = [f"window {w.index}: {w.rows:,} rows, {w.labelled:,} labels, {w.state}" for w in seen.values()]
        lines += [f"found: {f.message}" for f in done.findings]
        lines += [f"decided: {d.action}: {d.why}" for d in done.decisions if d.action != "hold"]
        return "\n".join(lines)

    with standing_by(ws, log) as leads, guarded(ws, log), attended(ws, log):
        repeat(once, every_s)


def require_pass(judged: Any) -> None:
    """Raises GateFailed or Inconclusive with each reason, and what could be done."""
    from fairlead.contract.errors import GateFailed, Inconclusive

    reasons = "; ".join(c.why for c in judged.verdict.checks if c.holds_back)
    if judged.verdict.outcome == "fail":
        raise GateFailed(f"not deployed, as the gate says fail: {reasons}. Report: {judged.report}")
    if judged.verdict.outcome == "inconclusive":
        cure = "More rows (or a larger [data] holdout) would decide; a person may relax [gate] in fairlead.toml."
        raise Inconclusive(f"not deployed, as the gate is undecided: {reasons}. {cure} Report: {judged.report}")


def ensure_deployed(say: Callable[[str], None]) -> None:
    """Train, judge, register and deploy when nothing answers yet. Raises GateFailed when the gate says no.

    Of several control planes with one database the leader does; another one stands by.
    """
    from fairlead.contract.errors import NotLeader
    from fairlead.ops.flow import RULE, Workspace
    from fairlead.ops.flow.leading import leading

    ws = Workspace.find(chosen.folder, actor=RULE)
    try:
        with leading(ws):
            deploy_first(ws, say)
    except NotLeader as other:
        say(f"stands by: {other}")


def deploy_first(ws: Any, say: Callable[[str], None]) -> None:
    """See `ensure_deployed`."""
    from fairlead.ops.flow import making, release
    from fairlead.ops.flow.admitting import bring_up_to_date

    intent = ws.state.intent(ws.model)
    if intent is not None and intent.variants:
        bring_up_to_date(ws)
        return
    latest = ws.state.get(f"latest:{ws.model}")
    if latest is None or making.verdict_of(ws, latest.decode()) == "fail":
        say("nothing is deployed yet: training (Ctrl-C stops, the next call takes it up again)")
        with Steps() as steps:
            making.train(ws, progress=steps)
    bundle = making.resolve_bundle(ws, None)
    if making.verdict_of(ws, bundle) != "pass":
        say("judging the sealed bundle")
        judged = making.judge(ws, bundle)
        require_pass(judged)
    version = making.register(ws, bundle)
    release.deploy(ws, version, why="first release: passed the gate and nothing was deployed")
    say(f"{ws.model} version {version} deployed")


def run_up(port: int | None, every_s: float) -> None:
    """`fairlead up`: everything, supervised, until Ctrl-C. Where routes come from elsewhere, what answers and collects:
    what is deployed, and whether all is well, is decided there."""
    from fairlead.ops.flow.outdated import settings_of
    from fairlead.ops.flow.supervise import Service, Supervisor
    from fairlead.ops.project import Project

    project = Project.find(chosen.folder)
    read = settings_of(project.root)
    project.home.ensure()
    asked = project.settings.serve
    program = (sys.executable, "-m", "fairlead", "-C", str(chosen.folder))
    where = () if port is None else ("--port", str(port))
    services = [
        Service("server", (*program, "serve", *where), ready="ready:", stop_s=30.0),
        Service("collector", (*program, "collect", "--follow", "--every", str(min(every_s, 2.0)))),
    ]
    if not asked.routes:
        ensure_deployed(log)
        services.append(Service("watcher", (*program, "watch", "--every", str(every_s)), stop_s=60.0))
        if asked.hand_out:
            services.append(Service("routes", (*program, "routes"), ready="ready:"))
    supervisor = Supervisor(
        services,
        lambda name, line: log(f"{name}: {line}"),
        run=project.home.run,
        about=(str(project.root), read),
        on_ready=lambda: tell_up(project.settings.model.name, project.home.root, asked.routes),
    )
    sys.exit(supervisor.run())


def tell_up(model: str, home: Path, follows: str = "") -> None:
    """The ready line of `up`. follows: where routes come from, "" from here."""
    from fairlead.runtime.serve import live_workers

    workers = live_workers(home)
    url = next((w.url for w in workers), "http://127.0.0.1")
    if not any(model in w.models for w in workers):
        unsaid = f"it will as soon as routes come from {follows}" if follows else "see `fairlead doctor`"
        why = "; ".join(dict.fromkeys(w.refused for w in workers if w.refused)) or unsaid
        log(f"{model} does not answer: {why}")
    sys.stdout.write(f"ready: {model} at {url}/predict/{model} (metrics {url}/metrics, health {url}/health/ready)\n")
    sys.stdout.flush()
