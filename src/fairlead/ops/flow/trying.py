"""What to do about the challengers that are being tried: pure, a part of `decide`.

In order: what fails goes at once; what has passed is promoted, of several the best, once none of the others may still
turn out better; what is undecided waits, grows, or ends when its time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fairlead.contract.events import Decision, Finding
from fairlead.contract.settings import Settings
from fairlead.ops.flow.situation import Situation, Trial
from fairlead.ops.rollout.ending import undecided

DAY = 86_400.0
Decide = Callable[..., Decision]
Promote = Callable[..., list[Decision]]


def on_trials(
    situation: Situation,
    findings: Sequence[Finding],
    settings: Settings,
    now: float,
    decision: Decide,
    promote: Promote,
) -> list[Decision]:
    """The next decision about the challengers of a rollout; one at a time, as each changes what the next is about.

    decision, promote: how `decide` makes them.
    """
    if situation.rollout is None:
        return []
    trials = (situation.rollout, *situation.others)
    about = _About(situation, settings, now, decision, promote)
    for trial in trials:
        gone = about.failed(trial)
        if gone:
            return gone
    if trials[0].mode == "pilot":
        return about.piloted(trials[0])
    passed = [t for t in trials if t.verdict is not None and t.verdict.outcome == "pass"]
    open_ = [t for t in trials if t not in passed]
    elapsed = (now - trials[0].started_at) / DAY
    if passed and (not open_ or elapsed >= settings.rollout.max_days):
        return about.best_of(passed, elapsed, trials)
    alarms = [f.id for f in findings if f.area == "performance"]
    for trial in open_:
        ended = about.ended(trial, elapsed, alarms, last=len(trials) == 1)
        if ended:
            return ended
    return about.moved(trials) or about.waiting(trials)


class _About:
    """Decisions about one rollout at one moment."""

    def __init__(
        self, situation: Situation, settings: Settings, now: float, decision: Decide, promote: Promote
    ) -> None:
        self.situation, self.settings, self.now = situation, settings, now
        self._decision, self._promote = decision, promote

    def said(self, trial: Trial, action: str, why: str, rests_on: Sequence[str] = (), **more: Any) -> list[Decision]:
        key = (trial.bundle, repr(trial.started_at), *more.pop("about", ()))
        return [self._decision(self.situation, action, self.now, why, key, rests_on, {**details_of(trial), **more})]

    def failed(self, trial: Trial) -> list[Decision]:
        """What must not go on, whatever else is known."""
        verdict = trial.verdict
        if trial.guardrails:
            why = f"the challenger fails its guardrails: {', '.join(trial.guardrails)}"
            return self.said(trial, "end_rollout", why, guardrails=list(trial.guardrails))
        if trial.mismatch:
            return self.said(trial, "end_rollout", f"nothing can be concluded: {trial.mismatch}")
        if verdict is not None and verdict.outcome == "fail":
            return self.said(trial, "end_rollout", verdict.why)
        if verdict is not None and verdict.outcome == "pass" and trial.floor_holds is False:
            return self.said(trial, "end_rollout", f"{verdict.why}, but it does not beat the baseline")
        return []

    def piloted(self, trial: Trial) -> list[Decision]:
        """A pilot goes on to its end date, whatever it finds on the way but harm; a person decides what follows."""
        if trial.over:
            found = trial.verdict.why if trial.verdict is not None else "no labelled rows of its cohort"
            return self.said(trial, "end_rollout", f"the pilot is over: {found}", pilot=True)
        return self.said(trial, "hold", "the pilot goes on to its end date")

    def best_of(self, passed: Sequence[Trial], elapsed: float, trials: Sequence[Trial]) -> list[Decision]:
        """Of those that passed the one that did best, once the rollout has lasted as long as was asked for."""
        best = min(passed, key=lambda t: t.verdict.mean if t.verdict is not None else 0.0)
        assert best.verdict is not None
        least = self.settings.rollout.min_days
        if elapsed < least:
            why = f"{best.verdict.why}; promoted after {least:g} days at the earliest (rollout.min_days)"
            return self.moved(trials) or self.said(best, "hold", why, about=("min_days",))
        why = best.verdict.why if len(passed) == 1 else f"the best of {len(passed)} that passed: {best.verdict.why}"
        return self._promote(self.situation, best, self.settings, self.now, why, details_of(best), proven=True)

    def ended(self, trial: Trial, elapsed: float, alarms: Sequence[str], *, last: bool) -> list[Decision]:
        """One whose time is over without a verdict."""
        most = self.settings.rollout.max_days
        if trial.verdict is None:
            # Labels may come late, but a trial without any must not last for ever.
            over = elapsed >= 2 * most
            return self.said(trial, "end_rollout", f"no label came in {elapsed:.0f} days") if over else []
        floor = trial.floor_holds is True
        ending = undecided(trial.verdict, elapsed, most, floor_holds=floor, alarm_stands=bool(alarms))
        if ending == "promote_unproven" and last:
            why = f"not proven after {elapsed:.0f} days, but it beats the baseline and the champion's alarm stands"
            return self._promote(
                self.situation, trial, self.settings, self.now, why, details_of(trial), proven=False, rests_on=alarms
            )
        if ending != "wait":
            return self.said(trial, "end_rollout", f"undecided after {elapsed:.0f} days", alarms)
        return []

    def moved(self, trials: Sequence[Trial]) -> list[Decision]:
        """Other shares, where the evidence allows or wants them and nothing is frozen."""
        first = trials[0]
        if self.situation.frozen is not None or self.situation.champion is None:
            return []
        if first.weights is not None:
            shares = {str(version): round(weight, 4) for version, weight in sorted(first.weights.items())}
            told = ", ".join(f"version {version} {weight:.0%}" for version, weight in shares.items())
            why = f"the bandit's shares by what each brings: {told}"
            about = ("shares", *shares, *map(str, shares.values()))
            return self.said(first, "weigh", why, about=about, weights=shares, anew=True)
        wanted = {t.version: t.next_weight for t in trials if t.next_weight is not None}
        if len(wanted) < len(trials) or first.mode != "canary":
            return []
        before, share = sum(t.weight for t in trials), sum(wanted.values())
        harm = sum(max(t.verdict.high, 0.0) for t in trials if t.verdict is not None) / len(trials)
        most, together = self.settings.rollout.max_loss, " together" if len(trials) > 1 else ""
        why = (
            f"grows from {before:.0%} to {share:.0%}{together}: harm above {harm:.4f} is excluded,"
            f" so at most {harm * share:.4f} over all requests, {most:g} is tolerated"
        )
        shares = {str(version): weight for version, weight in wanted.items()}
        shares[str(self.situation.champion.version)] = 1.0 - share
        return self.said(first, "weigh", why, about=("step", repr(share)), weights=shares)

    def waiting(self, trials: Sequence[Trial]) -> list[Decision]:
        """Nothing to do yet."""
        told = trials[0].verdict
        return self.said(
            trials[0], "hold", told.why if told is not None else "waiting for labels of the challenger's window"
        )


def details_of(trial: Trial) -> dict[str, Any]:
    """What a decision about a trial rests on."""
    details: dict[str, Any] = {"bundle": trial.bundle, "version": trial.version}
    if trial.verdict is not None:
        details["verdict"] = msgspec.to_builtins(trial.verdict)
    if trial.stands:
        details["stands"] = msgspec.to_builtins(trial.stands)
    return details
