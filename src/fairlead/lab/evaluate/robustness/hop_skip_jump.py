"""HopSkipJump over the numeric columns, by the Adversarial Robustness Toolbox: the least change of a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid, MissingExtra
from fairlead.lab.evaluate.robustness.evasion import attacked_rows, mutable
from fairlead.lab.evaluate.robustness.evidence import Evasion
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.intervals import bootstrap

ROWS, ITERATIONS, EVALUATIONS, STARTS = 20, 8, 400, 500


def hop_skip_jump(judged: Judged, fixed: Sequence[str] = (), seed: int = 0) -> Evasion | None:
    """Decisions alone are asked for, as of a served model; every column stays within what training saw.

    `within` has one share: rows turned at any distance. None without a decision or without numeric columns that may
    change. Raises MissingExtra.
    Source: Chen, Jordan and Wainwright, HopSkipJumpAttack (IEEE S&P 2020).
    """
    columns = [c for c in mutable(judged, fixed) if c.kind in ("number", "integer") and _wide(c)]
    if judged.signature.task != "classification" or not columns:
        return None
    attack_on = _toolbox()
    chosen = attacked_rows(judged, ROWS, seed)
    low = np.array([c.low for c in columns], dtype=np.float64)
    width = np.array([c.high for c in columns], dtype=np.float64) - low
    spread = np.array([np.nanstd(np.asarray(judged.columns[c.name], dtype=np.float64)) or 1.0 for c in columns])
    turned, distances = np.zeros(len(chosen), dtype=bool), []
    with _seeded(seed):
        for number, row in enumerate(chosen):
            decide = _decider(judged, int(row), [c.name for c in columns], low, width)
            start = (np.array([judged.columns[c.name][row] for c in columns], dtype=np.float64) - low) / width
            if not np.isfinite(start).all() or (start < 0).any() or (start > 1).any():
                continue
            first = int(decide(start[None])[0].argmax())
            elsewhere = _elsewhere(decide, first, len(columns), seed)
            if elsewhere is None:
                continue
            found = attack_on(decide, len(columns), len(judged.signature.classes))(start, elsewhere)
            if int(decide(found[None])[0].argmax()) != first:
                turned[number] = True
                distances.append(float(np.linalg.norm((found - start) * width / spread)))
    share = bootstrap(turned.astype(np.float64), seed=seed, draws=500)
    median = float(np.median(distances)) if distances else None
    kept = tuple(n for n in judged.signature.names if n not in {c.name for c in columns})
    return Evasion("hop_skip_jump", len(chosen), (share,), median, (), kept)


def _wide(column: Any) -> bool:
    return column.low is not None and column.high is not None and column.high > column.low


Decide = Callable[[np.ndarray], np.ndarray]
Attack = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _elsewhere(decide: Decide, first: int, width: int, seed: int) -> np.ndarray | None:
    """A point with another decision to come back from, drawn evenly; None where hardly any is. The toolbox would draw
    its own from a state that nobody can seed.
    """
    points = np.random.default_rng([seed, 31]).random((STARTS, width))
    other = np.flatnonzero(decide(points).argmax(axis=1) != first)
    return points[other[0]] if len(other) else None


def _decider(judged: Judged, row: int, names: list[str], low: np.ndarray, width: np.ndarray) -> Decide:
    """One-hot decisions, shape (n, classes), of this row with other numbers, shape (n, columns) as shares of ranges."""
    whole = {c.name for c in judged.signature.columns if c.kind == "integer"}
    classes = judged.signature.classes

    def decide(points: np.ndarray) -> np.ndarray:
        numbers = low + np.clip(np.asarray(points, dtype=np.float64), 0.0, 1.0) * width
        columns = {name: np.repeat(np.asarray(v)[row : row + 1], len(numbers), 0) for name, v in judged.columns.items()}
        for at, name in enumerate(names):
            columns[name] = np.round(numbers[:, at]) if name in whole else numbers[:, at]
        try:
            scores = np.asarray(judged.model.score_columns(columns), dtype=np.float64)
        except CellInvalid:
            return np.eye(len(classes))[np.zeros(len(numbers), dtype=np.int64)]
        return np.eye(len(classes))[[classes.index(label) for label in judged.model.decide(scores)]]

    return decide


def _toolbox() -> Callable[[Decide, int, int], Attack]:
    import warnings

    try:
        with warnings.catch_warnings():
            # It tells of every deep learning library that is not installed.
            warnings.simplefilter("ignore")
            from art.attacks.evasion import HopSkipJump
            from art.estimators.classification import BlackBoxClassifier
    except ModuleNotFoundError as missing:
        raise MissingExtra("adversarial-robustness-toolbox", "robust") from missing

    def attack_on(decide: Decide, width: int, classes: int) -> Attack:
        box = BlackBoxClassifier(decide, (width,), classes, clip_values=(0.0, 1.0))
        attack = HopSkipJump(
            box, targeted=False, max_iter=ITERATIONS, max_eval=EVALUATIONS, init_eval=20, init_size=100, verbose=False
        )

        def nearest(start: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
            found: np.ndarray = attack.generate(
                start[None].astype(np.float32), x_adv_init=elsewhere[None].astype(np.float32)
            )[0]
            return found

        return nearest

    return attack_on


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The toolbox draws from numpy's global state; it is put back."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
