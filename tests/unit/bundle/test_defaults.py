"""What is equal is written alike: through pickle, through JSON, or computed."""

from __future__ import annotations

import pickle
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import environment

from fairlead.contract.population import Population
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.defaults import by_default
from fairlead.runtime.bundle.manifest import canonical, encoded

SIGNATURE = Signature("regression", (Column("x", "number"), Column("y", "category", categories=("a", "b"))))


def test_a_signature_that_went_through_pickle_is_written_as_one_that_did_not() -> None:
    again = pickle.loads(pickle.dumps(SIGNATURE, protocol=5))
    assert again == SIGNATURE
    assert encoded(again) != encoded(SIGNATURE), "or there is nothing to mend any more"
    assert canonical(again) == canonical(SIGNATURE) == encoded(SIGNATURE)
    assert canonical([again, {"a": (again,)}]) == canonical([SIGNATURE, {"a": (SIGNATURE,)}])


def test_one_that_came_from_another_process_too() -> None:
    made = (
        "import pickle, sys; from fairlead.contract.signature import Column, Signature; sys.stdout.buffer.write("
        "pickle.dumps(Signature('regression', (Column('x', 'number'), Column('y', 'category', categories=('a', 'b')),"
        "))))"
    )
    sent = subprocess.run([sys.executable, "-c", made], capture_output=True, check=True, env=environment()).stdout
    assert canonical(pickle.loads(sent)) == canonical(SIGNATURE)


@given(
    threshold=st.sampled_from([0.5, 0.25, 0.0, -0.0, 1.0]),
    confidence=st.sampled_from([0.0, -0.0, 0.5]),
    definition=st.text(max_size=3),
    classes=st.lists(st.text(max_size=3), max_size=3),
)
def test_nothing_that_is_said_is_lost(threshold: float, confidence: float, definition: str, classes: list[str]) -> None:
    made = Signature("classification", (Column("x", "number"),), "y", tuple(classes), threshold=threshold,
                     confidence=confidence, definition=definition)  # fmt: skip
    found = msgspec.json.decode(canonical(made), type=Signature)
    assert found == made
    assert str(found.confidence) == str(made.confidence), "zero keeps its sign"
    assert canonical(found) == canonical(made)
    assert canonical(pickle.loads(pickle.dumps(made))) == canonical(made)


@pytest.mark.parametrize("thing", [None, 1, "v1", (1, 2), [], {"a": [1.0]}, SIGNATURE, Population((), ())])
def test_what_is_settled_already_is_left_as_it_is(thing: object) -> None:
    assert by_default(thing) is thing
