"""The search: every learner's trials in turn, each judged on the same folds; baselines beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Literal

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.plugins import names
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.stats.baselines import constant_scores, last_value_scores
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.bench import Bench, selected_by
from fairlead.lab.train.distributed.sessions import Hands
from fairlead.lab.train.fitting import learner_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.parallel import Answered, Workers, answered
from fairlead.lab.train.pruning import Kind, Pruner
from fairlead.lab.train.recorded import Recorded, Trial
from fairlead.lab.train.terms import check_learners

Say = Callable[..., None]

DEFAULT_LEARNERS = {
    "classification": ("logistic", "hist_gradient_boosting", "random_forest"),
    "regression": ("ridge", "hist_gradient_boosting", "random_forest"),
    "clustering": ("k_means", "gaussian_mixture"),
    "anomaly": ("isolation_forest",),
    "forecasting": ("ridge", "hist_gradient_boosting"),
}
QUANTILE_LEARNERS = ("linear_quantile", "hist_gradient_boosting")

STARTUP_TRIALS = 4


@dataclass
class Entry:
    """One way of answering with its scores: shape (folds,), in `selected_by`, smaller is better.

    seconds: spent on all `trials` of this learner, of which this is the best.
    answers: its out-of-sample scores, (rows, outputs), NaN where no fold judged; None when found in the journal.
    pruned: it was ended after some folds. repeats: times that all rows were dealt into folds.
    """

    name: str
    parameters: dict[str, Any]
    scores: list[float]
    seconds: float
    baseline: bool = False
    complexity: int = 0
    trials: int = 1
    answers: Floats | None = field(default=None, repr=False)
    pruned: bool = False
    repeats: int = 1

    @property
    def score(self) -> float:
        """Mean over folds."""
        return float(np.mean(self.scores))

    @property
    def std(self) -> float:
        """Standard deviation over folds."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else 0.0

    @property
    def se(self) -> float:
        """Standard error of the mean; a rough guide, since folds share rows to learn from.

        Repeats deal the same rows again, so only the folds of one of them count.
        """
        return self.std / float(np.sqrt(len(self.scores) / self.repeats))


@dataclass
class Found:
    """Best entry of each learner, best first; baselines; whether `seconds` ended the search before its trials.

    made: every trial as plain data, in order: number, learner, parameters, score, folds, seconds, pruned.
    """

    entries: list[Entry]
    baselines: list[Entry]
    cut_short: bool
    trials: int
    made: tuple[dict[str, Any], ...] = ()

    def simplest(self) -> Entry:
        """The least complex learner within one standard error of the best (Breiman et al., CART, 1984)."""
        best = self.entries[0]
        close = [e for e in self.entries if e.score <= best.score + best.se]
        return min(close, key=lambda e: (e.complexity, e.score))

    def chosen(self, by: str) -> Entry:
        """by: best or simplest."""
        return self.simplest() if by == "simplest" else self.entries[0]


def is_distributed(learner: Any) -> bool:
    """Whether a single fit of it is spread over processes already."""
    return bool(getattr(learner, "distributed", False))


def learners_for(asked: Sequence[str], signature: Signature, trial: Trial | None = None) -> list[Any]:
    """The learners to try, each able to do the task. trial: tried alone. Raises ConfigInvalid, UnknownPlugin."""
    if signature.task == "forecasting":
        from fairlead.lab.train.forecasting.learners import step_learner, step_learners

        if trial is not None:
            return [Recorded(step_learner(trial.learner), trial.parameters)]
        return list(step_learners(asked or DEFAULT_LEARNERS["forecasting"]))
    if trial is not None:
        return [Recorded(learner_of(trial.learner), trial.parameters)]
    usual = DEFAULT_LEARNERS[signature.task] if not signature.quantile else QUANTILE_LEARNERS
    chosen = [learner_of(name) for name in asked or usual]
    for learner in chosen:
        if signature.task not in learner.tasks:
            able = [n for n in names("learner") if signature.task in learner_of(n).tasks]
            raise ConfigInvalid(
                f"{learner.name} cannot do {signature.task}.",
                file="fairlead.toml", key="train.learners", cure=f"Learners that can: {', '.join(able)}.",
            )  # fmt: skip
    return chosen


def search(
    bench: Bench,
    learners: Sequence[Any],
    *,
    trials: int,
    seconds: float,
    seed: int,
    journal: Journal,
    say: Say,
    prune: Kind | Literal[False] = False,
    parallel: int = 1,
    hands: Hands | None = None,
) -> Found:
    """Try `trials` settings in all, learners in turn, each first with its defaults, then by TPE.

    Deterministic for a seed: each trial's sampler is seeded by seed, learner and its number, so what is asked
    next depends on that learner's scores alone. `seconds` counts time spent on trials, those of an interrupted search
    included; the first trial always runs. prune: how hopeless trials end after some of their folds, a learner's first
    never. parallel: processes that fit; learners are searched side by side and folds of a trial fitted together
    (unless it may be pruned), so that the outcome is that of one process; `seconds` then counts a share of the time
    spent. hands: who fits in the place of such processes; learners that are distributed themselves are asked here, one
    fold after the other. Source of TPE: Bergstra et al., Algorithms for hyper-parameter optimization (2011).
    """
    check_learners(learners, bench.material.terms)
    for learner in learners:
        # What it takes to import a learner's library is nobody's trial.
        learner.build(bench.material.signature.task, learner.default(bench.material.rows), seed)
    with ExitStack() as stack:
        workers: Any = None
        if hands is not None and not all(is_distributed(learner) for learner in learners):
            workers = stack.enter_context(hands(bench, seed))
            parallel = workers.slots
        elif hands is None and parallel > 1:
            workers = stack.enter_context(Workers(bench, seed, parallel))
        run = _Run(bench, [_Tuner(one, bench.material.rows, seed, prune) for one in learners], seed, journal, workers)
        run.go(trials, seconds * parallel, say)
    return Found(
        entries=sorted(run.best().values(), key=lambda e: (e.score, e.complexity)),
        baselines=baselines(bench),
        cut_short=len(run.made) < trials,
        trials=len(run.made),
        made=tuple(run.told()),
    )


class _Run:
    """One search. made: number of a trial -> what it came to."""

    def __init__(self, bench: Bench, tuners: list[_Tuner], seed: int, journal: Journal, workers: Any) -> None:
        self._bench, self._tuners, self._seed = bench, tuners, seed
        self._journal, self._workers = journal, workers
        self._lock, self._here = Lock(), Lock()
        self._stopped = False
        self._spent = 0.0
        self.made: dict[int, Entry] = {}

    def go(self, trials: int, seconds: float, say: Say) -> None:
        """Trials in their order; with workers, those of each learner in their order."""
        turns = len(self._tuners)
        if self._workers is None:
            self._lane(range(trials), trials, seconds, say)
            return
        told = Lock()

        def tell(text: str, **more: Any) -> None:
            with told:
                say(text, **more)

        with ThreadPoolExecutor(turns, thread_name_prefix="search") as lanes:
            begun = [
                lanes.submit(self._lane, range(first, trials, turns), trials, seconds, tell) for first in range(turns)
            ]
            try:
                for lane in as_completed(begun):
                    lane.result()
            except BaseException:
                self._stopped = True
                raise

    def _lane(self, numbers: range, trials: int, seconds: float, say: Say) -> None:
        for number in numbers:
            if self._stopped or (number and self.made and self._spent >= seconds):
                break
            tuner = self._tuners[number % len(self._tuners)]
            parameters = tuner.ask()
            entry = self._trial(tuner, parameters, _step(say, number, trials))
            tuner.tell(entry)
            with self._lock:
                self.made[number] = entry
                self._spent += entry.seconds

    def _trial(self, tuner: _Tuner, parameters: dict[str, Any], say: Say) -> Entry:
        learner, bench = tuner.learner, self._bench
        known = self._journal.find(learner.name, parameters)
        if known is not None:
            for count in range(1, len(known[0]) + 1):
                tuner.hopeless(known[0][:count])
            return self._entry(learner, parameters, known[0], known[1])
        parts: list[Floats] = []
        scores: list[float] = []
        spent, folds = 0.0, len(bench.folds)
        metric = selected_by(bench.material.signature)
        for found in self._folds(tuner, parameters):
            parts.append(found.answers)
            scores.append(found.score)
            spent += found.seconds
            share = len(scores) / folds
            say(f"{learner.name}, fold {len(scores)} of {folds}: {metric} {found.score:.4f}", share)
            if tuner.hopeless(scores) and len(scores) < folds:
                break
        with self._lock:
            self._journal.add(learner.name, parameters, scores, spent)
        whole = bench.whole(parts) if len(parts) == folds else None
        return self._entry(learner, parameters, scores, spent, whole)

    def _folds(self, tuner: _Tuner, parameters: dict[str, Any]) -> Iterator[Answered]:
        indices, learner = range(len(self._bench.folds)), tuner.learner
        if self._workers is None or is_distributed(learner):
            for index in indices:
                with self._here:
                    found = answered(self._bench, index, learner, parameters, self._seed)
                yield found
        elif tuner.prunes:
            for index in indices:
                yield self._workers.submit(index, learner, parameters).result()
        else:
            begun = [self._workers.submit(index, learner, parameters) for index in indices]
            for one in begun:
                yield one.result()

    def _entry(
        self,
        learner: Any,
        parameters: dict[str, Any],
        scores: list[float],
        seconds: float,
        answers: Floats | None = None,
    ) -> Entry:
        return Entry(
            learner.name, parameters, scores, seconds, complexity=learner.complexity, answers=answers,
            pruned=len(scores) < len(self._bench.folds), repeats=self._bench.repeats,
        )  # fmt: skip

    def best(self) -> dict[str, Entry]:
        """The best whole trial of each learner, with the number and the time of all of its trials."""
        best: dict[str, Entry] = {}
        counts: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for _, entry in sorted(self.made.items()):
            counts[entry.name] = counts.get(entry.name, 0) + 1
            seconds[entry.name] = seconds.get(entry.name, 0.0) + entry.seconds
            previous = best.get(entry.name)
            if not entry.pruned and (previous is None or entry.score < previous.score):
                best[entry.name] = entry
        return {name: replace(entry, trials=counts[name], seconds=seconds[name]) for name, entry in best.items()}

    def told(self) -> Iterator[dict[str, Any]]:
        """Every trial as plain data, in order."""
        for number, entry in sorted(self.made.items()):
            yield {
                "number": number,
                "learner": entry.name,
                "parameters": entry.parameters,
                "score": entry.score,
                "folds": list(entry.scores),
                "seconds": entry.seconds,
                "pruned": entry.pruned,
            }


def _step(say: Say, number: int, trials: int) -> Say:
    def tell(text: str, share: float) -> None:
        say(f"trial {number + 1} of {trials}: {text}", done=(number + share) / trials)

    return tell


class _Tuner:
    """Asks for one learner's settings: its defaults first, then its `starts`, then by TPE over what was scored so far.

    prunes: whether the trial asked for last may end early; the first never does, so that there is a whole one.
    """

    def __init__(self, learner: Any, rows: int, seed: int, prune: Kind | Literal[False]) -> None:
        self.learner, self.rows, self.seed = learner, rows, seed
        self.asked = 0
        self._study: Any = None
        self._trial: Any = None
        self._pruner = Pruner(prune) if prune else None

    @property
    def prunes(self) -> bool:
        return self._pruner is not None and self.asked > 1

    def ask(self) -> dict[str, Any]:
        self.asked += 1
        if self._pruner is not None:
            self._pruner.begin()
        if self.asked == 1:
            found: dict[str, Any] = self.learner.default(self.rows)
            return found
        import optuna

        if self._study is None:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._study = optuna.create_study(direction="minimize")
            for start in getattr(self.learner, "starts", lambda rows: [])(self.rows):
                self._study.enqueue_trial(start)
        digest = hashlib.sha256(f"{self.seed}/{self.learner.name}/{self.asked}".encode()).digest()
        self._study.sampler = optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "big"), n_startup_trials=STARTUP_TRIALS
        )
        self._trial = self._study.ask()
        asked: dict[str, Any] = self.learner.space(self._trial, self.rows)
        return asked

    def hopeless(self, scores: list[float]) -> bool:
        """Told after each fold: whether the trial ends here."""
        if self._pruner is None:
            return False
        if self._trial is not None:
            self._trial.report(float(np.mean(scores)), len(scores))
        return self._pruner.hopeless(scores) and self.prunes

    def tell(self, entry: Entry) -> None:
        """The trial is over."""
        if self._pruner is not None:
            self._pruner.end(entry.scores, entry.pruned)
        if self._trial is not None:
            import optuna

            if entry.pruned:
                self._study.tell(self._trial, state=optuna.trial.TrialState.PRUNED)
            else:
                self._study.tell(self._trial, entry.score)


def answers_of(bench: Bench, entry: Entry, seed: int) -> Floats:
    """Out-of-sample answers of an entry, fitted again if the journal spared the fits. Shape (rows, outputs)."""
    if entry.answers is None:
        learner = learner_of(entry.name)
        parts = [bench.answers(i, learner, entry.parameters, seed) for i in range(len(bench.folds))]
        entry.answers = bench.whole(parts)
    return entry.answers


def baselines(bench: Bench) -> list[Entry]:
    """What needs no learning, on the same folds: the constant, and where rows are in time order the last value."""
    material = bench.material
    task, classes = material.signature.task, len(material.signature.classes)
    if task == "forecasting":
        naive = bench.naive().items()
        scored = [(way, [bench.score(i, part) for i, part in enumerate(parts)]) for way, parts in naive]
        return [Entry(way, {}, scores, 0.0, baseline=True) for way, scores in scored]
    if task in UNSUPERVISED:
        return []  # without a truth there is nothing that a constant could get right
    truth = material.codes() if task == "classification" else material.truth
    quantile = material.signature.quantile
    name = "most_frequent" if task == "classification" else "constant_quantile" if quantile else "mean"
    ways: dict[str, list[Floats]] = {
        name: [constant_scores(task, truth[f.fit], len(f.judge), classes, quantile) for f in bench.folds]
    }
    if material.times is not None:
        ways["last_value"] = [last_value_scores(task, truth[f.fit], truth[f.judge], classes) for f in bench.folds]
    return [
        Entry(way, {}, [bench.score(i, part) for i, part in enumerate(parts)], 0.0, baseline=True)
        for way, parts in ways.items()
    ]


def leaderboard(found: Found, signature: Signature, choose: str = "best") -> tuple[dict[str, Any], ...]:
    """Rows for people, best first, baselines among them.

    `chosen`: what is sealed: the best mean score of a learner, or with choose = "simplest" what
    `simplest_within_one_se` names, the least complex learner within one standard error of it.
    """
    chosen, simplest = found.chosen(choose), found.simplest()
    rows = sorted([*found.entries, *found.baselines], key=lambda e: (e.score, e.complexity))
    return tuple(
        {
            "name": e.name,
            "metric": selected_by(signature),
            "score": e.score,
            "std": e.std,
            "se": e.se,
            "folds": list(e.scores),
            "parameters": e.parameters,
            "trials": e.trials,
            "seconds": e.seconds,
            "baseline": e.baseline,
            "chosen": e is chosen,
            "simplest_within_one_se": e is simplest,
        }
        for e in rows
    )
