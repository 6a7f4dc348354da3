"""Performance estimated before labels come keeps what it says: by simulation with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import metrics
from fairlead.lab.stats.alike import Counted, grow, leaf_of, leaves_in
from fairlead.lab.stats.expected import expected_metrics

BINARY = Signature("classification", (Column("a", "number"),), target="y", classes=("no", "yes"), positive="yes")
THREE = Signature("classification", (Column("a", "number"),), target="y", classes=("u", "v", "w"))


@pytest.mark.parametrize("signature", [BINARY, THREE])
def test_expectation_and_chance_of_every_metric_are_those_of_drawn_labels(signature: Signature) -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(len(signature.classes)), 800)
    said = 0.7 * p + 0.3 / len(signature.classes)
    expected = expected_metrics(p, said, signature)
    classes = np.asarray(signature.classes, dtype=object)
    drawn: dict[str, list[float]] = {}
    for _ in range(250):
        codes = (rng.random(800)[:, None] > np.cumsum(p, axis=1)).sum(axis=1).clip(0, len(classes) - 1)
        for name, value in metrics("classification", classes[codes], said, signature).items():
            drawn.setdefault(name, []).append(value)
    assert set(expected) == {"accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"}
    for name, (value, chance) in expected.items():
        assert abs(np.mean(drawn[name]) - value) < 4.0 * chance / 250**0.5 + 2e-3, name
        assert 0.8 < np.std(drawn[name]) / chance < 1.2, name


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 400), columns=st.integers(0, 4), ties=st.booleans())
def test_a_tree_sorts_every_row_into_a_leaf_whatever_the_cells(seed: int, rows: int, columns: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, columns)
    codes = (rng.random((rows, columns)) * sizes).astype(np.int64) if columns else np.zeros((rows, 0), dtype=np.int64)
    ordered = rng.random(columns) < 0.5
    counted = Counted(tuple(f"c{i}" for i in range(columns)), codes, sizes, ordered)
    values = np.zeros(rows) if ties else rng.normal(size=rows) + (codes[:, 0] if columns else 0)
    tree = grow(counted, values, least=20)
    leaf = leaf_of(tree, counted)
    assert leaf.min() >= 0
    assert leaf.max() < leaves_in(tree) <= 12
    assert min(np.bincount(leaf, minlength=leaves_in(tree))) >= min(20, rows)
    if ties:
        assert leaves_in(tree) == 1


def test_columns_that_say_nothing_leave_one_leaf_and_one_that_does_is_found() -> None:
    rng = np.random.default_rng(2)
    split = 0
    for seed in range(60):
        own = np.random.default_rng(seed)
        counted = Counted(
            tuple("abcde"), own.integers(0, 20, (1000, 5)), np.full(5, 21), np.array([True, True, True, False, False])
        )
        split += leaves_in(grow(counted, own.exponential(size=1000))) > 1
    assert split <= 6, "chance alone is split on in at most a tenth of the tables"
    counted = Counted(("a", "b"), rng.integers(0, 20, (2000, 2)), np.full(2, 21), np.array([True, False]))
    odd = np.isin(counted.codes[:, 1], [3, 7, 11])
    tree = grow(counted, rng.normal(size=2000) + 2.0 * odd)
    assert tree.columns == ("b",)
    assert (leaf_of(tree, counted)[odd] != leaf_of(tree, counted)[~odd][0]).all()
