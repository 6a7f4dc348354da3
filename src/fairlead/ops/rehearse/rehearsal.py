"""The rehearsal: policies side by side over one history."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import Settings
from fairlead.ops.rehearse.baselines import persistence, random_timing
from fairlead.ops.rehearse.history import History, history_of
from fairlead.ops.rehearse.models import Meter, Models
from fairlead.ops.rehearse.replay import Lived, Policy, Replay, always, calm_alarms
from fairlead.ops.rehearse.results import Calm, Judgement, PolicyResult, Rehearsal
from fairlead.ops.rehearse.summary import summarise
from fairlead.ops.rehearse.uncertainty import Resampled, excludes_zero
from fairlead.ops.rehearse.watching import Watcher, first_reference

POLICIES: tuple[str, ...] = ("never", "always", "scheduled", "performance", "project")
KNOWN: tuple[str, ...] = (*POLICIES, "recent")
MAX_AGE_WINDOWS = 13
RECENT_WINDOWS = 4
COPIES = 2
LEARNER = "hist_gradient_boosting"

Progress = Callable[..., None]


def rehearse(
    frame: Any,
    settings: Settings,
    *,
    policies: Sequence[str] = POLICIES,
    learner: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    shuffled: bool | int = True,
    truth: Sequence[float] | None = None,
    learnt: int | None = None,
) -> Rehearsal:
    """Replay a time-ordered labelled table through train, deploy, watch, decide, retrain, canary and promote.

    frame: a DataFrame (or a path) with the project's time columns and target. policies: never, always, scheduled (as
    many retrainings as `performance`, evenly spread), performance (the promise, and a maximum age of 13 windows),
    project (`retrain.when`), recent (always, on the last 4 windows). learner, parameters: of every fit, histogram
    gradient boosting with its defaults without them. shuffled: whether (or on how many copies) to count false alarms.
    truth: event times at which the world is known to have changed. learnt: windows that the first release learns
    from, a quarter without it. The schema is taken from the whole table; nothing else is known before its time.
    Raises ConfigInvalid without event time, UsageError for unknown policies or too short a history.
    """
    unknown = [p for p in policies if p not in KNOWN]
    if unknown:
        raise UsageError(f"unknown policies: {', '.join(unknown)}. Known: {', '.join(KNOWN)}.")
    started = time.monotonic()
    with one_thread():
        stage = Stage(history_of(frame, settings, learnt), learner or LEARNER, parameters, progress)
        for name in sorted(dict.fromkeys(policies), key=_order):
            stage.play(name)
        stage.random()
        calm = stage.calm(int(shuffled) * (COPIES if shuffled is True else 1)) if shuffled else None
        return stage.result(policies, calm, tuple(truth or ()), started)


def _order(name: str) -> int:
    # The calendar needs to know how often the trigger retrained.
    return ("never", "always", "recent", "performance", "project", "scheduled").index(name)


def one_thread() -> AbstractContextManager[Any]:
    """Fits this small are faster on one thread, and their CPU seconds then mean something."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


class Stage:
    """One history with its models; policies are played on it one after the other."""

    def __init__(
        self, history: History, learner: str, parameters: Mapping[str, Any] | None, progress: Progress | None
    ) -> None:
        self.history = history
        self.say = progress or (lambda *_args, **_more: None)
        self.models = Models(history, learner, parameters)
        self.say(f"first release: {history.learnt} of {len(history.slots)} windows learnt from")
        self.preparing = Meter()
        with self.models.charged_to(self.preparing):
            self.reference = first_reference(history, self.models)
        self.models.clip = self.reference.loss_clip
        self.watcher = Watcher(history, self.models, self.reference)
        self.lived: dict[str, tuple[Lived, Meter]] = {}
        self.drawn: np.ndarray | None = None
        self.random_meter = Meter()

    @classmethod
    def of(cls, frame: Any, settings: Settings, learner: str = LEARNER, learnt: int | None = None) -> Stage:
        """A stage for these rows."""
        return cls(history_of(frame, settings, learnt), learner, None, None)

    def play(self, name: str) -> None:
        """Live through one policy."""
        self.say(f"policy {name}")
        meter = Meter()
        history, models = self.history, self.models
        if name == "never":
            lived = Lived(answered=dict.fromkeys(history.live, ((0, history.learnt - 1), False)))
            with models.charged_to(meter):
                for window in history.live:
                    models.answers((0, history.learnt - 1), window)
        elif name == "always":
            lived = always(history, models, meter)
        elif name == "recent":
            lived = always(history, models, meter, RECENT_WINDOWS)
        else:
            lived = Replay(history, models, self.watcher, self._policy(name)).run(meter)
            meter.own += self.preparing.cpu_s
        self.lived[name] = lived, meter

    def _policy(self, name: str) -> Policy:
        if name == "performance":
            return performance_policy(self.history)
        if name == "project":
            return Policy(name, self.history.settings.retrain.when)
        known = self.lived.get("performance") or self.lived.get("project")
        if known is None:
            self.play("performance")
            known = self.lived["performance"]
        return Policy(name, (), even(self.history, len(known[0].retrains)))

    def random(self) -> None:
        """Random timing with as many retrainings as `performance`, where `always` has fitted what it needs."""
        if "always" in self.lived and "performance" in self.lived:
            self.say("random timing")
            count = len(self.lived["performance"][0].retrains)
            self.drawn = random_timing(self.history, self.models, self.random_meter, count)

    def calm(self, copies: int) -> Calm:
        """Alarms on copies of the history whose rows are shuffled, so that nothing changes in them."""
        found = [calm_copy(self.history, self.models, seed) for seed in self._seeds(copies)]
        windows = sum(f[2] for f in found)
        performance, inputs = sum(f[0] for f in found), sum(f[1] for f in found)
        return Calm(copies, windows, 30.0 * performance / windows, 30.0 * inputs / windows)

    def _seeds(self, copies: int) -> list[int]:
        for copy in range(copies):
            self.say(f"shuffled copy {copy + 1} of {copies}")
        return list(range(copies))

    def result(self, wanted: Sequence[str], calm: Calm | None, truth: tuple[float, ...], started: float) -> Rehearsal:
        """Everything together."""
        history = self.history
        slots = [history.slots[w] for w in history.live]
        resampled = Resampled(np.asarray([s.rows for s in slots]))
        changes = tuple(history.position(t) for t in truth)
        series = {name: self.series(lived) for name, (lived, _) in self.lived.items()}
        never, best = series.get("never"), series.get("always")
        gap = resampled.mean(never - best) if never is not None and best is not None else None
        compare = _Compare(resampled, never, best, gap)
        results = [self._policy_result(n, series[n], compare, changes) for n in wanted if n in self.lived]
        results += self._free(compare)
        unit = "error rate" if history.material.signature.task == "classification" else "mean absolute error"
        rehearsal = Rehearsal(
            model=history.settings.model.name,
            unit=unit,
            rows=history.material.rows,
            windows=len(history.slots),
            learnt=history.learnt,
            starts=tuple(s.start for s in slots),
            policies=tuple(results),
            gap=gap,
            held_out=len(self.reference.held_out),
            calibrating=len(self.reference.held_out) < 8,
            shuffled=calm,
            changes=changes,
            learner=self.models.learner,
            seconds=time.monotonic() - started,
            summary=(),
        )
        return msgspec.structs.replace(rehearsal, summary=summarise(rehearsal, resampled))

    def series(self, lived: Lived) -> np.ndarray:
        """Mean error of each live window, a challenger's share of it counted in."""
        found = []
        for window in self.history.live:
            key, broken = lived.answered[window]
            errors = self.models.answers(key, window, broken).errors
            if window in lived.beside:
                tried = lived.beside[window]
                share = np.where(np.arange(len(errors)) < tried.turn, tried.share, tried.then)
                other = self.models.answers(tried.key, window, tried.broken).errors
                errors = (1.0 - share) * errors + share * other
            found.append(float(errors.mean()))
        return np.asarray(found)

    def _policy_result(
        self, name: str, series: np.ndarray, compare: _Compare, changes: tuple[int, ...]
    ) -> PolicyResult:
        lived, meter = self.lived[name]
        rows = int(sum(s.rows for s in self.history.slots))
        gain, judged, gap = compare.with_never(name, series)
        delays = [next((a - c + 1 for a in lived.alarms if a >= c), None) for c in changes]
        return PolicyResult(
            name=name,
            quality=compare.resampled.mean(series),
            metrics=self._metrics(lived),
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
            told=tuple(lived.told),
            details={"monitor_cpu_s": meter.own},
        )

    def _metrics(self, lived: Lived) -> dict[str, float]:
        from fairlead.lab.stats import metrics

        history = self.history
        live = list(history.live)
        scores = np.concatenate([self.models.answers(*_named(lived, w)).scores for w in live])
        truth = history.material.truth[history.rows(live[0], live[-1])]
        signature = history.material.signature
        found: dict[str, float] = metrics(signature.task, truth, scores, signature)
        return found

    def _free(self, compare: _Compare) -> list[PolicyResult]:
        sums = persistence(self.history)
        constant = sums.pop("constant")
        known = {n: s[:, 0].sum() / s[:, 1].sum() for n, s in sums.items()}
        best = min(known, key=lambda n: float(known[n]))
        found = [
            compare.free("persistence", sums[best][:, 0] / sums[best][:, 1], {"best": best, **known}),
            compare.free("constant", constant[:, 0] / constant[:, 1], {}),
        ]
        if self.drawn is not None:
            means = self.drawn @ compare.resampled.rows / compare.resampled.rows.sum()
            spread = {
                "draws": len(means),
                "low": float(np.quantile(means, 0.025)),
                "high": float(np.quantile(means, 0.975)),
            }
            count = len(self.lived["performance"][0].retrains)
            found.append(compare.free("random", self.drawn.mean(axis=0), spread, count, len(self.random_meter.fits)))
        return found


def _named(lived: Lived, window: int) -> tuple[Any, int, bool]:
    key, broken = lived.answered[window]
    return key, window, broken


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
            tuple(series.tolist()), (), {k: v if isinstance(v, str) else float(v) for k, v in details.items()},
        )  # fmt: skip


def performance_policy(history: History, **more: Any) -> Policy:
    """The promise as trigger, and a maximum age of 13 windows for what creeps."""
    age = int(MAX_AGE_WINDOWS * history.window_s)
    return Policy("performance", ("performance", f"max_age:{age}s"), **more)


def even(history: History, count: int) -> tuple[int, ...]:
    """`count` live windows, evenly spread, to retrain after."""
    live = len(history.live)
    at = {history.learnt + round((i + 1) * live / (count + 1)) - 1 for i in range(count)}
    return tuple(sorted(at))


def calm_copy(history: History, models: Models, seed: int) -> tuple[int, int, int]:
    """Performance and input alarms on one shuffled copy, and the windows lived through."""
    order = np.random.default_rng(seed).permutation(history.material.rows)
    material = dataclasses.replace(history.material.take(order), times=history.material.times)
    copy = History(material, history.settings, history.learnt)
    others = Models(copy, models.learner, models.parameters)
    reference = first_reference(copy, others)
    others.clip = reference.loss_clip
    lived = calm_alarms(copy, others, Watcher(copy, others, reference))
    return len(lived.alarms), len(lived.input_alarms), len(copy.live)
