"""What to do about what was found: pure, so that `up` and `rehearse` decide alike and a decision can be replayed.

At most one of retrain, canary, promote, end_rollout and roll_back comes out of a
call, alerts and holds beside it. Ids follow from what is decided about, not from
when: a pass repeated after a crash names the same decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fairlead.contract.events import Action, Decision, Finding
from fairlead.contract.settings import Settings
from fairlead.ops.flow.renewing import renewal
from fairlead.ops.flow.situation import Live, Situation, Trial
from fairlead.ops.flow.trying import on_trials


def decide(situation: Situation, findings: Sequence[Finding], settings: Settings, now: float) -> list[Decision]:
    """Decisions about one model. findings: all that are open, of any model; now: event time.

    A model that a person pinned, froze or rolled back gets alerts and a hold, nothing else. In a span of
    `rollout.freeze` nothing is tried or promoted; what protects (roll back, ending a trial) goes on.
    Raises ConfigInvalid when `retrain.when` cannot be read.
    """
    ours = [f for f in findings if f.model == situation.model]
    decisions = [_alert(situation, f, now) for f in ours if f.severity != "info"]
    champion = situation.champion
    if champion is None:
        return decisions
    if situation.held:
        why = f"a person {_DID[situation.held]} this model; only a person lifts that"
        return [*decisions, _decision(situation, "hold", now, why, (champion.bundle, situation.held))]
    if situation.guardrails and situation.previous is not None:
        return [*decisions, _roll_back(situation, champion, situation.previous, now)]
    if situation.rollout is not None:
        return [*decisions, *on_trials(situation, ours, settings, now, _decision, _promote)]
    if situation.candidate is not None:
        tried = situation.candidate
        if tried.lacks:
            why = f"version {tried.version} passed its gate and waits for approval by {', '.join(tried.lacks)}"
            return [*decisions, _decision(situation, "hold", now, why, (tried.bundle, *tried.lacks))]
        if situation.frozen is not None:
            why = f"version {tried.version} passed its gate and waits: {frozen_words(situation.frozen, settings)}"
            return [*decisions, _decision(situation, "hold", now, why, ("frozen", tried.bundle, situation.frozen[1]))]
        details = {"bundle": tried.bundle, "version": tried.version, "share": settings.rollout.start}
        why = f"passed its gate; tried on {settings.rollout.start:.0%} of requests" + _because(tried.why)
        return [*decisions, _decision(situation, "canary", now, why, (tried.bundle, repr(tried.made_at)), (), details)]
    return [*decisions, *_retrain(situation, champion, ours, settings, now)]


def frozen_words(frozen: tuple[float, str], settings: Settings) -> str:
    """A freeze in words. frozen: until when, seconds since the epoch, and the span of `rollout.freeze`."""
    until = datetime.fromtimestamp(frozen[0], ZoneInfo(settings.model.timezone))
    return f"nothing is changed until {until:%a %Y-%m-%d %H:%M} (rollout.freeze: {frozen[1]})"


_DID = {"pinned": "pinned", "frozen": "froze", "rolled_back": "rolled back"}


def _because(why: str) -> str:
    return f" (made because {why})" if why else ""


def _decision(
    situation: Situation,
    action: Action,
    now: float,
    why: str,
    about: tuple[str, ...],
    findings: Sequence[str] = (),
    details: dict[str, Any] | None = None,
) -> Decision:
    text = msgspec.json.encode([situation.model, action, list(about)])
    found = hashlib.sha256(text).hexdigest()[:24]
    return Decision(found, situation.model, action, now, why, tuple(findings), details or {})


def _alert(situation: Situation, finding: Finding, now: float) -> Decision:
    return _decision(situation, "alert", now, finding.message, ("finding", finding.id), (finding.id,))


def _roll_back(situation: Situation, champion: Live, previous: Live, now: float) -> Decision:
    why = f"the champion fails its guardrails: {', '.join(situation.guardrails)}"
    details = {"bundle": previous.bundle, "version": previous.version, "from": champion.bundle}
    # One that was given another chance by a person, and fails again, goes again.
    about = (champion.bundle, previous.bundle, repr(champion.released_at))
    return _decision(situation, "roll_back", now, why, about, (), details)


def _promote(
    situation: Situation,
    trial: Trial,
    settings: Settings,
    now: float,
    why: str,
    details: dict[str, Any],
    *,
    proven: bool,
    rests_on: Sequence[str] = (),
) -> list[Decision]:
    details = {**details, "proven": proven}
    key = (trial.bundle, repr(trial.started_at))
    if settings.retrain.approve == "manual" and not trial.approved:
        asked = f"{why}; a person has to promote it"
        return [_decision(situation, "alert", now, asked, ("approve", *key), rests_on, {**details, "approve": True})]
    if situation.frozen is not None:
        held = f"{why}; it is promoted later: {frozen_words(situation.frozen, settings)}"
        return [_decision(situation, "hold", now, held, ("frozen", *key, situation.frozen[1]), rests_on, details)]
    return [_decision(situation, "promote", now, why, key, rests_on, details)]


def _retrain(
    situation: Situation, champion: Live, findings: Sequence[Finding], settings: Settings, now: float
) -> list[Decision]:
    asked = renewal(situation, findings, settings, now)
    if asked.reason is None:
        return []
    trigger, why, rests_on = asked.reason
    about = (champion.bundle, trigger, str(situation.scored_window))
    if asked.held:
        held = f"{asked.held}, although a retraining is asked for: {why}"
        return [_decision(situation, "hold", now, held, ("budget", *about), rests_on, {"trigger": trigger})]
    return [_decision(situation, "retrain", now, why, about, rests_on, {"trigger": trigger})]
