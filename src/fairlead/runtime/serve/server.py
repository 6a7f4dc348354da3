"""A server in the foreground: the one place that wires a home or a bundle to a transport."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused, FairleadError, UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.contract.settings import AccessSettings, CaptureSettings, ServeSettings, TelemetrySettings
from fairlead.runtime.capture.tended import take_keys
from fairlead.runtime.native.form import NativeTerms
from fairlead.runtime.serve import routes as published
from fairlead.runtime.serve.access import closed_to_all, issuers_of, keys_of_environment, require_safe
from fairlead.runtime.serve.counters import slot_files
from fairlead.runtime.serve.grpc_door.port import held_port
from fairlead.runtime.serve.instances import held_instance, run_folder
from fairlead.runtime.serve.lane import Door
from fairlead.runtime.serve.observing.opening import prepare
from fairlead.runtime.serve.terms import redact_key_of
from fairlead.runtime.serve.worker import FACTORY, follower_of
from fairlead.runtime.serve.workers import url_of

Say = Callable[[str], None]


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to serve from, and how.

    home: routes, bundles, spool and run/ are there. bundle: serve this folder alone, whatever the routes say;
    records are kept only if there is a home, too. trusted: hex public keys for `bundle`; empty: its own
    signer's, which is said as a warning. workers: processes. instance: name of this server in spool and run/;
    empty: that of the machine. transport: empty is what `server` says. aliases: further paths of the default model ->
    codec spoken there. server, access, capture, telemetry: what fairlead.toml says beyond the fields here; workers
    get them as they are.
    probes: further paths that say whether there is a model to ask (what a platform asks for).
    native: terms for models that run code of their own; None: bundles with such a model are refused.
    route: of `bundle`, what is redacted, sampled and expected of its requests; None: nothing.
    """

    home: Path | None = None
    bundle: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    trusted: tuple[str, ...] = ()
    limits: Limits = Limits()
    instance: str = ""
    transport: str = ""
    load: str = ""
    aliases: dict[str, str] = {}
    probes: tuple[str, ...] = ()
    server: ServeSettings = ServeSettings()
    access: AccessSettings = AccessSettings()
    capture: CaptureSettings = CaptureSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    native: NativeTerms | None = None
    route: Route | None = None


def serve(options: ServeOptions, ready: Say = lambda url: None, warn: Say = lambda text: None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. On the main thread alone.

    ready: called once with the URL, when the first worker accepts; where there is gRPC, its address follows after a
    space. warn: told what the operator should know.
    Raises BundleRefused for a bundle whose seal does not hold, UsageError for an address that is taken,
    WorkersDied where no worker can start.
    """
    if options.home is None and options.bundle is None:
        raise UsageError("nothing to serve: give a home or a bundle.")
    require_safe(options.host, options.server)
    transport = variant("transport", options.transport or options.server.transport)()
    prepare(options.telemetry)
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(run_folder(options.home))
        instance = stack.enter_context(held_instance(run, options.instance))
        settings: dict[str, Any] = {"run": str(run), "instance": instance, "load": options.load, "host": options.host}
        handed = ("aliases", "probes", "server", "access", "capture", "telemetry", "native")
        settings |= {name: getattr(options, name) for name in handed}
        if options.home is not None:
            take_keys(options.home, options.capture.encrypt)
            settings["home"] = str(options.home)
            _follows(settings, warn)
        if options.bundle is not None:
            settings["bundle"] = str(options.bundle)
            settings["fixed"] = fixed_routes(options, warn)
        _warn_if_closed(options, settings.get("fixed"), warn)
        for kind, suffix in (("counters", ".bin"), ("worker", ".json"), ("errors", ".json")):
            for old in slot_files(run, kind, instance, suffix):
                old.unlink()
        if options.server.batch_kb:
            settings |= {"door": stack.enter_context(contextlib.closing(Door())), "factory": FACTORY}
        if options.server.explain_rows and not options.load:
            settings["explain_door"] = stack.enter_context(contextlib.closing(Door()))
        grpc, scheme = "", "https" if options.server.tls_certificate else "http"
        if options.server.grpc_port is not None:
            number = stack.enter_context(held_port(options.host, options.server.grpc_port))
            settings["server"] = msgspec.structs.replace(options.server, grpc_port=number)
            grpc = " " + url_of(scheme, options.host, number).replace("http", "grpc", 1)
        _preload(bool(options.load))
        transport.serve(
            FACTORY, options.host, options.port, options.workers, settings,
            lambda host, port: ready(url_of(scheme, host, port) + grpc),
        )  # fmt: skip


def _follows(settings: dict[str, Any], warn: Say) -> None:
    """Routes by URL: what cannot be is said before anything starts, and the last good copy is there before a worker."""
    follower = follower_of(settings)
    if follower is None:
        return
    follower.begin()
    if not follower.standing.generation:
        warn("no routes have come from the control plane yet: there is nothing to answer until it is reached")


def _warn_if_closed(options: ServeOptions, fixed: Routes | None, warn: Say) -> None:
    """What is published now decides; a home without routes yet has no keys either."""
    with contextlib.suppress(FairleadError):
        routes = fixed if fixed is not None or options.home is None else published.read(options.home / published.FILE)
        told = closed_to_all(options.host, options.server, options.access, routes or Routes(0))
        if told:
            warn(told)


def fixed_routes(options: ServeOptions, warn: Say) -> Routes:
    """Routes for one bundle, checked before any worker starts. Raises BundleRefused."""
    assert options.bundle is not None
    trusted = options.trusted
    if options.load:
        identity, name = options.bundle.name, options.bundle.name
    else:
        from fairlead.runtime.bundle import inspect, verify
        from fairlead.runtime.bundle.native_model import check_trust

        if not trusted:
            signer = _signer(inspect(options.bundle, ()))
            warn(f"trusting the bundle's own signer {signer[:16]}, as no trusted key was given")
            trusted = (signer,)
        verified = verify(options.bundle, trusted)
        check_trust(verified, options.native)
        identity, name = verified.id, verified.manifest.name
    route = options.route or Route(model=name, variants=())
    return Routes(
        generation=1,
        routes=(msgspec.structs.replace(route, model=name, variants=(Variant("champion", identity),)),),
        default=name,
        trusted=trusted,
        redact_key=redact_key_of(os.environ, options.home) if route.redact else "",
        limits=options.limits,
        keys=keys_of_environment(os.environ),
        issuers=issuers_of(options.access),
    )


def _signer(shown: dict[str, Any]) -> str:
    signer = (shown.get("seal") or {}).get("signer")
    if not isinstance(signer, str):
        raise BundleRefused("the bundle bears no seal that names its signer")
    return signer


def _preload(stand_in: bool) -> None:
    """Import what workers need before they are forked: they start at once and share the memory."""
    import fairlead.runtime.serve.plane

    if not stand_in:
        import onnxruntime  # noqa: F401

        import fairlead.runtime.bundle.run  # noqa: F401
