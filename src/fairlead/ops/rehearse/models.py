"""Models by the rows they learnt, and what each loses on each window: fitted and scored once, whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.ops.flow.picker import age_weights
from fairlead.ops.monitor.joint import statistics_in_use
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.identity import Identity
from fairlead.ops.rehearse.shelf import Shelf

if TYPE_CHECKING:
    from fairlead.lab.train.folding import Fold

Key = tuple[int, int] | tuple[int, int, float]
"""First and last window learnt from, both included; a third is the windows in which the weight of a row halves."""

CHUNK_ROWS = 1_500
MOST_CHUNK = 16


class Answers(msgspec.Struct, frozen=True):
    """What a model answered on one window: scores (n, k); losses (n,) in [0, 1]; errors (n,), the quality in the unit
    people read: absolute error, or 1 for a wrong decision. untold: scores of the rows without a truth, (m, k)."""

    scores: np.ndarray
    losses: np.ndarray
    errors: np.ndarray
    untold: np.ndarray


class Meter:
    """What one policy would have cost alone: CPU seconds of the fits and scores it asked for, each counted once.

    own: seconds that were neither, deciding and watching. prepared: of them those that every policy that watches needs
    once, for the first release. fresh: fits and scores that nobody had asked for before.
    """

    def __init__(self) -> None:
        self.fits: dict[Any, float] = {}
        self.scores: dict[Any, float] = {}
        self.own = 0.0
        self.prepared = 0.0
        self.fresh = 0.0

    @property
    def cpu_s(self) -> float:
        """All of it, as if nothing had been known before."""
        return sum(self.fits.values()) + sum(self.scores.values()) + self.own

    @property
    def spent_s(self) -> float:
        """What it really took, with what others had asked for before."""
        return self.fresh + self.own


class Models:
    """The models of one history, cached by the rows they learnt from: in memory, and their answers on a shelf.

    learner, parameters: every fit's; the learner's defaults without parameters. clip: absolute error that counts as
    loss 1, set once the first release is held out.
    """

    def __init__(
        self, history: History, learner: str, parameters: Mapping[str, Any] | None = None, shelf: Shelf | None = None
    ) -> None:
        from fairlead.lab.train.fitting import learner_of

        self.history = history
        self.learner = learner
        rows = history.slots[history.learnt - 1].last
        kind = learner_of(learner)
        self.parameters = dict(parameters) if parameters is not None else kind.default(rows)
        load_libraries(kind, history, self.parameters)
        self.clip = 1.0
        self.shelf = shelf or Shelf(None)
        self.identity = Identity(history, learner, self.parameters)
        self.fits = 0
        usual = float(np.median([s.rows for s in history.slots]))
        # Calls cost more than rows. Chunks lie where they lie, whoever asks first, so that answers are the same
        # to the bit in whatever order they are asked for.
        self.chunk = int(min(max(CHUNK_ROWS // max(usual, 1.0), 1), MOST_CHUNK))
        self._meter = Meter()
        self._pipelines: dict[Any, Any] = {}
        self._fit_costs: dict[Any, float] = {}
        self._answers: dict[tuple[Any, int], tuple[Answers, Any]] = {}
        self._costs: dict[Any, float] = {}
        self._held_out_costs: dict[str, float] = {}
        self._fresh = 0.0

    @property
    def fit_s(self) -> float:
        """CPU seconds that a fit took when the first release was held out, the mean; 0 before. Kept with the answers,
        so that it is the same in every process."""
        costs = self._held_out_costs.values()
        return sum(costs) / len(costs) if costs else 0.0

    @property
    def asked(self) -> int:
        """Fits that whoever is charged now has asked for, each counted once."""
        return len(self._meter.fits)

    @contextmanager
    def charged_to(self, meter: Meter) -> Iterator[None]:
        """Let what is asked for within count for one policy."""
        before, self._meter = self._meter, meter
        started, known = time.process_time(), self._fresh
        try:
            yield
        finally:
            # What was not fitting or scoring is the policy's own work: deciding and watching.
            fresh = self._fresh - known
            meter.fresh += fresh
            meter.own += max(time.process_time() - started - fresh, 0.0)
            self._meter = before

    def learn(self, key: Key, broken: bool = False) -> None:
        """Have a model of these windows. broken: from truths in random order, a challenger that is no good."""
        name = (key, broken)
        if name not in self._fit_costs:
            kept = self.shelf.get(self._fit_name(key, broken))
            if kept is None:
                self._fitted(key, broken)
            else:
                self._fit_costs[name] = kept.cost
        self._meter.fits[name] = self._fit_costs[name]

    def answers(self, key: Key, window: int, broken: bool = False) -> Answers:
        """What that model answered on a window (position in the history's slots)."""
        name = (key, broken)
        if (name, window) not in self._answers:
            self._score(key, broken, window // self.chunk)
        found, batch = self._answers[name, window]
        self.learn(key, broken)
        self._meter.scores[batch] = self._costs[batch]
        return found

    def loss(self, key: Key, window: int) -> float:
        """Mean loss of that model on a window."""
        return float(self.answers(key, window).losses.mean())

    def error(self, key: Key, window: int) -> float:
        """Mean error of that model on a window."""
        return float(self.answers(key, window).errors.mean())

    def pipeline(self, key: Key, broken: bool = False) -> Any:
        """The fitted model itself, for rows that are not those of the history."""
        self.learn(key, broken)
        return self._fitted(key, broken)

    def held_out(self, fold: Fold) -> np.ndarray:
        """Scores of a fold's judged rows by what was learnt from its other rows, both within the first release."""
        about = [int(i) for i in (fold.fit[0], fold.fit[-1], fold.judge[0], fold.judge[-1])]
        name = self.identity.name("held out", 0, self.history.learnt - 1, *about, len(fold.fit), len(fold.judge))
        kept = self.shelf.get(name)
        if kept is None:
            with self._timed() as spent:
                pipeline = fit_rows(self.history, fold.fit, self.learner, self.parameters, False)
                scores = score_rows(self.history, pipeline, fold.judge)
            self.fits += 1
            kept_cost = spent[0]
            self.shelf.put(name, scores, kept_cost)
        else:
            scores, kept_cost = kept.values, kept.cost
        self._meter.fits["held out", name] = kept_cost
        self._held_out_costs[name] = kept_cost
        return scores

    def _fit_name(self, key: Key, broken: bool) -> str:
        return self.identity.name("fit", key[0], key[1], broken, *key[2:])

    def _fitted(self, key: Key, broken: bool) -> Any:
        name = (key, broken)
        if name not in self._pipelines:
            rows = self.history.rows(key[0], key[1])
            with self._timed() as spent:
                half_life = key[2] if len(key) == 3 else 0.0
                self._pipelines[name] = fit_rows(
                    self.history, rows, self.learner, self.parameters, broken, half_life
                )  # fmt: skip
            self.fits += 1
            self._fit_costs.setdefault(name, spent[0])
            self.shelf.put(self._fit_name(key, broken), np.zeros(0), self._fit_costs[name])
        return self._pipelines[name]

    def _score(self, key: Key, broken: bool, chunk: int) -> None:
        """Score a run of windows in one call, or take them from the shelf."""
        history, name = self.history, (key, broken)
        wanted = range(chunk * self.chunk, min((chunk + 1) * self.chunk, len(history.slots)))
        rows = history.rows(wanted[0], wanted[-1])
        first, last = history.slots[wanted[0]].untold, history.slots[wanted[-1]].untold_last
        shelved = self.identity.name(
            "scores", key[0], key[1], broken, *key[2:], self.identity.rows(wanted[0], wanted[-1])
        )
        kept = self.shelf.get(shelved)
        batch = ("score", name, chunk)
        if kept is not None and len(kept.values) == len(rows) + last - first:
            scores, self._costs[batch] = kept.values, kept.cost
        else:
            pipeline = self._fitted(key, broken)
            with self._timed() as spent:
                scores = score_rows(history, pipeline, rows, (first, last))
            self._costs[batch] = spent[0]
            self.shelf.put(shelved, scores, spent[0])
        scores, untold = scores[: len(rows)], scores[len(rows) :]
        losses, errors = judged(history, rows, scores, self.clip)
        for window in wanted:
            slot = history.slots[window]
            start = history.slots[wanted[0]].first
            part = slice(slot.first - start, slot.last - start)
            rest = untold[slot.untold - first : slot.untold_last - first]
            self._answers[name, window] = Answers(scores[part], losses[part], errors[part], rest), batch

    @contextmanager
    def _timed(self) -> Iterator[list[float]]:
        spent = [0.0]
        started = time.process_time()
        yield spent
        spent[0] = time.process_time() - started
        self._fresh += spent[0]


def load_libraries(learner: Any, history: History, parameters: Mapping[str, Any]) -> None:
    """Import what fitting and watching need, so that no policy is charged for it."""
    import scipy.special  # noqa: F401

    import fairlead.lab.stats.evalues
    import fairlead.lab.stats.extremes
    import fairlead.lab.stats.merging
    import fairlead.lab.stats.runs
    import fairlead.lab.train.suspects.blocks  # noqa: F401
    from fairlead.lab.train.preparing import preparation

    preparation(history.material.signature, history.material.preparing)
    statistics_in_use(history.material.signature)
    learner.build(history.material.signature.task, parameters, 0)


def fit_rows(
    history: History, rows: np.ndarray, learner: str, parameters: Mapping[str, Any], broken: bool,
    half_life: float = 0.0,
) -> Any:  # fmt: skip
    """One fit on rows of the history, given by position. half_life: windows in which the weight of a row halves."""
    import dataclasses

    from fairlead.lab.train.fitting import fit

    material = history.material.take(rows)
    if half_life > 0:
        weights = age_weights(history.window_of(rows), half_life)
        own = material.weights
        material = dataclasses.replace(material, weights=weights if own is None else weights * own)
    if broken:
        rng = np.random.default_rng(int(rows[0]) * 1_000_003 + int(rows[-1]))
        material.truth[:] = rng.permutation(material.truth)
    return fit(material, learner, parameters, history.settings.train.seed)


def score_rows(
    history: History, pipeline: Any, rows: np.ndarray, untold: tuple[int, int] = (0, 0)
) -> np.ndarray:  # fmt: skip
    """Scores (n + m, k) of rows given by position, and after them of those without a truth from `untold[0]` to before
    `untold[1]`."""
    from fairlead.lab.train.fitting import scores_of

    material, rest = history.material, history.unlabelled
    frame = material.frame.iloc[rows]
    if rest is not None and untold[1] > untold[0]:
        import pandas as pd

        frame = pd.concat([frame, rest.frame.iloc[untold[0] : untold[1]]], ignore_index=True)
    scores: np.ndarray = scores_of(pipeline, frame, material.signature)
    return scores


def judged(history: History, rows: np.ndarray, scores: np.ndarray, clip: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses and errors of these rows, (n,) each."""
    return judged_against(history, history.material.truth[rows], scores, clip)


def judged_against(
    history: History, truth: np.ndarray, scores: np.ndarray, clip: float
) -> tuple[np.ndarray, np.ndarray]:
    """Losses and errors of scores (n, k) against that truth (n,), (n,) each."""
    from fairlead.lab.stats import class_codes, losses
    from fairlead.lab.stats.measures import decisions
    from fairlead.lab.stats.pinball import errors_of

    signature = history.material.signature
    lost = losses(signature.task, truth, scores, signature, clip)
    if signature.task == "classification":
        wrong = decisions(scores, signature) != class_codes(truth, signature.classes)
        return lost, wrong.astype(np.float64)
    return lost, errors_of(truth, scores[:, 0], signature)
