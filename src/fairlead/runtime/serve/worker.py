"""One worker of a server: finds its bundles, obeys the published routes, reports what it serves."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import FairleadError
from fairlead.contract.routes import Routes
from fairlead.runtime.capture.tended import open_spool
from fairlead.runtime.native.form import NativeTerms
from fairlead.runtime.serve import routes as published
from fairlead.runtime.serve.access import Doorkeeper
from fairlead.runtime.serve.counters import Counters, slot_files
from fairlead.runtime.serve.deployed import Find, Load, Serving
from fairlead.runtime.serve.explaining.door import Explaining
from fairlead.runtime.serve.fleet import Fleet
from fairlead.runtime.serve.lane import Lane
from fairlead.runtime.serve.metrics import Scene
from fairlead.runtime.serve.neighbours import Neighbours
from fairlead.runtime.serve.observing.opening import open_watch, scheme
from fairlead.runtime.serve.observing.pulse import Pulse
from fairlead.runtime.serve.pages import Pages
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.waking import Waker
from fairlead.runtime.serve.workers import STALE_S, WorkerStatus, birth, live_workers, report

if TYPE_CHECKING:
    from fairlead.runtime.serve.remote.following import Follower

POLL_S = 0.1
SYNC_S = 1.0
RETRY_S = 5.0
FACTORY = "fairlead.runtime.serve.worker:open_plane"
_log = logging.getLogger("fairlead.serve")


def open_plane(slot: int, settings: Mapping[str, Any]) -> DataPlane:
    """The factory that transports are given: a data plane that follows its routes by itself.

    settings: run (folder of reports and counters), instance, host, port, load ("module:function"), and either
    home or fixed (Routes) with bundle (its folder); keep_records (False: keep none); aliases, server,
    access, capture, telemetry as in `ServeOptions`; door (Door of the batch lane), explain_door (of
    the process that explains), role.
    """
    return Worker(slot, settings).plane


class Worker:
    """Holds the data plane of a slot and keeps it on the published generation, off the request path."""

    answers_by = DataPlane

    def __init__(self, slot: int, settings: Mapping[str, Any]) -> None:
        self._home = Path(settings["home"]) if settings.get("home") else None
        self._run = Path(settings["run"])
        self._fixed: Routes | None = settings.get("fixed")
        load, find = _tools(settings)
        instance = str(settings["instance"])
        self._status = WorkerStatus(
            pid=os.getpid(),
            slot=slot,
            instance=instance,
            machine=socket.gethostname(),
            birth=birth(os.getpid()),
            state="starting",
            generation=0,
            host=str(settings.get("host", "")),
            port=int(settings.get("port", 0)),
            started=time.time(),
            role=str(settings.get("role", "")),
            scheme=scheme(settings),
        )
        self._report()
        self._counters = Counters(counters_path(self._run, instance, slot))
        self._fleet = Fleet(find, load, self._counters, settings.get("aliases") or {})
        self._seen: tuple[int, int, int] | None = None
        self._retry = 0.0
        spool = None
        if self._home is not None and settings.get("keep_records", True):
            spool = open_spool(self._home, instance, str(slot), settings.get("capture"))
        self._spool = spool
        self._watcher = open_watch(self._counters, self._run, slot, settings, self.scene)
        neighbours = Neighbours(settings.get("probes") or (), self._rest, self._run)
        pages = Pages(self._counters, self._scene, self._watcher, neighbours)
        self._serving = Serving(Routes(0), (), self._counters)
        self.plane = self.answers_by(self._serving, pages, spool, self._counters, self._close, self._watcher)
        self.plane.counts_unusual = getattr(settings.get("server"), "anomalies", True)
        self._doorkeeper = Doorkeeper(self._run, instance, slot, settings)
        self.plane.admit_by(self._doorkeeper.access(Routes(0)))
        self.plane.waker = Waker(self._fleet, self.plane.swap, self.plane.answer, self.plane.refuse)
        door = settings.get("door")
        if door is not None:
            self.plane.lane = Lane(door.path, self.plane.answer_here)
        explain_door = settings.get("explain_door")
        if explain_door is not None:
            self.plane.explaining = Explaining(explain_door.path)
        self._over = threading.Event()
        self._follower = follower_of(settings)
        if self._follower is not None:
            self._follower.start()
        self._pulse = Pulse(self._run, instance, slot, self._status.role, self._counters, spool, self.plane.callers)
        self._follow()
        self._status = msgspec.structs.replace(self._status, state="serving")
        self._report()
        self._thread = threading.Thread(target=self._watch, name="fairlead-routes", daemon=True)
        self._thread.start()

    def _rest(self, model: str) -> None:
        """A model of many is let go until it is asked again."""
        self.plane.swap(self._fleet.rest(model))

    def scene(self) -> Scene:
        """What metrics are about now, for whoever has no request to ask for them by."""
        return self._scene(self._serving)

    def _scene(self, serving: Serving) -> Scene:
        """What /metrics is about: all slots of this server, whichever worker is asked."""
        instance = self._status.instance
        workers = [one for one in live_workers(self._run.parent, lanes=True) if one.instance == instance]
        return Scene(
            serving,
            slot_files(self._run, "counters", instance, ".bin"),
            workers,
            None if self._spool is None else self._spool.folder.parent,
            self._status.scheme,
            self._run,
        )

    def _report(self) -> None:
        try:
            report(self._run.parent, self._status)
        except OSError as failed:
            _log.error("cannot report to run/: %s", failed.strerror)

    def _follow(self) -> None:
        """Take the published generation, or say why not and go on with the one that runs."""
        if self._fixed is not None:
            if self._status.generation != self._fixed.generation:
                self._take(self._fixed)
            return
        assert self._home is not None
        path = self._home / published.FILE
        stamp = published.stamp(path)
        if stamp == self._seen and not (self._status.refused and time.monotonic() >= self._retry):
            return
        self._seen = stamp
        try:
            routes = published.read(path)
        except FairleadError as refused:
            self._refuse(self._status.generation + 1, str(refused))
            return
        if routes.generation != self._status.generation or self._status.refused:
            self._take(routes)

    def _take(self, routes: Routes) -> None:
        try:
            # First, and whatever becomes of the bundles: a key that was revoked is gone.
            self.plane.admit_by(self._doorkeeper.access(routes))
            serving = self._fleet.take(routes)
        except FairleadError as refused:
            self._refuse(routes.generation, str(refused))
            return
        except Exception as fault:
            _log.exception("routes of generation %d could not be taken", routes.generation)
            self._refuse(routes.generation, f"{type(fault).__name__} while loading")
            return
        self.plane.swap(serving)
        self._serving = serving
        self._status = msgspec.structs.replace(
            self._status,
            generation=routes.generation,
            models=tuple(serving.models),
            refused="",
            refused_generation=0,
        )
        for why in self._fleet.refused:
            self._refuse(routes.generation, why)
        self._report()

    def _refuse(self, generation: int, why: str) -> None:
        self._retry = time.monotonic() + RETRY_S
        if (self._status.refused, self._status.refused_generation) != (why, generation):
            _log.error("routes of generation %d refused: %s", generation, why)
            self._status = msgspec.structs.replace(self._status, refused=why, refused_generation=generation)
            self._report()

    def _watch(self) -> None:
        synced = reported = time.monotonic()
        while not self._pulse.wait(self._over, POLL_S):
            try:
                self._follow()
                now = time.monotonic()
                if now - synced >= SYNC_S:
                    synced = now
                    self._watcher.flush()
                if now - reported >= STALE_S / 3:
                    reported = now
                    self._report()
            except Exception:
                _log.exception("watching the routes failed once, going on")

    def _close(self) -> None:
        self._over.set()
        if self._follower is not None:
            self._follower.close()
        self._thread.join(timeout=5.0)
        self._pulse.close()
        self._doorkeeper.close()
        if self.plane.waker is not None:
            self.plane.waker.close()
        self._watcher.close()
        self._status = msgspec.structs.replace(self._status, state="stopping")
        self._report()


def counters_path(run: Path, instance: str, slot: int) -> Path:
    """The shared counters of a slot."""
    return run / f"counters-{instance}-{slot}.bin"


def follower_of(settings: Mapping[str, Any]) -> Follower | None:
    """Where the routes of this home come from, if from elsewhere. Raises UsageError for an address or key that is none.

    settings: as those of a worker; lanes leave following to the workers.
    """
    server = settings.get("server")
    if server is None or not server.routes or settings.get("fixed") is not None or settings.get("role"):
        return None
    from fairlead.runtime.serve.remote.following import Follower

    return Follower(
        Path(settings["home"]), server.routes, server.routes_keys,
        insecure=server.insecure, every_s=server.routes_every_s,
    )  # fmt: skip


def _tools(settings: Mapping[str, Any]) -> tuple[Load, Find]:
    module, _, name = str(settings.get("load") or "fairlead.runtime.bundle:load").partition(":")
    load: Any = getattr(import_module(module), name)
    terms: NativeTerms | None = settings.get("native")
    if terms is not None:
        # A worker that waited for one model's process would hold up every other model.
        load = partial(load, native=msgspec.structs.replace(terms, patient=False))
    bundle = settings.get("bundle")
    if bundle:
        return load, lambda _: Path(bundle)
    from fairlead.runtime.bundle import BundleStore

    store: Find = BundleStore(Path(settings["home"]) / "bundles").path
    return load, store
