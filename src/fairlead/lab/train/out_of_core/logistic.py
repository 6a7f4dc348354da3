"""Logistic regression on every row: Newton's steps, each from sums over one pass, to the optimum of all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fairlead.lab.stats.measures import Floats

WIDEST = 2_000
MOST_STEPS = 100
GRADIENT = 1e-9
HALVINGS = 30


class Sums(NamedTuple):
    """Of a pass: the loss, its gradient (k,) and its Hessian (k, k)."""

    loss: float
    gradient: Floats
    hessian: Floats


class StreamedLogistic:
    """Port `streamed`: of LogisticRegression, the same shrunken loss.

    centre: coefficients towards which is shrunken instead of 0, (outputs, width + 1), intercepts last; these are not
    shrunken. Set by whoever goes on from another model.
    """

    how = "Newton's steps over every row, to the optimum of all rows at once"
    centre: Floats | None = None

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed."""
        unknown = (width + 1) * _lines(outputs)
        if unknown > WIDEST or 16 * unknown**2 > memory:
            return f"{unknown:,} coefficients are too many for Newton's steps, which take {WIDEST:,}"
        return None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        lines, width = _lines(len(classes)), stream.width
        centre = np.zeros((lines, width + 1)) if self.centre is None else self.centre.reshape(lines, width + 1)
        shrunken = np.ones((lines, width + 1))
        shrunken[:, -1] = 0.0
        total = sum(float(len(p.truth) if p.weights is None else p.weights.sum()) for p in stream.parts())
        penalty = shrunken.ravel() / (float(estimator.C) * max(total, 1e-300))
        start, steps = centre.ravel().copy(), 0
        here = _sums(stream, start, centre.ravel(), penalty, lines, total)
        while steps < MOST_STEPS:
            steps += 1
            if np.abs(here.gradient).max() <= GRADIENT:
                break
            # Without a shrunken intercept the softmax has a direction that changes nothing: the shortest step it is.
            step = np.linalg.lstsq(here.hessian, here.gradient, rcond=1e-14)[0]
            length, moved = 1.0, here
            for _ in range(HALVINGS):
                moved = _sums(stream, start - length * step, centre.ravel(), penalty, lines, total)
                if moved.loss <= here.loss + 1e-14 * abs(here.loss):
                    break
                length /= 2.0
            else:
                break
            start, here = start - length * step, moved
        found = start.reshape(lines, width + 1)
        estimator.coef_, estimator.intercept_ = found[:, :-1].copy(), found[:, -1].copy()
        estimator.classes_ = np.array(list(classes))
        estimator.n_iter_ = np.array([steps], dtype=np.int32)
        estimator.n_features_in_ = width
        return estimator


def _lines(outputs: int) -> int:
    """Linear forms: one for two classes, else one a class."""
    return 1 if outputs <= 2 else outputs


def _sums(stream: Any, at: Floats, centre: Floats, penalty: Floats, lines: int, total: float) -> Sums:
    forms = at.reshape(lines, -1)
    loss, gradient, hessian = 0.0, np.zeros(len(at)), np.zeros((len(at), len(at)))
    for part in stream.parts():
        rows = np.hstack([part.features, np.ones((len(part.truth), 1))])
        weights = np.ones(len(rows)) if part.weights is None else part.weights
        truth = part.truth.astype(np.int64)
        margins = rows @ forms.T
        if lines == 1:
            margin = margins[:, 0]
            loss += float(weights @ (np.logaddexp(0.0, margin) - truth * margin))
            shares = (0.5 * (1.0 + np.tanh(0.5 * margin)))[:, None]
            apart = shares - truth[:, None]
        else:
            margins = margins - margins.max(axis=1, keepdims=True)
            shares = np.exp(margins)
            norm = shares.sum(axis=1, keepdims=True)
            every = np.arange(len(rows))
            loss += float(weights @ (np.log(norm[:, 0]) - margins[every, truth]))
            shares /= norm
            apart = shares.copy()
            apart[every, truth] -= 1.0
        gradient += ((weights[:, None] * apart).T @ rows).ravel()
        _curve(rows, weights, shares, lines, hessian)
    off = at - centre
    loss = loss / total + 0.5 * float(penalty @ off**2)
    return Sums(loss, gradient / total + penalty * off, hessian / total + np.diag(penalty))


def _curve(rows: Floats, weights: Floats, shares: Floats, lines: int, hessian: Floats) -> None:
    """Add these rows' second derivatives, block by block of the linear forms."""
    width = rows.shape[1]
    for one in range(lines):
        for other in range(one, lines):
            same = shares[:, one] * ((1.0 if one == other else 0.0) - shares[:, other])
            block = (rows * (weights * same)[:, None]).T @ rows
            hessian[one * width : (one + 1) * width, other * width : (other + 1) * width] += block
            if other != one:
                hessian[other * width : (other + 1) * width, one * width : (one + 1) * width] += block.T
