"""What one column says about the target, alone and against all the others, judged on rows it was not learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairlead.lab.tables.quality.auc import auc, auc_difference
from fairlead.lab.tables.quality.looking import Look

ROWS = 20_000
FOLDS = 3
_BINS = 200
_TWIN = 0.99  # correlation from which two columns are one
_DRAWS = 400


@dataclass(frozen=True)
class Told:
    """How well something predicts: AUC (mean over classes) or R2, with its 95 % interval; answers: out of fold."""

    value: float
    low: float
    high: float
    answers: np.ndarray


class Telling:
    """The target of a look's sample (at most 20,000 rows) and who tells it.

    truth: (rows, classes) of 0 and 1, of a regression (rows, 1) numbers. Folds are dealt at random by a fixed seed.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.classify = look.task == "classification"
        codes, self.words = look.codes(look.target) if self.classify else (np.empty(0, dtype=np.int64), [])
        numbers = np.empty(0) if self.classify else look.floats(look.target)
        known = np.flatnonzero(codes >= 0 if self.classify else ~np.isnan(numbers))
        # Spread over the table by a step would follow its order; by lot it does not.
        random = np.random.default_rng(0)
        self.rows = np.sort(random.choice(known, ROWS, replace=False)) if len(known) > ROWS else known
        if self.classify:
            present = np.bincount(codes[self.rows], minlength=len(self.words))
            self.classes = np.flatnonzero(present >= 10)[:50]
            self.truth = (codes[self.rows][:, None] == self.classes).astype(np.float64)
        else:
            self.truth = numbers[self.rows][:, None]
        self.fold = random.permutation(len(self.rows)) % FOLDS

    @property
    def usable(self) -> bool:
        """Whether there is enough to judge on."""
        varied = (
            self.truth.shape[1] >= 2 if self.classify else float(np.ptp(self.truth)) > 0 if len(self.rows) else False
        )
        return len(self.rows) >= 100 and varied

    def alone(self, name: str) -> Told:
        """By the mean truth of each of its values (numbers: of 200 quantile bins), learned in other folds."""
        return self._judged(_by_groups(self._groups(name), self.truth, self.fold))

    def gap(self, name: str) -> Told:
        """By nothing but whether its cell is missing."""
        return self._judged(_by_groups(self.missing(name).astype(np.int64), self.truth, self.fold))

    def missing(self, name: str) -> np.ndarray:
        """Whether a cell is missing. Shape (rows,)."""
        cells = self._cells(name)
        return np.asarray(np.isnan(cells))

    def without(self, name: str, names: tuple[str, ...]) -> Told:
        """By all others together, but for those that hardly differ from it: boosted trees, other folds."""
        mine = self._ranks(name)
        others = [n for n in names if n != name and abs(_correlation(mine, self._ranks(n))) < _TWIN]
        if not others:
            return self._judged(np.tile(self.truth.mean(axis=0), (len(self.rows), 1)))
        return self._judged(_by_trees(np.stack([self._cells(n) for n in others], axis=1), self.truth, self.fold))

    def beyond(self, one: Told, other: Told) -> tuple[float, float]:
        """By how much `one` tells more than `other`, with the lower end of its 95 % interval."""
        if self.classify:
            found = [auc_difference(one.answers[:, k], other.answers[:, k], self.truth[:, k] > 0)
                     for k in range(self.truth.shape[1])]  # fmt: skip
            value = float(np.mean([f.value for f in found]))
            return value, value - 1.96 * float(np.mean([f.se for f in found]))
        lost = (self.truth - other.answers) ** 2 - (self.truth - one.answers) ** 2
        total = float(((self.truth - self.truth.mean()) ** 2).mean())
        return float(lost.mean() / total), float((lost.mean() - 1.96 * lost.std() / np.sqrt(len(lost))) / total)

    def _judged(self, answers: np.ndarray) -> Told:
        if self.classify:
            found = [auc(answers[:, k], self.truth[:, k] > 0) for k in range(self.truth.shape[1])]
            value = float(np.mean([f.value for f in found]))
            return Told(value, float(np.mean([f.low for f in found])), float(np.mean([f.high for f in found])), answers)
        errors = ((self.truth - answers) ** 2)[:, 0]
        spread = ((self.truth - self.truth.mean()) ** 2)[:, 0]
        random = np.random.default_rng(1)
        drawn = random.integers(0, len(errors), size=(_DRAWS, min(len(errors), 2_000)))
        values = 1 - errors[drawn].mean(axis=1) / np.maximum(spread[drawn].mean(axis=1), 1e-300)
        value = float(1 - errors.mean() / spread.mean())
        low, high = np.quantile(values, [0.025, 0.975])
        # Draws of fewer rows than there are spread wider, by the root of the ratio.
        shrink = np.sqrt(min(len(errors), 2_000) / len(errors))
        return Told(value, value - float(value - low) * shrink, value + float(high - value) * shrink, answers)

    def _cells(self, name: str) -> np.ndarray:
        if self.look.is_numeric(name) or self.look.column(name).kind == "time":
            return np.asarray(self.look.floats(name)[self.rows])
        codes = self.look.codes(name)[0][self.rows]
        return np.where(codes >= 0, codes, np.nan).astype(np.float64)

    def _ranks(self, name: str) -> np.ndarray:
        return np.argsort(np.argsort(self._cells(name), kind="stable"), kind="stable").astype(np.float64)

    def _groups(self, name: str) -> np.ndarray:
        cells = self._cells(name)
        values, inverse = np.unique(cells, return_inverse=True)
        if len(values) <= _BINS or not (self.look.is_numeric(name) or self.look.column(name).kind == "time"):
            return np.asarray(inverse)
        edges = np.unique(np.nanquantile(cells, np.linspace(0, 1, _BINS + 1)[1:-1]))
        return np.where(np.isnan(cells), len(edges) + 1, np.searchsorted(edges, cells, "right"))


def _by_groups(groups: np.ndarray, truth: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The mean truth of a row's group in the other folds, drawn to the overall mean as if by one row more."""
    answers = np.empty_like(truth)
    levels = int(groups.max()) + 1
    for f in range(FOLDS):
        learn, judge = fold != f, fold == f
        counts = np.bincount(groups[learn], minlength=levels).astype(np.float64)
        overall = truth[learn].mean(axis=0)
        for k in range(truth.shape[1]):
            sums = np.bincount(groups[learn], weights=truth[learn, k], minlength=levels)
            answers[judge, k] = ((sums + overall[k]) / (counts + 1.0))[groups[judge]]
    return answers


def _by_trees(cells: np.ndarray, truth: np.ndarray, fold: np.ndarray) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from fairlead.lab.stats import few_threads

    answers = np.zeros_like(truth)
    classes = truth.argmax(axis=1)
    for f in range(FOLDS):
        learn, judge = fold != f, fold == f
        with few_threads(int(learn.sum())):
            if truth.shape[1] == 1:
                model = HistGradientBoostingRegressor(max_iter=80, random_state=0, early_stopping=False)
                answers[judge, 0] = model.fit(cells[learn], truth[learn, 0]).predict(cells[judge])
            else:
                model = HistGradientBoostingClassifier(max_iter=40, random_state=0, early_stopping=False)
                found = model.fit(cells[learn], classes[learn]).predict_proba(cells[judge])
                answers[np.ix_(judge, model.classes_)] = found
    return answers


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
