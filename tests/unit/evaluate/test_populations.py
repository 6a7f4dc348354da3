"""What a card says of rows, as conditions: by rows, by columns and by the rule's own reader the same; else refused."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from fairlead.contract.errors import BundleRefused, ConfigInvalid, OutsidePopulation
from fairlead.contract.population import Condition, Population
from fairlead.contract.settings import CardSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.evaluate.carded import card_check
from fairlead.lab.evaluate.expressions import rows_of
from fairlead.lab.evaluate.populations import with_population
from fairlead.runtime.bundle.cells import columns_of_rows
from fairlead.runtime.bundle.coded import Coded
from fairlead.runtime.bundle.population import check_population, counting, guard_of, outside, refuse_outside

SIGNATURE = Signature(
    "regression",
    (
        Column("n", "number"),
        Column("k", "integer"),
        Column("flag", "boolean"),
        Column("word", "category", categories=("a", "b", "it's")),
        Column("code", "category", categories=("1", "2"), coded="integer"),
        Column("at", "time"),
    ),
)

numbers = some.none() | some.sampled_from([-1.0, 0.0, 1.0, 2.5])
cells = some.tuples(
    numbers, some.none() | some.sampled_from([0.0, 1.0, 7.0]), some.sampled_from([None, 0.0, 1.0]),
    some.sampled_from([None, "a", "b", "it's", "other"]), some.sampled_from([None, "1", "2", "9"]), numbers,
)  # fmt: skip
simple = some.sampled_from(
    ["n >= 0", "n < 2.5", "k = 7", "k != 1", "flag = true", "flag != false", "word = 'a'", "word in ('a', 'it''s')",
     "code = 1", "code not in (1, 2)", "word is missing", "n is not missing", "k <= 1", "n > 1"]
)  # fmt: skip
rules = some.recursive(
    simple,
    lambda inner: some.one_of(
        some.tuples(inner, inner).map(lambda two: f"({two[0]}) and ({two[1]})"),
        some.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=4,
)


@settings(max_examples=30, deadline=None)
@given(rules, some.lists(cells, min_size=1, max_size=8))
def test_rows_columns_and_the_rule_itself_agree(rule: str, listed: list[tuple[object, ...]]) -> None:
    signature = with_population(SIGNATURE, CardSettings(populations=(rule,), outside="count"))
    check_population(signature)
    columns = columns_of_rows(listed, signature)  # type: ignore[arg-type]
    found = outside(signature, columns)
    assert found is not None
    table = pd.DataFrame({name: [row[at] for row in listed] for at, name in enumerate(signature.names)}, dtype=object)
    table["code"] = [None if cell is None else int(cell) for cell in table["code"]]
    table["flag"] = [None if cell is None else bool(cell) for cell in table["flag"]]
    assert (~found).tolist() == rows_of(rule, table).tolist()
    count = counting(signature)
    assert count is not None
    assert count(listed) == int(found.sum())  # type: ignore[arg-type]
    coded = {**columns, "word": _coded(columns["word"])}
    assert outside(signature, coded).tolist() == found.tolist()  # type: ignore[union-attr]
    strict = msgspec.structs.replace(
        signature, population=msgspec.structs.replace(signature.population, outside="refuse")
    )
    guard = guard_of(strict, None)
    assert guard is not None
    for ask in (lambda: guard(listed), lambda: refuse_outside(strict, columns)):  # type: ignore[arg-type]
        if not found.any():
            ask()
            continue
        with pytest.raises(OutsidePopulation) as refused:
            ask()
        assert refused.value.row == int(np.argmax(found))
        assert refused.value.said == rule
    sealed = msgspec.json.decode(msgspec.json.encode(strict), type=Signature)
    assert sealed == strict


def _coded(column: np.ndarray) -> Coded:
    known = sorted({str(cell) for cell in column if cell is not None})
    listed = [*known, None]
    return Coded(np.array([listed.index(cell) for cell in column], dtype=np.int32), listed)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("nn >= 0", "did you mean 'n'"),
        ("word >= 3", "has no order"),
        ("at >= 3", "is a time, of which nothing can be asked"),
        ("n = 'high'", "holds numbers, and 'high' is text"),
        ("n >=", "cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(rule: str, words: str) -> None:
    with pytest.raises(ConfigInvalid, match=words) as refused:
        with_population(SIGNATURE, CardSettings(populations=(rule,)))
    assert refused.value.key == "card.populations"


def test_nothing_is_asked_of_rows_where_nothing_is_stated() -> None:
    assert with_population(SIGNATURE, CardSettings()) is SIGNATURE
    assert guard_of(SIGNATURE, None) is None
    assert counting(SIGNATURE) is None
    assert outside(SIGNATURE, {}) is None


@pytest.mark.parametrize(
    "condition",
    [
        Condition("<", "nobody", (1.0,)),
        Condition("<", "word", (1.0,)),
        Condition("=", "n", ("text",)),
        Condition("=", "word", ()),
        Condition("<", "n", (1.0, 2.0)),
        Condition("not", parts=(Condition("missing", "n"), Condition("missing", "k"))),
        Condition("and"),
    ],
)
def test_a_sealed_population_that_makes_no_sense_refuses_the_bundle(condition: Condition) -> None:
    signature = msgspec.structs.replace(SIGNATURE, population=Population((condition,), ("x",)))
    with pytest.raises(BundleRefused, match="population"):
        check_population(signature)


def test_a_population_too_deep_or_without_words_refuses_the_bundle() -> None:
    deep = Condition("missing", "n")
    for _ in range(40):
        deep = Condition("not", parts=(deep,))
    for population in (Population((deep,), ("x",)), Population((), ()), Population((Condition("missing", "n"),), ())):
        with pytest.raises(BundleRefused, match="population"):
            check_population(msgspec.structs.replace(SIGNATURE, population=population))


def test_the_gate_asks_for_a_card_that_says_something() -> None:
    empty = card_check(CardSettings(intended_use="  "))
    assert empty.verdict == "fail"
    assert empty.refuses
    assert "intended_use, misuse, limits" in empty.why
    part = card_check(CardSettings(intended_use="calls", misuse=("prices",)))
    assert "limits" in part.why
    assert card_check(CardSettings(intended_use="calls", misuse=("prices",), populations=("n > 0",))).verdict == "pass"
    assert card_check(CardSettings(intended_use="calls", misuse=("prices",), limits=("no firms",))).verdict == "pass"
