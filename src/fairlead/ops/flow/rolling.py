"""Rollouts as they are begun, grown and ended: who takes part with which share, and since when, stage by stage.

Stages are kept with the weights that held in them, so that for every record it is known how likely it was to meet the
variant that answered it, also after the shares have moved (a growing canary, a bandit).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fairlead.contract.errors import FairleadError, HeldByHuman, UsageError
from fairlead.contract.routes import Variant
from fairlead.ops.flow.workspace import RULE, Workspace
from fairlead.ops.rollout.ways import Mode, judged_by, note, refusal
from fairlead.ops.state import Intent, Rollout

MOST_CHALLENGERS = 4
MOST_STAGES = 1000
"""A bandit's weights move with every look; of those before the oldest kept nothing is concluded any more."""


class Stage(msgspec.Struct, frozen=True):
    """An interval of one split. since: when all workers answered by it; until: when another was published, 0 while it
    lasts (seconds since the epoch). event: event time it began at. weights: share by version, as text."""

    since: float
    event: float
    weights: dict[str, float]
    until: float = 0.0


class Way(msgspec.Struct, frozen=True):
    """How challengers are tried. share: of the requests, of all of them together. cohort: of a pilot, the column and
    its values; until: when it ends (seconds since the epoch); name, question: of a pilot, for its report."""

    mode: Mode
    share: float = 0.05
    column: str = ""
    cohort: tuple[str, ...] = ()
    until: float = 0.0
    name: str = ""
    question: str = ""


def challengers(intent: Intent) -> list[Variant]:
    """Those that are tried, in the order they were named."""
    return [v for v in intent.variants if v.name != "champion"]


def challenger_names(number: int) -> list[str]:
    """challenger, challenger-2, challenger-3, ..."""
    return ["challenger" if at == 1 else f"challenger-{at}" for at in range(1, number + 1)]


def stages_of(rollout: Rollout) -> list[Stage]:
    """Every split so far, oldest first; none of rollouts begun by an older version of Fairlead."""
    return [msgspec.convert(one, Stage) for one in rollout.details.get("stages", [])]


def way_of(rollout: Rollout) -> Way:
    """How it was begun."""
    return msgspec.convert(rollout.details.get("way", {"mode": rollout.details.get("mode", "canary")}), Way)


def start(
    ws: Workspace,
    versions: Sequence[int | None],
    way: Way,
    *,
    why: str,
    event_time: float | None = None,
    plan: Mapping[str, Any] | None = None,
) -> Any:
    """Let challengers be tried beside the champion. Raises UsageError, NotAttested, HeldByHuman, BundleRefused."""
    from fairlead.ops.flow import analysing, making, release

    require_way(ws, way, len(versions))
    chosen = [ws.state.version(ws.model, number) for number in versions]
    for one in chosen:
        making.require_attested(ws, one.bundle)
        # With no server running nobody else would notice that the store's copy no longer holds.
        ws.load(one.bundle)
    intent = ws.state.intent(ws.model)
    release.require_free(ws, intent)
    if intent is not None and intent.hold == "frozen":
        # Nobody would move it, and nobody take out one that fails.
        raise HeldByHuman(f"{ws.model} is frozen: no trial moves until `fairlead release` lifts that.")
    champion = next((v for v in intent.variants if v.name == "champion"), None) if intent else None
    if intent is None or champion is None:
        raise UsageError("there is no champion to compare with: deploy without --canary, --shadow or --ab first.")
    _check(way, champion, [(one.number, one.bundle) for one in chosen])
    variants = _variants(champion, [(one.number, one.bundle) for one in chosen], way)
    details = {"mode": way.mode, "share": way.share, "way": msgspec.to_builtins(way), "stages": []}
    if plan is None and way.mode != "pilot":
        plan = _planned(ws, chosen[0].number, way, len(chosen))
    if plan is not None:
        # Kept with the rollout: what a planned comparison looks at must not move with what it has seen.
        details |= {"plan": dict(plan), "rows": plan["rows"]}
    begun = max(release.unseen_from(ws, one.bundle) for one in chosen) if event_time is None else event_time
    new = Intent(
        model=ws.model,
        variants=variants,
        salt=secrets.token_hex(16),
        since=ws.clock(),
        why=why,
        decided_by="rule" if ws.actor == RULE else "person",
        hold=intent.hold if intent.hold == "pinned" else "",
        rollout=Rollout(chosen[0].number, float(begun), ws.clock(), details=details),
        # A trial leaves the champion's own predecessor where it was: it is gone back to when the trial is over.
        previous=intent.previous,
    )
    told = {"version": chosen[0].number, "bundle": chosen[0].bundle, "mode": way.mode, "share": way.share}
    if len(chosen) > 1:
        told["versions"] = [one.number for one in chosen]
    done = release.apply(ws, new, way.mode, why, told, upon=intent)
    # What is told until the watcher has looked must not be the verdict of a trial before.
    analysing.refresh(ws, new, {})
    return done


def _planned(ws: Workspace, version: int, way: Way, challengers: int) -> Mapping[str, Any] | None:
    """How long the trial will take, for one that a rule begins; None where that cannot be told."""
    from fairlead.ops.flow.planning import plan_of

    try:
        found = plan_of(ws, version, way.share, shadow=way.mode == "shadow", challengers=challengers)
    except (FairleadError, OSError, ValueError, LookupError):
        if ws.settings.rollout.design == "fixed":
            raise
        return None  # Looked at always, it needs no plan: what is only told holds nothing up.
    told: dict[str, Any] = msgspec.to_builtins(found)
    return told


def require_way(ws: Workspace, way: Way, challengers: int) -> None:
    """Raises UsageError where the settings of the project and this way do not go together."""
    rollout = ws.settings.rollout
    why = refusal(way.mode, rollout.objective, rollout.design, challengers)
    if why:
        raise UsageError(why)


def note_on(ws: Workspace, way: Way) -> str:
    """What is to be said of settings that do not decide in this way; "" of none."""
    rollout = ws.settings.rollout
    said = [note(way.mode, rollout.objective, rollout.design)]
    if judged_by(way.mode, rollout.objective) == "loss" and ws.settings.model.task == "clustering":
        said.append("of clusters no row is right or wrong, so no verdict comes of labels: a person ends it")
    if way.mode == "pilot":
        from fairlead.ops.flow.piloting import unseen

        said.append(unseen(ws, way.column, way.cohort))
    return "; ".join(one for one in said if one)


def _check(way: Way, champion: Variant, chosen: Sequence[tuple[int, str]]) -> None:
    if not chosen:
        raise UsageError("name the version that is to be tried.")
    if len(chosen) > MOST_CHALLENGERS:
        raise UsageError(f"at most {MOST_CHALLENGERS} versions are tried at once: each needs rows of its own.")
    if len({bundle for _, bundle in chosen}) < len(chosen):
        raise UsageError("a version is tried once: two of those named are the same.")
    for number, bundle in chosen:
        if bundle == champion.bundle:
            raise UsageError(f"version {number} is the champion already.")
    if way.mode in ("canary", "ab") and not 0.0 < way.share < 1.0:
        raise UsageError("a share lies between 0 and 1, as 5% or 0.05.")


def _variants(champion: Variant, chosen: Sequence[tuple[int, str]], way: Way) -> tuple[Variant, ...]:
    names = challenger_names(len(chosen))
    if way.mode == "shadow":
        rest = [Variant(n, b, v, weight=0.0, shadow=True) for n, (v, b) in zip(names, chosen, strict=True)]
        return (msgspec.structs.replace(champion, weight=1.0), *rest)
    if way.mode == "pilot":
        number, bundle = chosen[0]
        return (msgspec.structs.replace(champion, weight=1.0), Variant(names[0], bundle, number, weight=0.0))
    together = len(chosen) / (len(chosen) + 1.0) if way.mode == "bandit" else way.share
    each = together / len(chosen)
    rest = [Variant(n, b, v, weight=each) for n, (v, b) in zip(names, chosen, strict=True)]
    return (msgspec.structs.replace(champion, weight=1.0 - together), *rest)


def note_stage(ws: Workspace, intent: Intent, event: float | None = None) -> None:
    """Every worker answers by this split now: a stage begins here.

    What came while the split was being published was split in either way, and belongs to no stage.
    """
    if intent.rollout is None:
        return
    weights = {str(v.version): float(v.weight) for v in intent.variants}
    begun = ws.clock()
    since = Stage(begun, float(intent.rollout.started_event if event is None else event), weights)
    with ws.state.transaction():
        known = ws.state.intent(ws.model)
        if known is None or known.rollout is None or (known.salt, known.variants) != (intent.salt, intent.variants):
            return  # Somebody else has changed what answers meanwhile.
        stages = [*known.rollout.details.get("stages", []), msgspec.to_builtins(since)][-MOST_STAGES:]
        rollout = msgspec.structs.replace(known.rollout, details={**known.rollout.details, "stages": stages})
        # Of what is known now: a person may have pinned or frozen it while workers were asked.
        ws.state.set_intent(msgspec.structs.replace(known, rollout=rollout))


def _closed(ws: Workspace, rollout: Rollout) -> Rollout:
    """With its last stage ended now, before another split is published."""
    stages = list(rollout.details.get("stages", []))
    if stages and not stages[-1].get("until"):
        stages[-1] = {**stages[-1], "until": ws.clock()}
    return msgspec.structs.replace(rollout, details={**rollout.details, "stages": stages})


def weigh(ws: Workspace, weights: Mapping[int, float], *, why: str, event: float, anew: bool = False) -> Any:
    """Let the variants answer other shares, by version. anew: with a new salt, so that every caller is drawn again."""
    from fairlead.ops.flow import release

    intent, _, _ = release.split(ws)
    release.require_free(ws, intent)
    if intent.rollout is None:
        raise UsageError("no rollout is in progress.")
    total = sum(weights.values())
    variants = tuple(
        v if v.shadow else msgspec.structs.replace(v, weight=weights.get(v.version, 0.0) / total)
        for v in intent.variants
    )
    rollout = _closed(ws, intent.rollout)
    new = msgspec.structs.replace(
        intent,
        variants=variants,
        salt=secrets.token_hex(16) if anew else intent.salt,
        rollout=msgspec.structs.replace(rollout, stage=rollout.stage + 1),
    )
    told = {"weights": {str(v.version): round(v.weight, 6) for v in variants}}
    return release.apply(ws, new, "weigh", why, told, upon=intent, event=event)


def drop(ws: Workspace, version: int, *, why: str) -> Any:
    """One of several challengers goes; its share is the champion's again. The last one ends the rollout."""
    from fairlead.ops.flow import release

    intent, champion, _ = release.split(ws)
    gone = next((v for v in challengers(intent) if v.version == version), None)
    if gone is None or intent.rollout is None:
        raise UsageError(f"version {version} is not being tried.")
    if len(challengers(intent)) == 1:
        return release.end_rollout(ws, why=why)
    release.require_free(ws, intent, protects=True)
    variants = tuple(
        msgspec.structs.replace(v, weight=v.weight + gone.weight) if v.name == champion.name else v
        for v in intent.variants
        if v.version != version
    )
    new = msgspec.structs.replace(intent, variants=variants, rollout=_closed(ws, intent.rollout))
    told = {"ended": version, "champion": champion.version}
    return release.apply(ws, new, "end rollout", why, told, upon=intent)
