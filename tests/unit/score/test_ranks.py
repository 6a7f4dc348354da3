"""The rank of each row within its group, in tables and beside answers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import UsageError
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.ranking import ranks_within
from fairlead.reach.score.ranks import ranks_of, with_ranks

X = (Column("x", "number"),)
NUMBERS = Signature("regression", X, target="y", group="q", item="page")
EVENTS = Signature("classification", X, target="y", classes=("no", "yes"), positive="yes", group="q")


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4)), max_size=30))
def test_ranks_are_places_in_a_stable_order_of_the_group(rows: list[tuple[int, int]]) -> None:
    codes = np.array([g for g, _ in rows], dtype=np.int64)
    scores = np.array([s for _, s in rows], dtype=np.float64)
    found = ranks_within(codes, scores)
    for group in range(4):
        members = [i for i in range(len(rows)) if codes[i] == group]
        assert [found[i] for i in sorted(members, key=lambda i: (-scores[i], i))] == list(range(1, len(members) + 1))
    assert (found[codes == -1] == 0).all()


def test_a_group_may_lie_in_several_batches() -> None:
    batches = [pa.table({"q": ["a", "b"], "value": [1.0, 5.0]}), pa.table({"q": ["a", None], "value": [2.0, 9.0]})]
    found = with_ranks(batches, NUMBERS)
    assert found is not None
    assert found.column("rank").to_pylist() == [2, 1, 1, None]
    assert with_ranks([], NUMBERS) is None
    events = pa.table(
        {"q": ["a", "a"], "label": ["no", "yes"], "no": [0.9, 0.2], "yes": [0.1, 0.8], "rank": ["x", "y"]}
    )
    ranked = with_ranks([events], EVENTS)
    assert ranked is not None
    assert ranked.column("predicted_rank").to_pylist() == [2, 1]


def test_answers_of_the_server_are_ranked_in_the_order_of_their_rows() -> None:
    rows = [{"q": "a"}, {"q": "b"}, {"q": "a"}, {}]
    assert ranks_of(rows, [1.0, 3.0, 2.0, 0.0], NUMBERS) == [2, 1, 1, None]
    answers = [{"label": "no", "probabilities": {"no": 1 - p, "yes": p}} for p in (0.1, 0.3, 0.2, 0.0)]
    assert ranks_of(rows, answers, EVENTS) == [2, 1, 1, None]


def test_ranks_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="no \\[model\\] group"):
        ranks_of([{"q": 1}], [1.0], Signature("regression", X, target="y"))
    with pytest.raises(UsageError, match="need the column 'q'"):
        with_ranks([pa.table({"value": [1.0]})], NUMBERS)
