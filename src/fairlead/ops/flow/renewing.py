"""Whether to retrain now: triggers, cool-down and the budget of compute; pure, as all of `decide`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fairlead.contract.events import Finding
from fairlead.contract.settings import Settings
from fairlead.ops.flow.policy import CALENDAR, Triggers, cool_down_of, triggers_of
from fairlead.ops.flow.situation import Live, Situation

DAY = 86_400.0
MONTH_DAYS = 30.0


class Reason(NamedTuple):
    """trigger: its name. why: in words. findings: ids it rests on."""

    trigger: str
    why: str
    findings: list[str]


class Renewal(NamedTuple):
    """reason: what asks for a retraining, None where nothing does. held: why it has to wait all the same, else ""."""

    reason: Reason | None
    held: str = ""


def renewal(situation: Situation, findings: Sequence[Finding], settings: Settings, now: float) -> Renewal:
    """What asks for a retraining of a model that nothing else is going on with, and what holds it back.

    findings: open ones of this model; now: event time. Raises ConfigInvalid when `[retrain]` cannot be read.
    """
    champion = situation.champion
    if champion is None or situation.labelled_windows < 1 or _cooling(situation, settings, now):
        return Renewal(None)
    reason = _reason(situation, champion, findings, settings, now)
    if reason is None:
        return Renewal(None)
    return Renewal(reason, unlearnable(findings, settings) or _over_budget(situation, settings))


def unlearnable(findings: Sequence[Finding], settings: Settings) -> str:
    """Why nothing may be learned from the labels that came (`retrain.guard`), "" where nothing speaks against it.

    Labels that come for some rows alone, or of one class alone, often follow from the model's own answers: a
    successor would learn those, and not the world.
    """
    if not settings.retrain.guard:
        return ""
    doubtful = [f for f in findings if f.area == "labels" and f.check == "labels_told" and f.severity != "info"]
    return f"nothing is learned from these labels ({doubtful[0].message})" if doubtful else ""


def cooling_until(situation: Situation, settings: Settings) -> float | None:
    """Event time from which a retraining may follow the newest one, about; None where none came before."""
    if situation.last_retrain_at is None:
        return None
    windows, seconds = cool_down_of(settings)
    return situation.last_retrain_at + (seconds or (windows + 1) * situation.window_s)


def _cooling(situation: Situation, settings: Settings, now: float) -> bool:
    windows, seconds = cool_down_of(settings)
    if seconds:
        return situation.last_retrain_at is not None and now - situation.last_retrain_at < seconds
    last = situation.last_retrain_window
    return last is not None and situation.scored_window - last <= windows


def _over_budget(situation: Situation, settings: Settings) -> str:
    """Why the budget of compute has no room for one more; "" where it has."""
    retrain, spent = settings.retrain, situation.spent
    if retrain.max_per_month and spent.retrains >= retrain.max_per_month:
        return f"{spent.retrains} retrainings in 30 days are all that retrain.max_per_month allows"
    hours, allowed = spent.cpu_s / 3600.0, retrain.cpu_hours_per_month
    expected = spent.newest_cpu_s / 3600.0
    if allowed and hours + expected > allowed:
        return (
            f"retrainings took {hours:.2f} hours of processor in 30 days and one more would take about {expected:.2f}: "
            f"retrain.cpu_hours_per_month allows {allowed:g}"
        )
    return ""


def _reason(
    situation: Situation, champion: Live, findings: Sequence[Finding], settings: Settings, now: float
) -> Reason | None:
    """The first trigger that fires."""
    triggers = triggers_of(settings)
    found = _found(triggers, findings)
    if found is None and triggers.cost:
        found = _cost(situation, settings)
    if found is None and triggers.labels and situation.new_labels >= triggers.labels:
        why = f"{situation.new_labels:,} labels came since the model learned, {triggers.labels:,} were waited for"
        found = Reason("labels", why, [])
    return found or _calendar(situation, champion, triggers, settings, now)


def _found(triggers: Triggers, findings: Sequence[Finding]) -> Reason | None:
    """Triggers that rest on findings."""
    broken = [f for f in findings if f.area == "performance" and f.check == "promise"]
    if triggers.performance and broken:
        return Reason("performance", broken[0].message, [f.id for f in broken])
    for name, asked, areas in (
        ("concept", triggers.concept, ("concept_drift",)),
        ("estimated", triggers.estimated, ("estimated",)),
        ("drift", triggers.drift, ("data_drift", "score_drift")),
    ):
        moved = [f for f in findings if f.area in areas and f.severity != "info"]
        if asked and moved:
            return Reason(name, moved[0].message, [f.id for f in moved])
    return None


def _cost(situation: Situation, settings: Settings) -> Reason | None:
    """Whether what is lost in 30 days by staying, surely above nothing, is more than a retraining costs."""
    excess, retrain = situation.excess, settings.retrain
    if excess is None or excess.low <= 0 or situation.rows_per_day <= 0:
        return None
    rows = situation.rows_per_day * MONTH_DAYS
    lost = excess.value * rows * retrain.worth
    if lost <= retrain.price:
        return None
    band = f"{excess.low * rows * retrain.worth:,.0f} to {excess.high * rows * retrain.worth:,.0f}"
    why = (
        f"staying costs about {lost:,.0f} ({band}) in 30 days, by {excess.value:+.4f} a row above the promise and "
        f"{situation.rows_per_day:,.0f} rows a day; a retraining costs {retrain.price:,.0f}"
    )
    return Reason("cost", why, [])


def fresh_since(champion: Live, last_retrain_at: float | None) -> float:
    """Event time from which `max_age` counts, live and in a rehearsal: the newest row that the champion knew when
    it was made (`freshness.py`), or the newest attempt to make a fresher one, whatever came of it."""
    return max(champion.trained_to, last_retrain_at or champion.trained_to)


def _old(champion: Live, fresh: float, now: float) -> str:
    said = f"the newest row it knows is {(now - champion.trained_to) / DAY:.0f} days old"
    tried = f", and the last retraining was {(now - fresh) / DAY:.0f} days ago"
    return said + (tried if fresh > champion.trained_to else "")


def _calendar(
    situation: Situation, champion: Live, triggers: Triggers, settings: Settings, now: float
) -> Reason | None:
    fresh = fresh_since(champion, situation.last_retrain_at)
    if triggers.max_age_s is not None and now - fresh >= triggers.max_age_s:
        return Reason("max_age", _old(champion, fresh, now), [])
    since = max(champion.released_at, situation.last_retrain_at or champion.released_at)
    if triggers.every_s is not None and now - since >= triggers.every_s:
        return Reason("every", f"{(now - since) / DAY:.0f} days since the last retraining", [])
    for moment in triggers.at:
        if moment.after(since, ZoneInfo(settings.model.timezone)) <= now:
            return Reason("at", f"by the calendar: {moment.text}", [])
    if triggers.performance and situation.calibrating and now - since >= CALENDAR * situation.window_s:
        why = f"too few held-out windows to promise a loss yet: by the calendar, every {CALENDAR} windows"
        return Reason("calendar", why, [])
    return None
