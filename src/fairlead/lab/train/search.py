"""The search: every learner's trials in turn, each judged on the same folds; baselines beside them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.plugins import names
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.stats.baselines import constant_scores, last_value_scores
from fairlead.lab.stats.measures import Floats, Ints, metrics
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.fitting import learner_of, scores_of, targets
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.learning import learn
from fairlead.lab.train.material import Material
from fairlead.lab.train.preparing import preparation
from fairlead.lab.train.recorded import Recorded, Trial
from fairlead.lab.train.terms import check_learners, signs_of

Say = Callable[..., None]

DEFAULT_LEARNERS = {
    "classification": ("logistic", "hist_gradient_boosting", "random_forest"),
    "regression": ("ridge", "hist_gradient_boosting", "random_forest"),
    "clustering": ("k_means", "gaussian_mixture"),
    "anomaly": ("isolation_forest",),
}
SELECTED_BY = {"classification": "log_loss", "regression": "mae", "clustering": "1 - silhouette", "anomaly": "disorder"}
"""What decides between models, smaller is better: a proper score of probabilities, and the error that is watched."""

STARTUP_TRIALS = 4
CACHED_BYTES = 512 * 1024 * 1024


@dataclass
class Entry:
    """One way of answering with its scores: shape (folds,), in `SELECTED_BY`, smaller is better.

    seconds: spent on all `trials` of this learner, of which this is the best.
    answers: its out-of-sample scores, (rows, outputs), NaN where no fold judged; None when found in the journal.
    """

    name: str
    parameters: dict[str, Any]
    scores: list[float]
    seconds: float
    baseline: bool = False
    complexity: int = 0
    trials: int = 1
    answers: Floats | None = field(default=None, repr=False)

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
        """Standard error of the mean; a rough guide, since folds share rows to learn from."""
        return self.std / float(np.sqrt(len(self.scores)))


@dataclass
class Found:
    """Best entry of each learner, best first; baselines; whether `seconds` ended the search before its trials."""

    entries: list[Entry]
    baselines: list[Entry]
    cut_short: bool
    trials: int


class Bench:
    """Folds with their prepared features, so that trials of all learners share one preparation a fold."""

    def __init__(self, material: Material, folds: Sequence[Fold]) -> None:
        self.material, self.folds = material, tuple(folds)
        self._cache: dict[int, tuple[Floats, Floats]] = {}
        self._signs: dict[int, list[int] | None] = {}
        self._bytes = 0

    def learned(self, index: int) -> Ints:
        """Positions of the rows that a fold learns from: those of its part that settings do not leave out."""
        rows = self.material.learned(self.folds[index].fit)
        return self.folds[index].fit if rows is None else rows

    def prepared(self, index: int) -> tuple[Floats, Floats]:
        """Features to learn from and to judge on, prepared by what the former alone say."""
        if index in self._cache:
            return self._cache[index]
        fold, frame = self.folds[index], self.material.frame
        signature, rows = self.material.signature, self.learned(index)
        fitted = preparation(signature, self.material.preparing)
        truth = targets(self.material.truth[rows], signature)
        learned = np.ascontiguousarray(fitted.fit_transform(frame.iloc[rows], truth), dtype=np.float64)
        judged = np.ascontiguousarray(fitted.transform(frame.iloc[fold.judge]), dtype=np.float64)
        self._signs[index] = signs_of(fitted, frame.iloc[fold.fit], self.material.signature, self.material.terms)
        self._bytes += learned.nbytes + judged.nbytes
        if self._bytes <= CACHED_BYTES:
            self._cache[index] = (learned, judged)
        return learned, judged

    def answers(self, index: int, learner: Any, parameters: Mapping[str, Any], seed: int) -> Floats:
        """Scores of one fold's judged rows after learning from its others. Shape (judged rows, outputs)."""
        learned, judged = self.prepared(index)
        rows = self.learned(index)
        signature, truth = self.material.signature, self.material.truth[rows]
        weights = self.material.fit_weights(rows)
        if signature.task == "classification" and len(set(truth)) < 2:
            # An early run of a time series may hold one class alone, from which most learners cannot learn.
            codes = self.material.codes()[rows]
            return constant_scores(signature.task, codes, len(judged), len(signature.classes))
        with few_threads(len(learned)):
            estimator = learn(
                learner, signature.task, parameters, seed, learned, targets(truth, signature),
                weights=weights, signs=self._signs[index], terms=self.material.terms,
                ordered=self.material.times is not None,
            )  # fmt: skip
        return scores_of(estimator, judged, signature)

    def score(self, index: int, answers: Floats) -> float:
        """What `SELECTED_BY` says about the answers to one fold."""
        signature = self.material.signature
        truth = self.material.truth[self.folds[index].judge]
        return float(metrics(signature.task, truth, answers, signature)[SELECTED_BY[signature.task]])

    def metrics(self, index: int, answers: Floats) -> dict[str, float]:
        """Every metric of the answers to one fold."""
        signature = self.material.signature
        return metrics(signature.task, self.material.truth[self.folds[index].judge], answers, signature)

    def whole(self, parts: Sequence[Floats]) -> Floats:
        """Answers of all folds as one table, (rows, outputs), NaN where no fold judged."""
        table = np.full((self.material.rows, parts[0].shape[1]), np.nan)
        for fold, part in zip(self.folds, parts, strict=True):
            table[fold.judge] = part
        return table


def learners_for(asked: Sequence[str], signature: Signature, trial: Trial | None = None) -> list[Any]:
    """The learners to try, each able to do the task. trial: tried alone. Raises ConfigInvalid, UnknownPlugin."""
    if trial is not None:
        return [Recorded(learner_of(trial.learner), trial.parameters)]
    chosen = [learner_of(name) for name in asked or DEFAULT_LEARNERS[signature.task]]
    for learner in chosen:
        if signature.task not in learner.tasks:
            able = [n for n in names("learner") if signature.task in learner_of(n).tasks]
            raise ConfigInvalid(
                f"{learner.name} cannot do {signature.task}.",
                file="fairlead.toml", key="train.learners", cure=f"Learners that can: {', '.join(able)}.",
            )  # fmt: skip
    return chosen


def search(
    bench: Bench, learners: Sequence[Any], *, trials: int, seconds: float, seed: int, journal: Journal, say: Say
) -> Found:
    """Try `trials` settings in all, learners in turn, each first with its defaults, then by TPE.

    Deterministic for a seed: each trial's sampler is seeded by seed, learner and its number, so what is asked
    next depends on scores alone. `seconds` counts time spent on trials, those of an interrupted search included;
    the first trial always runs. Source of TPE: Bergstra et al., Algorithms for hyper-parameter optimization (2011).
    """
    check_learners(learners, bench.material.terms)
    for learner in learners:
        # What it takes to import a learner's library is nobody's trial.
        learner.build(bench.material.signature.task, learner.default(bench.material.rows), seed)
    tuners = [_Tuner(learner, bench.material.rows, seed) for learner in learners]
    best: dict[str, Entry] = {}
    spent, done = 0.0, 0
    for number in range(trials):
        if done and spent >= seconds:
            break
        tuner = tuners[number % len(tuners)]
        parameters, tell = tuner.ask()
        entry = _trial(bench, tuner.learner, parameters, seed, journal, _step(say, number, trials))
        tell(entry.score)
        cost = entry.seconds
        spent, done = spent + cost, done + 1
        previous = best.get(entry.name)
        time_before = 0.0 if previous is None else previous.seconds
        if previous is None or entry.score < previous.score:
            best[entry.name] = previous = entry
        previous.trials, previous.seconds = tuner.asked, time_before + cost
    return Found(
        entries=sorted(best.values(), key=lambda e: (e.score, e.complexity)),
        baselines=baselines(bench),
        cut_short=done < trials,
        trials=done,
    )


def _step(say: Say, number: int, trials: int) -> Say:
    def tell(text: str, share: float) -> None:
        say(f"trial {number + 1} of {trials}: {text}", done=(number + share) / trials)

    return tell


def _trial(bench: Bench, learner: Any, parameters: dict[str, Any], seed: int, journal: Journal, say: Say) -> Entry:
    known = journal.find(learner.name, parameters)
    if known is not None:
        return Entry(learner.name, parameters, known[0], known[1], complexity=learner.complexity)
    started = time.perf_counter()
    parts: list[Floats] = []
    scores: list[float] = []
    metric = SELECTED_BY[bench.material.signature.task]
    for index in range(len(bench.folds)):
        parts.append(bench.answers(index, learner, parameters, seed))
        scores.append(bench.score(index, parts[-1]))
        share = (index + 1) / len(bench.folds)
        say(f"{learner.name}, fold {index + 1} of {len(bench.folds)}: {metric} {scores[-1]:.4f}", share)
    spent = time.perf_counter() - started
    journal.add(learner.name, parameters, scores, spent)
    return Entry(
        learner.name, parameters, scores, spent, complexity=learner.complexity, answers=bench.whole(parts)
    )  # fmt: skip


class _Tuner:
    """Asks for one learner's settings: its defaults first, then by TPE over what was scored so far."""

    def __init__(self, learner: Any, rows: int, seed: int) -> None:
        self.learner, self.rows, self.seed = learner, rows, seed
        self.asked = 0
        self._study: Any = None

    def ask(self) -> tuple[dict[str, Any], Callable[[float], Any]]:
        self.asked += 1
        if self.asked == 1:
            return self.learner.default(self.rows), lambda score: None
        import optuna

        if self._study is None:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._study = optuna.create_study(direction="minimize")
        study = self._study
        digest = hashlib.sha256(f"{self.seed}/{self.learner.name}/{self.asked}".encode()).digest()
        study.sampler = optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "big"), n_startup_trials=STARTUP_TRIALS
        )
        trial = study.ask()
        return self.learner.space(trial, self.rows), lambda score: study.tell(trial, score)


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
    if task in UNSUPERVISED:
        return []  # without a truth there is nothing that a constant could get right
    truth = material.codes() if task == "classification" else material.truth
    name = "most_frequent" if task == "classification" else "mean"
    ways: dict[str, list[Floats]] = {
        name: [constant_scores(task, truth[f.fit], len(f.judge), classes) for f in bench.folds]
    }
    if material.times is not None:
        ways["last_value"] = [last_value_scores(task, truth[f.fit], truth[f.judge], classes) for f in bench.folds]
    return [
        Entry(way, {}, [bench.score(i, part) for i, part in enumerate(parts)], 0.0, baseline=True)
        for way, parts in ways.items()
    ]


def leaderboard(found: Found, signature: Signature) -> tuple[dict[str, Any], ...]:
    """Rows for people, best first, baselines among them.

    `chosen`: the best mean score of a learner. `simplest_within_one_se`: of those whose mean is within one
    standard error of it, the least complex learner, named and not chosen (Breiman et al., CART, 1984).
    """
    best = found.entries[0]
    close = [e for e in found.entries if e.score <= best.score + best.se]
    simplest = min(close, key=lambda e: (e.complexity, e.score))
    rows = sorted([*found.entries, *found.baselines], key=lambda e: (e.score, e.complexity))
    return tuple(
        {
            "name": e.name,
            "metric": SELECTED_BY[signature.task],
            "score": e.score,
            "std": e.std,
            "se": e.se,
            "folds": list(e.scores),
            "parameters": e.parameters,
            "trials": e.trials,
            "seconds": e.seconds,
            "baseline": e.baseline,
            "chosen": e is best,
            "simplest_within_one_se": e is simplest,
        }
        for e in rows
    )
