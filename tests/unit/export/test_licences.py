"""Reading what distributions say of their licences."""

from __future__ import annotations

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.reach.export.licences import PERMISSIVE, licence_of, permissive

SIMPLE = st.sampled_from([*sorted(PERMISSIVE), "GPL-3.0-only", "MPL-2.0", "AGPL-3.0-or-later"])
EXPRESSIONS = st.recursive(
    SIMPLE.map(lambda one: (one, one in PERMISSIVE)),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]} OR {p[1][0]})", p[0][1] or p[1][1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]} AND {p[1][0]})", p[0][1] and p[1][1])),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_expressions_mean_what_they_say(case: tuple[str, bool]) -> None:
    text, expected = case
    assert permissive(text) is expected


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_licence_by_accident(text: str) -> None:
    assert permissive(text) in (True, False)
    assert not permissive(f"{text} AND GPL-3.0-only")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("MIT AND Apache-2.0", True),
        ("GPL-3.0-only OR MIT AND Zlib", True),
        ("GPL-3.0-only OR MIT AND MPL-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("NOASSERTION", False),
        ("", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("MIT WITH", False),
        ("MIT MIT", False),
    ],
)
def test_brackets_order_and_what_is_no_expression(said: str, expected: bool) -> None:
    assert permissive(said) is expected


def metadata(*lines: tuple[str, str]) -> Message:
    message = Message()
    for name, value in lines:
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("License-Expression", "BSD-3-Clause")], "BSD-3-Clause"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "MIT")], "MIT"),
        ([("License", "do as you like"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)")], "NOASSERTION"),
        ([], "NOASSERTION"),
    ],
)
def test_metadata_old_and_new(lines: list[tuple[str, str]], expected: str) -> None:
    assert licence_of(metadata(*lines)) == expected
