"""Performance before labels come: taught by held-out answers, applied to rows of any later window.

Classification (CBPE): probabilities are put on curves that make them mean what they say, where they do not yet, and
metrics are what they let expect; rows on which the model did better or worse than its probabilities say are told
apart by a small tree, which corrects loss and accuracy. Regression (DLE): the loss of a row is that of the held-out
rows alike it, by the same kind of tree. Both take it that a row like those held out is still answered as well as they
were: a shift of the inputs is followed, a change of what the inputs mean cannot be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.estimation import MOST_EARLIER, Earlier, Estimation, Foretold, Leaves
from fairlead.contract.profile import Bins
from fairlead.contract.signature import Signature, Task
from fairlead.lab.stats.alike import Counted, counted_cells, grow, leaf_of, leaves_in
from fairlead.lab.stats.calibration import isotonic
from fairlead.lab.stats.expected import Expected, expected_metrics
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats, class_codes, decisions, half_squared_distance, metrics
from fairlead.lab.stats.pinball import errors_of

TASKS: tuple[Task, ...] = ("classification", "regression")
MOST_CLASSES = 50
FEWEST_ROWS = 100
MOST_ROWS = 20_000
MOST_WINDOW_ROWS = 5_000
MOST_NOW = 200_000
"""Rows of a window that are looked at; of more, as many in equal steps."""
FOLDS = 4
KNOTS = 50


def thinned(rows: int, most: int) -> np.ndarray:
    """Positions of at most `most` rows, in equal steps."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


def learn_estimation(
    signature: Signature,
    columns: Mapping[str, Any],
    truth: np.ndarray,
    scores: Floats,
    bins: tuple[Sequence[Bins], Sequence[Bins]],
    windows: Sequence[np.ndarray],
    clip: float,
    earlier: Sequence[tuple[float, float, np.ndarray]] = (),
) -> Estimation | None:
    """What held-out answers teach; None for tasks without it and under 100 rows.

    columns, truth, scores: of rows with out-of-sample scores. bins: of columns and of scores. windows: positions of
    the rows of each held-out window. clip: as for `losses`. earlier: start, end and positions of the rows of windows
    before them, of which at most `MOST_EARLIER` are kept.
    """
    if signature.task not in TASKS or len(signature.classes) > MOST_CLASSES or len(truth) < FEWEST_ROWS:
        return None
    teach = _Teacher(signature, counted_cells(columns, bins[0], scores, bins[1]), truth, scores, clip)
    rows = thinned(len(truth), MOST_ROWS)
    whole = teach.by(rows)
    found: list[dict[str, Foretold]] = []
    if len(windows) >= 2:
        folds = np.array_split(np.arange(len(windows)), min(FOLDS, len(windows)))
        for fold in folds:
            inside = np.concatenate([windows[i] for i in fold])
            others = np.setdiff1d(rows, inside, assume_unique=False)
            taught = teach.by(others) if len(others) >= FEWEST_ROWS else whole
            found += [teach.foretold(taught, windows[i]) for i in fold]
    before = teach.before(whole, earlier)
    return Estimation(whole.method, whole.rows, whole.tree, whole.leaves, whole.curves, tuple(found), before)


class _Teacher:
    """Rows to learn from, whatever part of them."""

    def __init__(self, signature: Signature, counted: Counted, truth: np.ndarray, scores: Floats, clip: float) -> None:
        self.signature, self.counted, self.truth, self.scores, self.clip = signature, counted, truth, scores, clip
        classes = signature.task == "classification"
        self.codes = class_codes(truth, signature.classes) if classes else np.zeros(0, dtype=np.int64)

    def by(self, rows: np.ndarray) -> Estimation:
        """What these rows teach."""
        if self.signature.task == "classification":
            curves = self._curves(rows)
            parts = self._beside(rows, curves)
            method = "cbpe"
        else:
            curves, method = (), "dle"
            parts = self._errors(rows)
        counted = self.counted.take(rows)
        tree = grow(counted, parts["loss"])
        leaf = leaf_of(tree, counted)
        leaves = {name: _leaves(leaf, values, leaves_in(tree)) for name, values in parts.items()}
        return Estimation(method, len(rows), tree, leaves, curves)

    def foretold(self, taught: Estimation, window: np.ndarray) -> dict[str, Foretold]:
        """A window it was not taught by: what it expects, and what was."""
        rows = window[thinned(len(window), MOST_WINDOW_ROWS)]
        scores, truth = self.scores[rows], self.truth[rows]
        expected = expectation(taught, self.signature, self.counted.take(rows), scores)
        realised = metrics(self.signature.task, truth, scores, self.signature)
        realised["loss"] = float(losses(self.signature.task, truth, scores, self.signature, self.clip).mean())
        return {
            name: Foretold(e.value, e.chance, realised[name])
            for name, e in sorted(expected.items())
            if name in realised and np.isfinite([e.value, e.chance, realised[name]]).all()
        }

    def before(self, taught: Estimation, windows: Sequence[tuple[float, float, np.ndarray]]) -> tuple[Earlier, ...]:
        """What the inputs of earlier windows let expect. Of many, some at random: every so many of them would be of
        one hour or weekday."""
        if not windows:
            return ()
        count = min(len(windows), MOST_EARLIER)
        chosen = np.sort(np.random.default_rng(0).choice(len(windows), count, replace=False))
        each = max(MOST_NOW // count, FEWEST_ROWS)
        parts = [windows[i][2][thinned(len(windows[i][2]), each)] for i in chosen]
        rows = np.concatenate(parts)
        expected = _expected_losses(taught, self.signature, self.counted.take(rows), self.scores[rows])
        first = np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]])
        means = np.add.reduceat(expected, first) / [len(part) for part in parts]
        return tuple(Earlier(windows[i][0], windows[i][1], float(mean)) for i, mean in zip(chosen, means, strict=True))

    def _curves(self, rows: np.ndarray) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
        scores, codes = self.scores[rows], self.codes[rows]
        half = np.arange(len(rows)) % 2 == 0
        changed = np.empty(len(rows))
        for part in (half, ~half):
            made = _curves_of(scores[~part], codes[~part])
            changed[part] = half_squared_distance(codes[part], probabilities_by(made, scores[part]))
        gain = half_squared_distance(codes, probabilities_by((), scores)) - changed
        # Curves of few rows add noise: they are taken where they surely help.
        if gain.mean() <= 2.0 * gain.std() / np.sqrt(len(gain)):
            return ()
        return _curves_of(scores, codes)

    def _beside(self, rows: np.ndarray, curves: Any) -> dict[str, Floats]:
        """By how much a row's loss, and its being right, differ from what its probabilities let expect."""
        scores, codes = self.scores[rows], self.codes[rows]
        likely = probabilities_by(curves, scores)
        loss, right = _by_row(likely, scores, self.signature)
        decided = decisions(scores, self.signature)
        return {
            "loss": half_squared_distance(codes, scores) - loss,
            "accuracy": (decided == codes).astype(np.float64) - right,
        }

    def _errors(self, rows: np.ndarray) -> dict[str, Floats]:
        truth, said = self.truth[rows].astype(np.float64), self.scores[rows, 0]
        errors = errors_of(truth, said, self.signature)
        found = {"loss": np.clip(errors / self.clip, 0.0, 1.0)}
        if self.signature.quantile:
            return {**found, "pinball": errors}
        return {**found, "mae": errors, "mse": errors * errors}


def _leaves(leaf: np.ndarray, values: Floats, count: int) -> Leaves:
    rows = np.bincount(leaf, minlength=count)
    inside = np.maximum(rows, 1)
    mean = np.bincount(leaf, weights=values, minlength=count) / inside
    spread = np.bincount(leaf, weights=(values - mean[leaf]) ** 2, minlength=count) / np.maximum(rows - 1, 1)
    return Leaves(tuple(rows.tolist()), tuple(mean.tolist()), tuple(spread.tolist()))


def _curves_of(scores: Floats, codes: np.ndarray) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """A curve a class; of two classes the second's is the first's mirrored."""
    k = scores.shape[1]
    found = []
    for c in range(k - 1 if k == 2 else k):
        order = np.argsort(scores[:, c], kind="stable")
        parts = np.array_split(order, min(KNOTS, max(len(order) // 20, 1)))
        level = np.empty(len(order))
        for part in parts:
            level[part] = scores[part, c].mean()
        x, y = isotonic(np.clip(level, 0.0, 1.0), (codes == c).astype(np.float64))
        found.append((tuple(x.tolist()), tuple(y.tolist())))
    return tuple(found)


def probabilities_by(curves: Sequence[tuple[Sequence[float], Sequence[float]]], scores: Floats) -> Floats:
    """How likely each class is, (n, k), rows sum to 1. curves: of `Estimation`; none: the scores as they are."""
    table = np.clip(scores, 0.0, 1.0)
    if curves:
        drawn = [np.interp(table[:, c], x, y) for c, (x, y) in enumerate(curves)]
        table = np.column_stack([drawn[0], 1.0 - drawn[0]] if len(drawn) == 1 else drawn)
    total = table.sum(axis=1, keepdims=True)
    found: Floats = np.where(total > 0, table / np.where(total > 0, total, 1.0), 1.0 / table.shape[1])
    return found


def _by_row(likely: Floats, scores: Floats, signature: Signature) -> tuple[Floats, Floats]:
    """Expected loss of each row, and how likely it is decided rightly: (n,) each."""
    squares = 0.5 * ((scores * scores).sum(axis=1, keepdims=True) - 2.0 * scores + 1.0)
    right = likely[np.arange(len(scores)), decisions(scores, signature)]
    return (likely * squares).sum(axis=1), right


def row_losses(estimation: Estimation, signature: Signature, counted: Counted, scores: Floats) -> Floats:
    """The loss in [0, 1] that each row lets expect, (n,)."""
    return np.clip(_expected_losses(estimation, signature, counted, scores), 0.0, 1.0)


def _expected_losses(estimation: Estimation, signature: Signature, counted: Counted, scores: Floats) -> Floats:
    """What each row adds to the expected loss of a window, (n,)."""
    leaf = leaf_of(estimation.tree, counted)
    found: Floats = np.asarray(estimation.leaves["loss"].mean)[leaf]
    if estimation.method == "cbpe":
        found = found + _by_row(probabilities_by(estimation.curves, scores), scores, signature)[0]
    return found


def expectation(estimation: Estimation, signature: Signature, counted: Counted, scores: Floats) -> dict[str, Expected]:
    """Every metric that these rows let expect, "loss" among them, with the deviation by chance: of the labels that
    will come, and of the held-out rows that taught each leaf.
    """
    n = len(scores)
    if not n:
        return {}
    leaf = leaf_of(estimation.tree, counted)
    share = np.bincount(leaf, minlength=leaves_in(estimation.tree)) / n
    found: dict[str, Expected] = {}
    if estimation.method == "cbpe":
        likely = probabilities_by(estimation.curves, scores)
        found = expected_metrics(likely, scores, signature)
        found["loss"] = found["brier"]
        for name, measure in (("loss", "loss"), ("brier", "loss"), ("accuracy", "accuracy")):
            value, chance = _over_leaves(estimation.leaves[measure], share, None)
            found[name] = Expected(found[name].value + value, float(np.hypot(found[name].chance, chance)))
        return found
    for name, leaves in estimation.leaves.items():
        found[name] = Expected(*_over_leaves(leaves, share, n))
    if "mse" in found:
        root = float(np.sqrt(max(found["mse"].value, 1e-300)))
        found["rmse"] = Expected(root, found["mse"].chance / (2.0 * root))
    return found


def _over_leaves(leaves: Leaves, share: Floats, rows: int | None) -> tuple[float, float]:
    """Mean over rows that fall into leaves by `share`, and its deviation. rows: of the window, whose own labels vary;
    None where that is counted elsewhere.
    """
    mean, variance = np.asarray(leaves.mean), np.asarray(leaves.variance)
    taught = float((share**2 * variance / np.maximum(np.asarray(leaves.rows), 1)).sum())
    own = 0.0 if rows is None else float((share * variance).sum()) / rows
    return float((share * mean).sum()), float(np.sqrt(taught + own))
