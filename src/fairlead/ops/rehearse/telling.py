"""A rehearsal put together from what was lived through: every difference with its interval, then a recommendation."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.ops.monitor.windows import DAY, MONTH_DAYS
from fairlead.ops.rehearse.along import NAME as ONLINE
from fairlead.ops.rehearse.along import along
from fairlead.ops.rehearse.baselines import persistence
from fairlead.ops.rehearse.injecting import Study
from fairlead.ops.rehearse.recommending import recommend
from fairlead.ops.rehearse.replay import Lived
from fairlead.ops.rehearse.results import Calm, Difference, Judgement, PolicyResult, Rehearsal, Sensitivity
from fairlead.ops.rehearse.stage import Stage
from fairlead.ops.rehearse.summary import summarise
from fairlead.ops.rehearse.uncertainty import Resampled, excludes_zero

FREE = ("persistence", "constant", "random", ONLINE)
BY_LABELS = ("performance", "concept", "cost", "labels")
"""Triggers that look at the labels of every window."""


def result_of(
    stage: Stage,
    wanted: Sequence[str],
    calm: Calm | None,
    truth: tuple[float, ...],
    studies: Sequence[Study],
    started: float,
) -> Rehearsal:
    """Everything together. started: of `time.monotonic`."""
    history = stage.history
    slots = [history.slots[w] for w in history.judged]
    resampled = Resampled(np.asarray([s.rows for s in slots]))
    changes = tuple(history.position(t) for t in truth)
    series = {name: stage.series(lived) for name, (lived, _) in stage.lived.items()}
    never, best = series.get("never"), series.get("always")
    gap = resampled.mean(never - best) if never is not None and best is not None else None
    compare = _Compare(resampled, never, best, gap)
    results = [_policy(stage, n, series[n], compare, changes) for n in wanted if n in stage.lived]
    results += _free(stage, compare)
    own = history.settings.monitor.false_alarms_per_month
    rehearsal = Rehearsal(
        model=history.settings.model.name,
        unit="error rate" if history.material.signature.task == "classification" else "mean absolute error",
        rows=history.material.rows,
        windows=len(history.slots),
        learnt=history.learnt,
        starts=tuple(s.start for s in slots),
        judged=tuple(history.judged),
        unlabelled=sum(s.seen - s.rows for s in history.slots),
        policies=tuple(results),
        gap=gap,
        held_out=len(stage.reference.held_out),
        calibrating=len(stage.reference.held_out) < 8,
        shuffled=calm,
        changes=changes,
        learner=stage.models.learner,
        seconds=time.monotonic() - started,
        summary=(),
        parameters=stage.models.parameters,
        differences=_differences(results, resampled),
        study=next((s for s in studies if s.budget == own), None),
        sensitivity=tuple(_sensitive(stage, study, resampled, best is not None) for study in studies),
        fresh_fits=stage.models.fits,
        cpu_outside=_outside(stage),
    )
    rehearsal = msgspec.structs.replace(rehearsal, recommendation=_recommended(stage, rehearsal, resampled))
    return msgspec.structs.replace(rehearsal, summary=summarise(rehearsal, resampled))


def _policy(
    stage: Stage, name: str, series: np.ndarray, compare: _Compare, changes: tuple[int, ...]
) -> PolicyResult:  # fmt: skip
    history = stage.history
    lived, meter = stage.lived[name]
    rows = int(sum(s.rows for s in history.slots))
    gain, judged, gap = compare.with_never(name, series)
    delays = [next((a - c + 1 for a in lived.alarms if a >= c), None) for c in changes]
    months = len(history.live) * history.window_s / (MONTH_DAYS * DAY)
    return PolicyResult(
        name=name,
        quality=compare.resampled.mean(series),
        metrics=_metrics(stage, lived),
        gain=gain,
        judged=judged,
        gap=gap,
        retrains=len(lived.retrains),
        fits=len(meter.fits),
        promotions=len(lived.promotions),
        blocked=len(lived.blocked),
        alerts=len(lived.alarms),
        input_alerts=len(lived.input_alarms),
        delay=delays[0] if delays else None,
        cpu_s=meter.cpu_s,
        rows_per_cpu_s=rows / max(meter.cpu_s, 1e-9),
        series=tuple(series.tolist()),
        alerts_per_month=len(lived.waking) / max(months, 1e-9),
        incidents=len(lived.incidents),
        incidents_per_month=len(lived.incidents) / max(months, 1e-9),
        by=dict(Counter(f"{a.area}/{a.check}" for a in lived.waking).most_common()),
        labels=_labels(stage, name, lived),
        alarmed=tuple(sorted({a.window for a in lived.waking})),
        through_cache=rows / max(meter.spent_s, 1e-9),
        told=tuple(lived.told),
        details={"monitor_cpu_s": meter.own},
    )


def _labels(stage: Stage, name: str, lived: Lived) -> int:
    """Rows lived through whose truth it needs: all where labels are watched, else those that models learn from."""
    history = stage.history
    if name == "never":
        return 0
    when = () if name in ("always", "recent", "scheduled") else stage.policy(name).when
    if any(trigger.partition(":")[0] in BY_LABELS for trigger in when):
        return int(sum(history.slots[w].rows for w in history.live))
    # What is learnt from has to be labelled, whether the challenger came to answer or not.
    newest = history.learnable(history.slots[lived.retrains[-1]].end) if lived.retrains else -1
    return int(sum(history.slots[w].rows for w in range(history.learnt, newest + 1)))


def _metrics(stage: Stage, lived: Lived) -> dict[str, float]:
    from fairlead.lab.stats import metrics

    history = stage.history
    live = list(history.live)
    scores = np.concatenate([stage.models.answers(lived.answered[w][0], w, lived.answered[w][1]).scores for w in live])
    truth = history.material.truth[history.rows(live[0], live[-1])]
    signature = history.material.signature
    found: dict[str, float] = metrics(signature.task, truth, scores, signature)
    return found


def _free(stage: Stage, compare: _Compare) -> list[PolicyResult]:
    sums = persistence(stage.history)
    constant = sums.pop("constant")
    known = {n: s[:, 0].sum() / s[:, 1].sum() for n, s in sums.items()}
    best = min(known, key=lambda n: float(known[n]))
    found = [
        compare.free("persistence", sums[best][:, 0] / sums[best][:, 1], {"best": best, **known}),
        compare.free("constant", constant[:, 0] / constant[:, 1], {}),
    ]
    if stage.history.settings.retrain.online:
        lived = along(stage.history)
        learner = stage.history.settings.retrain.online
        found.append(compare.free(ONLINE, lived[:, 0] / lived[:, 1], {"learner": learner}))
    if stage.drawn is not None:
        means = stage.drawn @ compare.resampled.rows / compare.resampled.rows.sum()
        spread = {
            "draws": len(means), "low": float(np.quantile(means, 0.025)), "high": float(np.quantile(means, 0.975)),
        }  # fmt: skip
        count, fits = stage.retrains["performance"], len(stage.random_meter.fits)
        found.append(compare.free("random", stage.drawn.mean(axis=0), spread, count, fits))
    return found


class _Compare:
    """Policies against `never` and `always`."""

    def __init__(self, resampled: Resampled, never: np.ndarray | None, always_: np.ndarray | None, gap: Any) -> None:
        self.resampled, self.never, self.always, self.gap = resampled, never, always_, gap

    def with_never(self, name: str, series: np.ndarray) -> tuple[Any, Judgement, Any]:
        """Absolute gain over `never`, how it is judged, and the share of the gap if there surely is a gap."""
        never = self.never if self.never is not None else series
        gain = self.resampled.mean(never - series)
        judged: Judgement = "inconclusive"
        if name == "never":
            judged = "reference"
        elif self.resampled.enough and excludes_zero(gain):
            judged = "better" if gain.value > 0 else "worse"
        ratio = None
        known = self.gap is not None and self.resampled.enough and excludes_zero(self.gap) and self.gap.value > 0
        if known and self.always is not None:
            ratio = self.resampled.ratio(never - series, never - self.always)
        return gain, judged, ratio

    def free(
        self, name: str, series: np.ndarray, details: dict[str, Any], retrains: int = 0, fits: int = 0
    ) -> PolicyResult:
        """A baseline that was not lived through."""
        gain, judged, gap = self.with_never(name, series)
        return PolicyResult(
            name, self.resampled.mean(series), {}, gain, judged, gap, retrains, fits, 0, 0, 0, 0, None, 0.0, 0.0,
            tuple(series.tolist()), details={k: v if isinstance(v, str) else float(v) for k, v in details.items()},
        )  # fmt: skip


def _differences(results: Sequence[PolicyResult], resampled: Resampled) -> tuple[Difference, ...]:
    """Every policy and baseline beside the project's own (`performance` where that was not asked for)."""
    by_name = {p.name: p for p in results}
    own = by_name.get("project") or by_name.get("performance")
    if own is None:
        return ()
    others = [p for p in results if p.name != own.name]
    # Several policies are compared at once: what is called sure holds for all of them together (Bonferroni).
    level = 1.0 - 0.05 / max(len([p for p in others if p.name not in FREE]), 1)
    found = []
    for other in others:
        gain = np.asarray(own.series) - np.asarray(other.series)
        error = resampled.mean(gain)
        judged: Judgement = "inconclusive"
        if other.series == own.series:
            judged = "same"
        elif resampled.enough and excludes_zero(error):
            judged = "better" if error.value > 0 else "worse"
        found.append(
            Difference(
                other.name,
                own.name,
                error,
                resampled.mean(gain, level),
                judged,
                other.retrains - own.retrains,
                other.fits - own.fits,
                other.alerts_per_month - own.alerts_per_month,
                other.labels - own.labels,
            )
        )
    return tuple(found)


def _sensitive(stage: Stage, study: Study, resampled: Resampled, fitted: bool) -> Sensitivity:
    """One budget. fitted: `always` has fitted every model that is asked for."""
    error, retrains = None, None
    if fitted:
        lived = stage.at_budget(study.budget)
        error, retrains = resampled.mean(stage.series(lived)), len(lived.retrains)
    return Sensitivity(study.budget, study.quiet.per_month, study.power, study.days, error, retrains)


def _outside(stage: Stage) -> float:
    """Share of the CPU time of all policies together that was neither fitting nor scoring."""
    meters = [meter for _, meter in stage.lived.values()]
    fits: dict[Any, float] = {}
    for meter in meters:
        fits |= meter.fits
        fits |= meter.scores
    # Fits and scores that several policies ask for are counted once, and so is the first release's reference.
    own = sum(meter.own - meter.prepared for meter in meters) + max(meter.prepared for meter in meters)
    return own / max(own + sum(fits.values()), 1e-9)


def _recommended(stage: Stage, rehearsal: Rehearsal, resampled: Resampled) -> Any:
    by_name = {p.name: p for p in rehearsal.policies}
    own = by_name.get("project")
    if own is None:
        return None
    history = stage.history
    span = len(history.live) * history.window_s
    scheduled = by_name.get("scheduled")
    every = {"scheduled": span / (scheduled.retrains + 1)} if scheduled is not None and scheduled.retrains else {}
    return recommend(
        history.settings, [d for d in rehearsal.differences if d.name not in FREE], error=own.quality.value,
        fits=own.fits, unit=rehearsal.unit, enough=resampled.enough, window_s=history.window_s, every_s=every,
        sensitivity=rehearsal.sensitivity,
    )  # fmt: skip
