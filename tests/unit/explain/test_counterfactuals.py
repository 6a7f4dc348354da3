"""Counterfactuals: they get the answer, within the rules, with the fewest changes; and say when there are none."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import numpy as np
import pytest
from explain_samples import explainable, frame, prepared, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from fairlead.contract.errors import UsageError
from fairlead.contract.profile import Reference
from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.evaluate.explaining.counterfactuals import counterfactuals
from fairlead.lab.evaluate.explaining.steps import Rules, steps_of
from fairlead.lab.stats import bins_for, profile
from fairlead.runtime.bundle.run import Model

ROWS = frame(300)


def fitted(estimator: Any, kind: str, **signature: Any) -> Model:
    model = explainable(prepared(estimator).fit(ROWS, truth(ROWS, kind)), ROWS, ROWS.iloc[:20]).model
    columns = columns_like(ROWS, model.signature)
    model.reference = Reference(profile(columns, bins_for(columns, model.signature)))
    model.signature = msgspec.structs.replace(model.signature, **signature)
    return model


FOREST = fitted(RandomForestClassifier(8, max_depth=5, random_state=0), "binary")
NUMBER = fitted(GradientBoostingRegressor(n_estimators=20, random_state=0), "number")
MANY = fitted(LogisticRegression(), "multiclass")


def row(model: Model, at: int, seed: int = 9) -> dict[str, Any]:
    return {name: values[at] for name, values in columns_like(frame(40, seed), model.signature).items()}


def answered(model: Model, cells: dict[str, Any]) -> Any:
    columns = {
        name: np.array([cell], dtype=float if isinstance(cell, float) else object) for name, cell in cells.items()
    }
    return model.decide(model.score_columns(columns))[0]


@settings(max_examples=25)
@given(at=st.integers(0, 39), seed=st.integers(0, 50), one_way=st.sampled_from(["", "increase", "decrease"]))
def test_what_is_found_gets_the_answer_within_the_rules(at: int, seed: int, one_way: str) -> None:
    cells = row(FOREST, at, seed)
    rules = Rules(immutable=frozenset({"t1"}), **({one_way: frozenset({"n1"})} if one_way else {}))
    found = counterfactuals(FOREST, cells, rules=rules)
    assert bool(found.found) != bool(found.why)
    assert found == counterfactuals(FOREST, cells, rules=rules)  # deterministic
    signature = {column.name: column for column in FOREST.signature.columns}
    assert len({len(one.changes) for one in found.found}) <= 1
    assert len({tuple(c.column for c in one.changes) for one in found.found}) == len(found.found)
    for one in found.found:
        assert 1 <= len(one.changes) <= 3
        changed = {**cells, **{change.column: change.after for change in one.changes}}
        assert answered(FOREST, changed) == found.goal == one.answer["label"]
        for change in one.changes:
            column = signature[change.column]
            assert change.column != "t1"
            if column.numeric:
                assert column.low <= change.after <= column.high
                if change.column == "n1" and one_way and change.before is not None:
                    assert (change.after > change.before) == (one_way == "increase")
            else:
                assert change.after in column.categories


def test_no_fewer_changes_would_do() -> None:
    for at in range(40):
        cells = row(FOREST, at)
        found = counterfactuals(FOREST, cells, most_changes=2)
        steps = steps_of(FOREST.signature, FOREST.reference.profile, cells, Rules())
        single = any(answered(FOREST, {**cells, s.column: s.value}) == found.goal for s in steps)
        if single:
            assert found.found
            assert len(found.found[0].changes) == 1
        elif found.found:
            assert len(found.found[0].changes) == 2


def test_where_nothing_is_found_there_is_no_pair_either() -> None:
    cells = row(FOREST, 3)
    rules = Rules(immutable=frozenset({"n0", "n1", "t0"}))
    found = counterfactuals(FOREST, cells, rules=rules, most_changes=2)
    steps = steps_of(FOREST.signature, FOREST.reference.profile, cells, rules)
    pairs = ({**cells, a.column: a.value, b.column: b.value} for a, b in product(steps, steps) if a.column != b.column)
    reachable = any(answered(FOREST, changed) == found.goal for changed in pairs)
    assert reachable == bool(found.found)


def test_a_numbers_goal_is_a_bound() -> None:
    cells = row(NUMBER, 1)
    now = float(answered(NUMBER, cells))
    for wanted, holds in ((f">={now + 1}", lambda y: y >= now + 1), (f"<={now - 0.3}", lambda y: y <= now - 0.3)):
        found = counterfactuals(NUMBER, cells, wanted)
        assert found.found, found.why
        assert all(holds(one.answer) for one in found.found)
    assert "already" in counterfactuals(NUMBER, cells, f">={now - 1}").why
    assert "no row with up to 3 changes" in counterfactuals(NUMBER, cells, ">=1e9").why


def test_of_several_labels_one_may_be_named() -> None:
    cells = row(MANY, 0)
    now = answered(MANY, cells)
    for label in MANY.signature.classes:
        found = counterfactuals(MANY, cells, label)
        assert found.goal == label
        assert ("already" in found.why) == (label == now)
        assert all(one.answer["label"] == label for one in found.found)


def test_changes_are_no_larger_than_they_need_be() -> None:
    for at in range(20):
        cells = row(FOREST, at)
        for one in counterfactuals(FOREST, cells, rules=Rules(immutable=frozenset({"t0", "t1"}))).found:
            change = one.changes[0]
            if len(one.changes) > 1 or change.before is None:
                continue
            nearer = change.after - (change.after - change.before) * 0.05
            there = answered(FOREST, {**cells, change.column: nearer})
            assert there != one.answer["label"] or abs(change.after - change.before) < 0.5


def test_typical_rows_are_told_from_odd_ones() -> None:
    like = columns_like(ROWS, FOREST.signature)
    found = counterfactuals(FOREST, row(FOREST, 0), rows=like).found
    assert found
    assert all(one.nearest is not None and one.typical is not None for one in found)
    assert all(0 <= one.nearest <= 1 and 0 <= one.typical <= 1 for one in found)


@pytest.mark.parametrize(
    ("model", "wanted", "rules", "told"),
    [
        (FOREST, "maybe", Rules(), "There are: no, yes"),
        (NUMBER, "", Rules(), "which number"),
        (NUMBER, ">=x", Rules(), "is no number"),
        (FOREST, "", Rules(immutable=frozenset({"age"})), "no column age"),
        (FOREST, "", Rules(increase=frozenset({"t0"})), "no numeric column t0"),
        (FOREST, "", Rules(increase=frozenset({"n0"}), decrease=frozenset({"n0"})), "name it immutable"),
    ],
)
def test_mistakes_say_what_is_right(model: Model, wanted: str, rules: Rules, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        counterfactuals(model, row(model, 0), wanted, rules)
    frozen = Rules(immutable=frozenset(FOREST.signature.names))
    assert "no column may change" in counterfactuals(FOREST, row(FOREST, 0), rules=frozen).why
