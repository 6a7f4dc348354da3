"""Sub-populations: bad ones are found, and where there are none, none is made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.lab.evaluate.expressions import rows_of
from fairlead.lab.evaluate.searching import biased, candidates_of, searched, spread_out
from fairlead.lab.evaluate.slices import slices_of

COLUMNS = (
    Column("age", "number"), Column("size", "number"), Column("colour", "category"), Column("town", "category"),
    Column("new", "boolean"), Column("idle", "number"),
)  # fmt: skip
SIGNATURE = Signature(task="classification", target="y", columns=COLUMNS, classes=("no", "yes"), positive="yes")


def judged(rows: int, seed: int, *, block: int = 1, worse: float = 0.0) -> Any:
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "age": np.where(random.random(rows) < 0.1, np.nan, random.integers(18, 80, rows).astype(float)),
        "size": random.normal(size=rows),
        "colour": random.choice(["red", "green's", "blue"], rows).astype(object),
        "town": random.choice([f"t{i}" for i in range(8)], rows).astype(object),
        "new": random.integers(0, 2, rows).astype(float),
        "idle": random.exponential(size=rows),
    }
    said = np.clip(random.beta(2, 5, rows), 0.01, 0.99)
    bad = (columns["colour"] == "red") & (columns["size"] > 0)
    truth = np.where(random.random(rows) < np.clip(said + worse * bad, 0, 1), "yes", "no")
    loss = (said - (truth == "yes")) ** 2
    return SimpleNamespace(
        rows=rows, columns=columns, source=pd.DataFrame(columns).assign(new=columns["new"] == 1), truth=truth,
        scores=np.stack([1 - said, said], axis=1), loss=loss, block=block, signature=SIGNATURE,
    )  # fmt: skip


def test_the_bad_corner_is_found_and_described_by_a_rule_that_holds_for_just_its_rows() -> None:
    made = judged(3000, 1, worse=0.6)
    found = slices_of(made, (), find=True, smallest=30, seed=0)
    worst = found.found[0]
    assert "colour = 'red'" in worst.rule
    assert "size >=" in worst.rule
    assert worst.difference.low > 0
    assert worst.expected is not None
    assert worst.loss.low > worst.expected + 0.05
    for one in found.found:
        assert int(rows_of(one.rule, made.source).sum()) == one.rows >= 30
    assert found.tried > 200


def test_a_part_is_told_only_where_it_is_worse_than_the_whole() -> None:
    made = judged(3000, 2)
    red = made.columns["colour"] == "red"
    made.loss = np.where(red, 0.8, 0.1) + np.random.default_rng(0).uniform(0, 0.1, 3000)
    found = slices_of(made, (), find=True, smallest=30, seed=0)
    assert [s.rule for s in found.found] == ["colour = 'red'"]


def test_named_ones_are_told_whatever_they_are() -> None:
    made = judged(500, 3)
    rules = ("colour = 'red'", "age > 200", "age < 200 or age is missing")
    found = slices_of(made, rules, find=False, smallest=30, seed=0)
    assert [s.rows for s in found.named] == [int((made.columns["colour"] == "red").sum()), 0, 500]
    assert found.tried == 0
    red = made.columns["colour"] == "red"
    assert found.named[0].loss.value == pytest.approx(made.loss[red].mean())
    assert found.named[0].rest == pytest.approx(made.loss[~red].mean())


def false_findings(rounds: int, rows: int, *, block: int = 1) -> float:
    """Share of rounds in which a slice of rows, whose loss has nothing to do with their columns, is reported."""
    told = 0
    base = judged(rows, 7, block=block)
    candidates = spread_out(candidates_of(base, np.arange(rows), 30), block)
    for number in range(rounds):
        random = np.random.default_rng([number, 9])
        if block == 1:
            loss = random.permutation(base.loss)
        else:
            level = np.repeat(random.beta(2, 2, rows // block + 1), block)[:rows]
            loss = np.clip(0.5 * level + 0.5 * random.permutation(base.loss), 0, 1)
        told += bool(searched(candidates, loss, block, seed=number).kept)
    return told / rounds


def test_on_shuffled_losses_none_is_reported_beyond_the_level() -> None:
    # 5 % two-sided, of which the worse side may be half; 60 rounds: 7 would be beyond 3 standard errors of 5 %.
    assert false_findings(60, 900) <= 7 / 60


def test_where_answers_are_off_is_told_with_its_direction_and_nothing_where_they_are_right() -> None:
    wrong = slices_of(judged(3000, 1, worse=0.5), (), find=True, smallest=30, seed=0).mistaken
    assert "colour = 'red'" in wrong[0].rule
    assert wrong[0].off.low > 0.2
    assert wrong[0].happened - wrong[0].said == pytest.approx(wrong[0].off.value)
    base = judged(900, 7)
    candidates = candidates_of(base, np.arange(900), 30)
    said = base.scores[:, 1]
    told = 0
    for number in range(60):
        happened = np.random.default_rng(number).random(900) < said
        told += bool(biased(candidates, happened - said, 1, number)[0])
    assert told <= 7


@pytest.mark.long
@pytest.mark.parametrize(("rows", "block"), [(400, 1), (1500, 1), (1500, 75), (1500, 187)])
def test_none_is_made_up_in_a_thousand_shuffles(rows: int, block: int) -> None:
    assert false_findings(600, rows, block=block) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.long
def test_intervals_hold_for_all_that_were_looked_at() -> None:
    rows, inside = 1200, 0
    base = judged(rows, 11)
    candidates = candidates_of(base, np.arange(rows), 30)
    # The columns stay, the truth is drawn anew: each slice has a known expected loss.
    said = base.scores[:, 1]
    chance = np.clip(said + 0.3 * (base.columns["colour"] == "red"), 0, 1)
    expected = chance * (1 - said) ** 2 + (1 - chance) * said**2
    size = np.asarray(candidates.rows.sum(axis=1)).reshape(-1)
    wanted = (candidates.rows @ expected) / size
    for number in range(150):
        truth = np.random.default_rng(number).random(rows) < chance
        search = searched(candidates, (said - truth) ** 2, 1, number)
        inside += bool(np.all(np.abs(search.mean - wanted) <= search.mean_reach))
    # Losses of 30 rows are far from normal: what is promised is 95 of 100, what is kept is 90 or more.
    assert inside / 150 >= 0.9
