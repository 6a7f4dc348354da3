"""Rows that are alike are not told apart; rows that moved are, and by what moved."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.telling_apart import Telling, features_of

SIGNATURE = Signature("regression", (Column("a", "number"), Column("b", "number"), Column("w", "category")))


def rows(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    a = rng.normal(size=n)
    return {
        "a": a, "b": 0.8 * a + 0.6 * rng.normal(size=n), "w": rng.choice(np.array(["x", "y", None], dtype=object), n)
    }  # fmt: skip


def telling(table: dict[str, np.ndarray], blocks: np.ndarray) -> Telling:
    known = profile(table, bins_for(table, SIGNATURE)).columns
    return Telling(features_of(table, known), blocks % 2)


def test_alike_rows_are_told_apart_no_better_than_by_a_coin_and_intervals_hold() -> None:
    rng, held, aucs = np.random.default_rng(0), [], []
    for _ in range(100):
        table, blocks = rows(rng, 1200), np.arange(1200) // 15
        found = telling(table, blocks).told(np.arange(1200) < 300, blocks)
        aucs.append(found.auc)
        held.append(found.low <= 0.5 <= found.high)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.01)
    assert np.mean(held) >= 0.92


@pytest.mark.parametrize("what", ["a", "w", "together"])
def test_what_moved_is_what_they_are_told_apart_by(what: str) -> None:
    table, blocks = rows(np.random.default_rng(1), 2000), np.arange(2000) // 20
    own = np.arange(2000) >= 1500
    if what == "a":
        table["a"][own] += 1.0
    elif what == "w":
        table["w"][own] = "y"
    else:
        # Each column alone stays as it was: only how they go together is lost.
        table["b"][own] = np.random.default_rng(2).permutation(table["b"][own])
    found = telling(table, blocks).told(own, blocks)
    assert found.auc > 0.6
    assert found.low > 0.5
    assert next(iter(found.by)) in ({what} if what != "together" else {"a", "b"})
    assert found.by.get("w", 0.0) < 0.3 or what == "w"


def test_no_column_that_varies_tells_nothing() -> None:
    table = {"a": np.ones(60), "b": np.full(60, np.nan), "w": np.full(60, None, dtype=object)}
    found = telling(table, np.arange(60)).told(np.arange(60) < 30, np.arange(60))
    assert (found.auc, found.by) == (0.5, {})
