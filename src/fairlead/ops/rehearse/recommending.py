"""What the project's settings should be, by what was rehearsed: a change only where it is surely better or surely as
good for half the work, and the reason either way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rehearse.results import Change, Difference, Recommendation, Sensitivity
from fairlead.ops.rehearse.stage import MAX_AGE_WINDOWS, WINDOWS

MATTERS = 0.01
"""Share of the error below which a difference is none."""

CHEAPER = 0.5


def recommend(
    settings: Settings,
    differences: Sequence[Difference],
    *,
    error: float,
    fits: int,
    unit: str,
    enough: bool,
    window_s: float,
    every_s: Mapping[str, float],
    sensitivity: Sequence[Sensitivity] = (),
) -> Recommendation:
    """The settings that the evidence asks for.

    differences: of every policy from the project's own, which has `error` and asks for `fits`. every_s: seconds
    between retrainings of calendars, by policy. A policy is better where the interval that holds for all policies
    together excludes 0 and the gain is at least 1 % of the error; as good where a loss of more than 1 % is excluded.
    """
    told = [c for c in differences if c.judged != "same" and values_of(c.name, settings, window_s, every_s)]
    budget = _budget(settings, sensitivity)
    evidence = [*_beyond(differences, unit), *budget[1]]
    if not enough or not told:
        why = "too few windows were lived through to judge any difference" if told else "no other policy was rehearsed"
        verdict = "change" if budget[0] else "inconclusive"
        return Recommendation(verdict, "project", budget[0], (why, *evidence))  # type: ignore[arg-type]
    least = MATTERS * error
    better = [c for c in told if c.sure.low > 0 and c.error.value >= least]
    cheaper = [c for c in told if c.sure.low > -least and fits + c.fits <= CHEAPER * fits]
    chosen = max(better, key=lambda c: c.error.value, default=None) or min(
        cheaper, key=lambda c: (c.fits, -c.error.value), default=None
    )
    if chosen is not None:
        changes = values_of(chosen.name, settings, window_s, every_s)
        why = "surely better" if chosen in better else "surely no worse, for half the fits or fewer"
        said = f"{chosen.name} is {why} than the settings in force: {_difference(chosen, unit)}"
        return Recommendation("change", chosen.name, (*changes, *budget[0]), (said, *evidence))
    open_ = [c for c in told if c.sure.high > least]
    if not open_:
        said = f"nothing rehearsed gains more than {least:.3g} {unit} over the settings in force"
        return Recommendation("change" if budget[0] else "no change", "project", budget[0], (said, *evidence))
    nearest = _difference(max(open_, key=lambda c: c.error.value), unit)
    said = f"no policy is surely better than the settings in force, and a gain is not excluded: {nearest}"
    return Recommendation("change" if budget[0] else "inconclusive", "project", budget[0], (said, *evidence))


def values_of(name: str, settings: Settings, window_s: float, every_s: Mapping[str, float]) -> tuple[Change, ...]:
    """The settings that make the project behave as that policy; none where they do already, or nothing does."""
    retrain = settings.retrain
    found: list[Change] = []
    if name == "performance":
        age = f"max_age:{round(MAX_AGE_WINDOWS * window_s / DAY)}d"
        found = [Change("retrain.when", ["performance", age], list(retrain.when))]
    elif name == "never":
        found = [Change("retrain.when", [], list(retrain.when))]
    elif name in every_s:
        days = max(round(every_s[name] / DAY), 1)
        found = [Change("retrain.when", [f"every:{days}d"], list(retrain.when))]
    elif name in WINDOWS:
        found = [Change("retrain.window", WINDOWS[name], retrain.window)]
    return tuple(c for c in found if c.value != c.was)


def _budget(settings: Settings, rows: Sequence[Sensitivity]) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """A smaller budget where clean copies surely alarm more often than the one in force allows."""
    now = settings.monitor.false_alarms_per_month
    own = next((r for r in rows if r.budget == now), None)
    if own is None:
        return (), ()
    said = (f"clean copies alarm {own.alarms.value:.2g} times a month [{own.alarms.low:.2g}, {own.alarms.high:.2g}] at "
            f"a budget of {now:g}")  # fmt: skip
    if own.alarms.low <= now:
        return (), (said + ": kept",)
    kept = [r for r in rows if r.budget < now and r.alarms.value <= now]
    if not kept:
        return (), (said + ": surely more, and no smaller budget that was tried keeps it",)
    best = max(kept, key=lambda r: r.budget)
    return (Change("monitor.false_alarms_per_month", best.budget, now),), (
        said + f": surely more; {best.budget:g} keeps it ({best.alarms.value:.2g} a month)",
    )


def _beyond(differences: Sequence[Difference], unit: str) -> list[str]:
    """What no setting makes of the project, because nothing holds it back, and is surely better all the same."""
    known = [c for c in differences if c.name in ("always", "recent") and c.sure.low > 0]
    return [f"retraining after every window without gate or canary gains more: {_difference(c, unit)}" for c in known]


def _difference(one: Difference, unit: str) -> str:
    gain = one.error
    return (
        f"{one.name} {gain.value:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}] {unit} (above 0 is better), "
        f"{one.retrains:+d} retrainings, {one.fits:+d} fits, {one.alerts_per_month:+.2f} alarms a month"
    )


def settings_of(recommendation: Recommendation) -> dict[str, Any]:
    """The changes as keys and values."""
    return {change.key: change.value for change in recommendation.changes}
