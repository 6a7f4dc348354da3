"""Requests of one row each, answered together: the bodies that each would get alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.arrow_tables import HEAD as ARROW_HEAD
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import JSON_HEAD, Answer, Parsed
from fairlead.runtime.wire.native import Native
from fairlead.runtime.wire.v2 import V2

COLUMNS = (Column("n", "number"), Column("c", "category"))
ODD = ('],[ "é 100%', "b")
asked_of = {
    V2: st.builds(
        Parsed,
        st.just([[1.0, "x"]]),
        id=st.none() | st.text(max_size=5),
        outputs=st.sampled_from([None, None, ("probabilities",), ("label",)]),
        form=st.sampled_from([None, None, frozenset({"*"})]),
    ),
    Native: st.builds(Parsed, st.just([[1.0, "x"]]), head=st.sampled_from([JSON_HEAD, JSON_HEAD, ARROW_HEAD])),
}


@pytest.mark.parametrize("kind", asked_of, ids=lambda kind: kind.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), version=st.sampled_from(["", "3"]), classified=st.booleans())
def test_requests_answered_at_once_get_what_each_would_get(
    kind: type[V2 | Native], data: st.DataObject, version: str, classified: bool
) -> None:
    asked = data.draw(st.lists(asked_of[kind], min_size=1, max_size=5))
    signature = Signature("classification", COLUMNS, classes=ODD)
    if not classified:
        signature = Signature("regression", COLUMNS)
        asked = [msgspec.structs.replace(one, outputs=None) for one in asked]
    codec = kind("m", signature, Checks(signature))
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    scores = [[data.draw(numbers) for _ in ODD[: 1 + classified]] for _ in asked]
    labels = [data.draw(st.sampled_from(ODD)) for _ in asked] if classified else None
    twins = [msgspec.structs.replace(one) for one in asked]
    one_by_one = [
        codec.render(one, Answer(None if labels is None else [labels[at]], [scores[at]], version))
        for at, one in enumerate(asked)
    ]
    assert codec.render_each(twins, labels, scores, version) == one_by_one
    assert [one.head for one in twins] == [one.head for one in asked]
