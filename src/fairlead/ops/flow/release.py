"""What answers: intents in the state database, published as routes.json, confirmed by every live worker."""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from fairlead.contract.errors import BundleRefused, HeldByHuman, UsageError
from fairlead.contract.expectations import Expected
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.ops.flow import making
from fairlead.ops.flow.admitting import admitted, routes_lock
from fairlead.ops.flow.contracted import expected_of
from fairlead.ops.flow.counting import begin_after
from fairlead.ops.flow.making import require_attested
from fairlead.ops.flow.workspace import RULE, Workspace
from fairlead.ops.state import FileLock, Intent

CONFIRM_S = 30.0
STAYING = ("pinned", "frozen")
"""Holds that last, whatever a person moves by hand, until `release`."""
APPROVAL = "approval"
"""Check of the finding that a challenger waits for a person (`retrain.approve = "manual"`)."""


class Deployed(msgspec.Struct, frozen=True):
    """confirmed: workers that answer with this generation; None when no server is running."""

    model: str
    variants: tuple[Variant, ...]
    generation: int
    confirmed: int | None
    previous: int | None = None


def route_of(ws: Workspace, intent: Intent) -> Route:
    """What the data plane is told about this model."""
    from fairlead.ops.flow.rolling import Way, way_of

    settings = ws.settings
    way = Way("canary") if intent.rollout is None else way_of(intent.rollout)
    return Route(
        model=ws.model,
        variants=tuple(intent.variants),
        sticky_by=way.column or settings.sticky,
        salt=intent.salt,
        sample=settings.capture.sample,
        redact=hidden(ws, (ws.load(variant.bundle).signature for variant in intent.variants)),
        purposes=settings.serve.purposes,
        expected=expected_now(ws, intent),
        cohort=way.cohort,
    )


def route_alone(ws: Workspace, bundle: str) -> Route:
    """What a data plane that has this bundle alone and no routes is told, as an image's is."""
    settings, signature = ws.settings, ws.load(bundle).signature
    return Route(
        model=ws.model,
        variants=(),
        sticky_by=settings.sticky,
        sample=settings.capture.sample,
        redact=hidden(ws, (signature,)),
        purposes=settings.serve.purposes,
        expected=expected_of(ws, signature) if settings.monitor.contract else None,
    )


def expected_now(ws: Workspace, intent: Intent) -> Expected | None:
    """The rules of the data contract for the door, where there is one and something answers."""
    if not ws.settings.monitor.contract or not intent.variants:
        return None
    return expected_of(ws, ws.load(intent.variants[0].bundle).signature)


def hidden(ws: Workspace, signatures: Iterable[Signature]) -> tuple[str, ...]:
    """Columns that are stored as their keyed hash: those that the settings name, and all tensors where they say so."""
    capture = ws.settings.capture
    if capture.tensors:
        return capture.redact
    tensors = [c.name for signature in signatures for c in signature.columns if c.kind == "tensor"]
    return tuple(dict.fromkeys((*capture.redact, *tensors)))


def publish(ws: Workspace, intent: Intent) -> Deployed:
    """Write routes.json and wait until every live worker answers with it, or put the old routes back.

    Routes of other models in the same home stay as they are. Raises BundleRefused when a worker refused.
    """
    from fairlead.runtime.serve import confirm
    from fairlead.runtime.serve import publish as replace_routes
    from fairlead.runtime.serve import read as read_routes

    with routes_lock(ws):
        before = read_routes(ws.home.routes)
        routes = _changed(ws, before, (route_of(ws, intent),))
        replace_routes(ws.home.routes, routes)
    generation = routes.generation
    variants = routes_variants(routes, ws.model)
    confirmation = confirm(ws.home.root, generation, timeout_s=CONFIRM_S)
    if confirmation.workers == 0:
        return Deployed(ws.model, variants, generation, None)
    if not confirmation.confirmed:
        # Back to what answered before, under a newer number, so that no worker keeps waiting for this one.
        with routes_lock(ws):
            mine = tuple(r for r in before.routes if r.model == ws.model)
            back = msgspec.structs.replace(
                _changed(ws, read_routes(ws.home.routes), mine), default=before.default, limits=before.limits
            )
            replace_routes(ws.home.routes, back)
        raise BundleRefused(f"workers did not take the new routes: {'; '.join(confirmation.refused)}")
    return Deployed(ws.model, variants, generation, confirmation.workers)


def _changed(ws: Workspace, before: Routes, mine: tuple[Route, ...]) -> Routes:
    """Routes of the next generation: `mine` for this model, those of others as they are, and who may ask now."""
    others = tuple(r for r in before.routes if r.model != ws.model)
    return Routes(
        generation=max(ws.state.next_generation(), before.generation + 1),
        routes=tuple(sorted((*others, *mine), key=lambda r: r.model)),
        default=before.default or ws.model,
        trusted=ws.trusted,
        redact_key=ws.redact_key,
        limits=limits_of(ws.settings),
        **admitted(ws),
    )


def limits_of(settings: Settings) -> Limits:
    """Bounds of a server as the settings name them."""
    serve, capture = settings.serve, settings.capture
    return Limits(
        max_body_bytes=int(serve.max_body_mb * 1024 * 1024),
        max_queue=serve.max_queue,
        timeout_s=serve.timeout_s,
        max_spool_bytes=int(capture.max_spool_mb * 1024 * 1024),
        batch_bytes=serve.batch_kb * 1024,
        max_models_bytes=serve.models_mb * 1024 * 1024,
    )


def routes_variants(routes: Routes, model: str) -> tuple[Variant, ...]:
    """The variants of one model."""
    return next((r.variants for r in routes.routes if r.model == model), ())


def applying(ws: Workspace) -> FileLock:
    """Held from before an intent is recorded until it answers or is taken back: whoever else holds it next finds
    routes that say what is intended, or those of a process that was killed in between (`catching_up.py`)."""
    return FileLock(ws.home.run / f"apply-{ws.model}.lock")


def apply(
    ws: Workspace,
    intent: Intent,
    action: str,
    why: str,
    details: dict[str, Any],
    *,
    upon: Intent | None,
    event: float | None = None,
) -> Deployed:
    """Make an intent true: record it, publish it, and take it back if a worker refuses.

    upon: the intent that this one was made from. event: time at which its stage of a rollout begins, where it is not
    that of the rollout. Raises UsageError where something else is intended by now, BundleRefused.
    """
    from fairlead.ops.flow.rolling import note_stage

    with applying(ws):
        with ws.state.transaction():
            before = ws.state.intent(ws.model)
            _require_same(upon, before)
            remember(ws, intent)
            begin_after(ws, before.variants if before else (), intent.variants)
            ws.audit.record(ws.actor, action, ws.model, why, details)
        try:
            done = publish(ws, intent)
        except BundleRefused as refusal:
            _take_back(ws, intent, before, f"{action} undone", refusal)
            raise
        note_stage(ws, intent, event)
        return done


def _require_same(upon: Intent | None, now: Intent | None) -> None:
    """Raises UsageError where others have changed what answers, or held it, since `upon` was read."""
    if upon is None or now is None:
        same = upon is now
    else:
        same = (upon.variants, upon.salt, upon.hold) == (now.variants, now.salt, now.hold)
    if not same:
        raise UsageError("what answers was changed meanwhile by another hand: see `fairlead status`, then try again.")


def _take_back(ws: Workspace, refused: Intent, before: Intent | None, action: str, refusal: BundleRefused) -> None:
    with ws.state.transaction():
        now = ws.state.intent(ws.model)
        begin_after(ws, refused.variants, before.variants if before else ())
        # A first deployment that was refused leaves an intent that names nothing.
        back = before or msgspec.structs.replace(refused, variants=(), rollout=None)
        if now is not None and now.hold != refused.hold:
            # A person pinned or froze the model while workers were asked: that stays.
            back = msgspec.structs.replace(back, hold=now.hold, why=now.why, decided_by=now.decided_by)
        remember(ws, back)
        if before is None:
            ws.state.drop_alias(ws.model, "champion")
        ws.audit.record(ws.actor, action, ws.model, str(refusal), {})


def remember(ws: Workspace, intent: Intent) -> None:
    """Record an intent with the aliases that follow from it; a trial that is over waits for nobody any more."""
    ws.state.set_intent(intent)
    for variant in intent.variants:
        ws.state.set_alias(ws.model, variant.name, variant.version)
    named = {v.name for v in intent.variants}
    for alias in ws.state.aliases(ws.model):
        if alias.startswith("challenger") and alias not in named:
            ws.state.drop_alias(ws.model, alias)
    if len(named) > 1:
        return
    for finding in ws.state.findings(ws.model):
        if finding.check == APPROVAL:
            ws.state.close_finding(finding.id, ws.clock())


def require_free(ws: Workspace, intent: Intent | None, *, protects: bool = False) -> None:
    """The automatic hand never acts past a human's decision. Raises HeldByHuman.

    protects: what is to be done takes a challenger out, which leaves a pinned champion as it is.
    """
    if protects and intent is not None and intent.hold == "pinned":
        return
    if ws.actor == RULE and intent is not None and intent.hold:
        raise HeldByHuman(f"{ws.model} was {intent.hold.replace('_', ' ')} by a person; `fairlead release` lifts that.")


Mode = Literal["replace", "canary", "shadow", "ab"]


def deploy(
    ws: Workspace,
    version: int | None = None,
    *,
    mode: Mode = "replace",
    share: float = 0.05,
    why: str = "deployed",
    event_time: float | None = None,
) -> Deployed:
    """Let a version answer: alone, or as challenger beside the champion with `share` of the requests.

    event_time: rows from then on are compared; those that neither has seen when left out.
    Refuses what no passing attestation vouches for (NotAttested) and what does not verify (BundleRefused).
    A shadow is asked, too, but answers nobody. Further ways to try one, and several: `rolling.start`.
    """
    if mode != "replace":
        from fairlead.ops.flow import rolling

        tried: Deployed = rolling.start(ws, (version,), rolling.Way(mode, share), why=why, event_time=event_time)
        return tried
    chosen = ws.state.version(ws.model, version)
    require_attested(ws, chosen.bundle)
    # With no server running nobody else would notice that the store's copy no longer holds.
    ws.load(chosen.bundle)
    intent = ws.state.intent(ws.model)
    require_free(ws, intent)
    champion = next((v for v in intent.variants if v.name == "champion"), None) if intent else None
    new = Intent(
        model=ws.model,
        variants=(Variant("champion", chosen.bundle, chosen.number),),
        salt=secrets.token_hex(16),
        since=ws.clock(),
        why=why,
        decided_by="rule" if ws.actor == RULE else "person",
        # A person may, and what was to stay out of the rules' hands until `release` stays out of them.
        hold=intent.hold if intent is not None and intent.hold in STAYING else "",
        previous=_before(intent, champion, chosen.number),
    )
    told = {"version": chosen.number, "bundle": chosen.bundle, "mode": mode}
    return apply(ws, new, "deploy", why, told, upon=intent)


def _before(intent: Intent | None, champion: Variant | None, version: int) -> int | None:
    """What to go back to from a version that is deployed: who answers again comes after what it came after."""
    if intent is None or champion is None:
        return None
    return intent.previous if champion.version == version else champion.version


def unseen_from(ws: Workspace, bundle: str) -> float:
    """Event time from which rows are fair to compare a challenger on: it was neither fitted nor judged on them."""
    from fairlead.lab.tables import event_times
    from fairlead.ops.flow.tracker import read_tracker

    model = ws.settings.model
    if not model.time_columns:
        return ws.clock()
    remembered = making.kept(ws, bundle)
    known = [read_tracker(ws).judged, ws.load(bundle).manifest.lineage.trained_to]
    if remembered is not None:
        with contextlib.suppress(UsageError):
            known += event_times(making.kept_rows(ws, remembered.holdout), model.time_columns, model.timezone).tolist()
    return math.nextafter(max(known), math.inf)


def split(ws: Workspace) -> tuple[Intent, Variant, Variant | None]:
    """The intent with its champion and challenger. Raises UsageError when nothing is deployed."""
    intent = ws.state.intent(ws.model)
    if intent is None or not intent.variants:
        raise UsageError(f"{ws.model} is not deployed: run `fairlead deploy` first.")
    champion = next(v for v in intent.variants if v.name == "champion")
    challenger = next((v for v in intent.variants if v.name != "champion"), None)
    return intent, champion, challenger


def promote(ws: Workspace, *, why: str = "promoted by hand", version: int | None = None) -> Deployed:
    """A challenger becomes champion and takes all requests; version: which, where several are tried."""
    intent, champion, challenger = split(ws)
    require_free(ws, intent)
    if challenger is None:
        raise UsageError("no rollout is in progress: there is no challenger to promote.")
    tried = {v.version: v for v in intent.variants if v.name != "champion"}
    if version is None and len(tried) > 1:
        raise UsageError(
            f"versions {', '.join(map(str, tried))} are being tried: say which, as `promote {max(tried)}`."
        )
    if version is not None:
        if version not in tried:
            raise UsageError(f"version {version} is not being tried: {', '.join(map(str, tried))} is.")
        challenger = tried[version]
    require_attested(ws, challenger.bundle)
    new = msgspec.structs.replace(
        intent,
        variants=(Variant("champion", challenger.bundle, challenger.version),),
        since=ws.clock(),
        why=why,
        decided_by="rule" if ws.actor == RULE else "person",
        rollout=None,
        previous=champion.version,
    )
    details = {"version": challenger.version, "previous": champion.version}
    done = apply(ws, new, "promote", why, details, upon=intent)
    return msgspec.structs.replace(done, previous=champion.version)


def end_rollout(ws: Workspace, *, why: str) -> Deployed:
    """The challengers go, the champion takes all requests again."""
    intent, champion, challenger = split(ws)
    require_free(ws, intent, protects=True)
    if challenger is None:
        raise UsageError("no rollout is in progress.")
    new = msgspec.structs.replace(
        intent,
        variants=(msgspec.structs.replace(champion, weight=1.0),),
        since=ws.clock(),
        why=why,
        decided_by="rule" if ws.actor == RULE else "person",
        rollout=None,
    )
    told = {"ended": challenger.version, "champion": champion.version}
    return apply(ws, new, "end rollout", why, told, upon=intent)


def roll_back(ws: Workspace, *, why: str = "rolled back by hand") -> Deployed:
    """End a rollout if there is one, else go back to the champion before this one.

    Done by a person it also holds the model, so that no rule moves it again until `release`; a hold of before stays.
    """
    intent, champion, challenger = split(ws)
    require_free(ws, intent)
    if challenger is not None:
        target = champion
    elif intent.previous is None or intent.previous == champion.version:
        raise UsageError(f"{ws.model} has no earlier champion to go back to than version {champion.version}.")
    else:
        earlier = ws.state.version(ws.model, intent.previous)
        # It has answered before: whoever has to approve today must not keep a bad model in place.
        require_attested(ws, earlier.bundle, approved=False)
        target = Variant("champion", earlier.bundle, earlier.number)
    by_rule = ws.actor == RULE
    new = msgspec.structs.replace(
        intent,
        variants=(msgspec.structs.replace(target, weight=1.0),),
        since=ws.clock(),
        why=why,
        decided_by="rule" if by_rule else "person",
        hold="" if by_rule else intent.hold if intent.hold in STAYING else "rolled_back",
        rollout=None,
        previous=None if challenger is None else intent.previous,
    )
    gone = challenger.version if challenger else champion.version
    done = apply(ws, new, "roll back", why, {"from": gone, "to": target.version}, upon=intent)
    # Where a trial was ended the champion is the same as before.
    return msgspec.structs.replace(done, previous=None if challenger else gone)


def hold(ws: Workspace, kind: Literal["pinned", "frozen", ""], *, why: str) -> Intent:
    """pin (this champion stays), freeze (nothing moves, not even a rollout) or release (rules may act again)."""
    # Read where it is written: what was promoted a moment ago must not be taken back by holding it.
    with ws.state.transaction():
        intent, champion, _ = split(ws)
        new = msgspec.structs.replace(intent, hold=kind, why=why, decided_by="person")
        ws.state.set_intent(new)
        ws.audit.record(ws.actor, kind or "release", ws.model, why, {"champion": champion.version})
    return new
