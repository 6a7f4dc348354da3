"""The models of a worker: which are loaded, which sleep until they are asked, and who has to go when memory is short.

A few models without a bound are loaded at once. Many models, or a bound, and each is loaded when first asked; the
least recently used are let go. One bundle that cannot be loaded is one model that cannot be asked.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fairlead.contract.errors import BundleRefused, FairleadError, ModelNotFound, ModelUnavailable
from fairlead.contract.routes import Route, Routes
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.deployed import Deployed, Find, Load, Model, Serving, deploy, load_variant

AT_ONCE = 16
"""Models up to which all are loaded at once when memory has no bound."""

RETRY_S = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_log = logging.getLogger("fairlead.serve")


class Fleet:
    """What the published routes mean in this process. Its methods may be called by any thread, one after the other."""

    def __init__(
        self, find: Find, load: Load, counters: Counters, aliases: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._find, self._load, self._counters, self._aliases = find, load, counters, aliases
        self._routes = Routes(0)
        self._models: dict[str, Model] = {}
        self._bytes: dict[str, int] = {}
        self._awake: dict[str, Deployed] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.refused: tuple[str, ...] = ()

    def take(self, routes: Routes) -> Serving:
        """What these routes serve; models that run already are kept.

        Raises BundleRefused before anything that runs is touched: on the first routes when no model can be served,
        later for any route that changed and cannot be. `refused` says which models the first routes could not have.
        """
        with self._lock:
            _check(routes)
            first = self._routes.generation == 0
            trusting = set(self._routes.trusted) <= set(routes.trusted)
            # A key that is no longer trusted takes its bundles along.
            models = dict(self._models) if trusting else {}
            before = {route.model: route for route in self._routes.routes} if trusting else {}
            same_key = routes.redact_key == self._routes.redact_key
            awake: dict[str, Deployed] = {}
            failed: dict[str, tuple[float, str]] = {}
            for route in routes.routes:
                old = self._awake.get(route.model)
                unchanged = before.get(route.model) == route
                if old is not None and unchanged and same_key:
                    awake[route.model] = old
                elif self._due(routes, route, first, unchanged):
                    try:
                        awake[route.model] = self._deploy(route, routes, models)
                    except BundleRefused as why:
                        if not first or len(routes.routes) == 1:
                            raise
                        failed[route.model] = (time.monotonic(), str(why))
            if failed and not awake and not _lazy(routes):
                raise BundleRefused(next(iter(failed.values()))[1])
            self._routes, self._awake, self._failed, self._models = routes, awake, failed, models
            self.refused = tuple(why for _, why in failed.values())
            self._trim(keep="")
            return self._serving()

    def wake(self, model: str) -> Serving:
        """Load a model that sleeps. Raises ModelUnavailable with the reason it cannot be served, ModelNotFound."""
        with self._lock:
            if model in self._awake:
                return self._serving()
            route = next((route for route in self._routes.routes if route.model == model), None)
            if route is None:
                raise ModelNotFound("no such model")
            tried, why = self._failed.get(model, (0.0, ""))
            if why and time.monotonic() - tried < RETRY_S:
                raise ModelUnavailable(model, why)
            try:
                self._awake[model] = self._deploy(route, self._routes, self._models)
            except FairleadError as refused:
                self._failed[model] = (time.monotonic(), str(refused))
                _log.error("model %s cannot be loaded: %s", model, refused)
                raise ModelUnavailable(model, str(refused)) from refused
            self._failed.pop(model, None)
            self._trim(keep=model)
            return self._serving()

    def rest(self, model: str) -> Serving:
        """Let a model go until it is asked again. Raises ModelNotFound."""
        with self._lock:
            if self._awake.pop(model, None) is None:
                raise ModelNotFound("no such model is loaded")
            self._let_go()
            return self._serving()

    @property
    def failing(self) -> bool:
        """Whether a model could not be loaded and none of its bundles runs."""
        return bool(self._failed)

    def _due(self, routes: Routes, route: Route, first: bool, unchanged: bool) -> bool:
        """Whether a route is loaded now: always without need to save, else where it is new, so a deploy is checked."""
        if not _lazy(routes) or route.model == routes.default:
            return True
        return not first and not unchanged

    def _deploy(self, route: Route, routes: Routes, models: dict[str, Model]) -> Deployed:
        loaded: dict[str, Model] = {}
        for taken in route.variants:
            known = models.get(taken.bundle)
            if known is None and taken.bundle not in loaded:
                before = _resident()
                loaded[taken.bundle] = load_variant(taken, routes, self._find, self._load)
                self._bytes[taken.bundle] = max(_resident() - before, _size(self._find, taken.bundle))
        # Models join only with their route: one that is refused leaves nothing behind.
        made = deploy(route, {**models, **loaded}, self._counters)
        models |= loaded
        return made

    def _trim(self, keep: str) -> None:
        """Least recently used go until the rest fits. keep: stays, as does the default model."""
        most = self._routes.limits.max_models_bytes
        kept = {keep, self._routes.default}
        gone = False
        while most and self._taken() > most:
            able = [one for name, one in self._awake.items() if name not in kept]
            if not able:
                break
            oldest = min(able, key=lambda one: one.used)
            del self._awake[oldest.route.model]
            gone = True
        if gone or len(self._models) > len(self._wanted()):
            self._let_go()

    def _let_go(self) -> None:
        wanted = self._wanted()
        self._models = {bundle: model for bundle, model in self._models.items() if bundle in wanted}
        gc.collect()
        _give_back()

    def _wanted(self) -> set[str]:
        return {taken.bundle for one in self._awake.values() for taken in one.route.variants}

    def _taken(self) -> int:
        return sum(self._bytes.get(bundle, 0) for bundle in self._wanted())

    def _serving(self) -> Serving:
        asleep = {route.model: route for route in self._routes.routes if route.model not in self._awake}
        return Serving(self._routes, list(self._awake.values()), self._counters, self._aliases, asleep)


def _lazy(routes: Routes) -> bool:
    return len(routes.routes) > AT_ONCE or routes.limits.max_models_bytes > 0


def _check(routes: Routes) -> None:
    try:
        key = bytes.fromhex(routes.redact_key)
    except ValueError:
        raise BundleRefused("routes.json: redact_key is not hexadecimal") from None
    if any(route.redact for route in routes.routes) and not 0 < len(key) <= 64:
        raise BundleRefused("routes.json: redaction needs a redact_key of 1 to 64 bytes")


def _resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _size(find: Find, bundle: str) -> int:
    try:
        return sum(path.stat().st_size for path in find(bundle).rglob("*") if path.is_file())
    except (OSError, FairleadError):
        return 0


def _give_back() -> None:
    """Freed memory to the system, where the C library keeps it otherwise."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
