"""Following a control plane: its routes become this home's, and its last good ones stay when it is gone.

One worker of a home follows, whoever holds the lock; when that one is killed, another goes on. What was taken is kept
as it was signed (`routes.signed`) and checked again at every start, so a server begins with the last good copy
whether or not the control plane answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused, FairleadError, FormatUnknown, RemoteError, UsageError
from fairlead.contract.routes import Routes
from fairlead.runtime.bundle import BundleStore
from fairlead.runtime.serve import routes as published
from fairlead.runtime.serve.remote import document as documents
from fairlead.runtime.serve.remote.source import Source, token_in
from fairlead.runtime.serve.remote.standing import Standing, tell
from fairlead.runtime.serve.remote.taking import bundles_of, lacking, let_go, sweep, take_bundles
from fairlead.runtime.serve.workers import WorkerStatus, live_workers

COPY = "routes.signed"
LEASE_S = 5.0
SAY_S = 15.0
SOON_S = 0.3
LONGEST_S = 15.0
_log = logging.getLogger("fairlead.serve")


def required_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys whose signature counts. Raises UsageError for none, or for what is no key."""
    if not keys or any(len(key) != 64 or set(key.lower()) - set("0123456789abcdef") for key in keys):
        raise UsageError(
            "routes by URL need the control plane's public key (64 hex characters; `fairlead routes` prints it): "
            "give it as --routes-key or [serve] routes_keys."
        )
    return keys


class Follower:
    """A home that follows a URL. keys: hex public keys of who may decide. every_s: between two looks."""

    def __init__(
        self, home: Path, url: str, keys: tuple[str, ...], *, insecure: bool = False, every_s: float = 2.0,
        environ: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.home, self._keys, self._every_s = Path(home), required_keys(keys), every_s
        self._source = Source(url, token_in(dict(os.environ) if environ is None else environ), insecure)
        self._store = BundleStore(self.home / "bundles")
        self._etag = ""
        self._document: documents.Document | None = None
        self.standing = Standing()
        self._told = 0.0
        self._leased: tuple[list[WorkerStatus], float] | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take the last good copy, if there is one: what is on this volume, signature and all, goes before nothing."""
        sweep(self._store)
        try:
            data = (self.home / COPY).read_bytes()
        except FileNotFoundError:
            return
        try:
            found = documents.opened(data, self._keys)
        except (BundleRefused, FormatUnknown) as refused:
            _log.error("the copy of the routes on this volume does not hold: %s", refused)
            return
        self._document = found
        if not lacking(self._store, found.routes):
            # Else it is asked for again, and what is missing is fetched.
            self._etag = documents.etag_of(data)
        self._publish(found.routes)
        self._stand(epoch=found.epoch, generation=found.routes.generation)

    def once(self) -> bool:
        """Look once; whether there was something new.

        Raises RemoteError where the control plane cannot be reached or what it names cannot be fetched, BundleRefused
        for what does not hold or is older than what was obeyed: nothing changes then.
        """
        buffer = io.BytesIO()
        reply = self._source.get("", buffer, documents.MOST_BYTES, self._etag)
        if reply.status == 304:
            return False
        if reply.status != 200:
            raise RemoteError(f"the control plane answers with {reply.status}")
        data = buffer.getvalue()
        found = documents.opened(data, self._keys)
        before = self._document
        if before is not None:
            if found.number < before.number:
                raise BundleRefused(
                    f"the routes are older (epoch {found.epoch}, generation {found.routes.generation}) than those "
                    f"obeyed (epoch {before.epoch}, generation {before.routes.generation})"
                )
            if found.number == before.number and found != before:
                raise BundleRefused(f"two different routes bear generation {found.routes.generation}")
        take_bundles(self._source, self._store, found.routes)
        self._etag = documents.etag_of(data)
        if found == before:
            return False
        # The signed copy first: a kill between the two is made good by `begin`.
        published.write_atomic(self.home / COPY, data)
        self._publish(found.routes)
        self._document = found
        let_go(self._store, (*bundles_of(found.routes), *(bundles_of(before.routes) if before else ())))
        self._stand(epoch=found.epoch, generation=found.routes.generation)
        return True

    def _publish(self, routes: Routes) -> None:
        """For the workers of this home, where they have others, or none that can be read."""
        with contextlib.suppress(FairleadError):
            if published.read(self.home / published.FILE) == routes:
                return
        published.publish(self.home / published.FILE, routes)

    def lease(self) -> None:
        """Say which workers live here and what they answer with: when that changed, or in time. Raises RemoteError."""
        live, now = live_workers(self.home, lanes=True), time.monotonic()
        if self._leased is not None and self._leased[0] == live and now - self._leased[1] < LEASE_S:
            return
        status = self._source.post("lease", msgspec.json.encode(live))
        # A control plane that is a folder of files behind a web server takes no leases.
        if status not in {200, 204, 404, 405}:
            raise RemoteError(
                f"the control plane does not take this server's lease ({status}): is its name taken? [serve] instance "
                "gives it another"
            )
        self._leased = (live, now)

    def start(self) -> None:
        """Follow in a thread until `close`."""
        self._thread = threading.Thread(target=self._follow, name="fairlead-follow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; what is being fetched is given up."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _follow(self) -> None:
        run = self.home / "run"
        run.mkdir(parents=True, exist_ok=True)
        lock = os.open(run / "routes-follow.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(lock):
                if self._over.wait(min(self._every_s, 1.0)):
                    return
            failures = 0
            self._safely(self.begin)
            while not self._over.is_set():
                failures = 0 if self._safely(self._pass) else failures + 1
                self._over.wait(min(self._every_s * 2 ** min(failures, 8), max(LONGEST_S, self._every_s)))
        finally:
            os.close(lock)
            self._source.close()

    def _pass(self) -> None:
        new = self.once()
        self._stand(reachable=True, reached=time.time(), refused="", unreachable="")
        if new:
            # The workers take a moment to obey: who deploys waits for their word.
            self._over.wait(SOON_S)
        self.lease()

    def _safely(self, step: Any) -> bool:
        try:
            step()
        except RemoteError as failed:
            self._stand(reachable=False, unreachable=str(failed))
        except FairleadError as refused:
            self._stand(reachable=True, reached=time.time(), refused=str(refused), unreachable="")
        except Exception as fault:
            _log.exception("following the routes failed once, going on")
            self._stand(reachable=False, unreachable=type(fault).__name__)
        else:
            return True
        return False

    def _stand(self, **changed: Any) -> None:
        before = self.standing
        self.standing = msgspec.structs.replace(before, **changed)
        for word in ("refused", "unreachable"):
            said = getattr(self.standing, word)
            if said and said != getattr(before, word):
                _log.error("the last good routes are obeyed on: %s", said)
        now = time.monotonic()
        same = msgspec.structs.replace(before, reached=0.0) == msgspec.structs.replace(self.standing, reached=0.0)
        if not same or not self._told or now - self._told >= SAY_S:
            self._told = now
            tell(self.home / "run", self.standing)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
