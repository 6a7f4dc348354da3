"""A contract's text: what is taken, and errors that say where and what would be right."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.expectations import DataContract
from fairlead.ops.monitor.contracts.patterns import problem_of
from fairlead.ops.monitor.contracts.reading import parse_contract

GOOD = b"""
version: 3
columns:
  age: {kind: integer, range: [0, 120], missing: 0, quantiles: {0.5: [20, 60]}}
  answer: {categories: [yes, no], at_door: refuse}
  email: {kind: text, pattern: '[^@]+@[^@]+'}
  free:
relations: [a <= b, {rule: c != d, tolerate: 0.1}]
freshness: 2h
volume: {per: hour, at_least: 1}
"""


def test_what_people_write_is_what_is_read() -> None:
    read = parse_contract(GOOD).terms
    assert read.version == "3"
    assert read.columns["age"].range == (0.0, 120.0)
    # YAML 1.1 would make flags of them.
    assert read.columns["answer"].categories == ("yes", "no")
    assert read.columns["free"].required
    assert [r.rule for r in read.relations] == ["a <= b", "c != d"]
    assert read.volume is not None
    assert read.volume.per == "hour"


def test_the_digest_is_of_what_it_says_not_of_how_it_is_written() -> None:
    again = GOOD.replace(b"version: 3", b"# a comment\nversion: '4'")
    assert parse_contract(again).digest == parse_contract(GOOD).digest
    assert parse_contract(GOOD.replace(b"120", b"121")).digest != parse_contract(GOOD).digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: {}", "version"),
        ("", "version: 1"),
        ("- 1", "version: 1"),
        ("version: 1\ncolums: {}", "contract.yaml:2: colums: unknown key. Did you mean 'columns'?"),
        ("version: 1\ncolumns:\n  age:\n    rnge: [0, 1]", "contract.yaml:4: columns.age.rnge: unknown key."),
        ("version: 1\ncolumns:\n  age:\n    range: [5, 1]", "contract.yaml:4: columns.age.range: the least is greater"),
        ("version: 1\ncolumns:\n  age:\n    range: 5", "Write it as [0, 100]"),
        ("version: 1\ncolumns:\n  age: {missing: 3}", "A share from 0 to 1."),
        ("version: 1\ncolumns:\n  a: {pattern: (a+)+b}", "a repetition within a repetition"),
        ("version: 1\ncolumns:\n  a: {pattern: '['}", "no regular expression"),
        ("version: 1\ncolumns:\n  a: {quantiles: {2: [0, 1]}}", "by its level, from 0 to 1"),
        ("version: 1\ncolumns:\n  a: {kind: category, range: [0, 1]}", "has no range"),
        ("version: 1\ncolumns:\n  a: {at_door: perhaps}", "One of count, refuse, leave."),
        ("version: 1\nx: &a 1\ny: *a", "contract.yaml:2: anchors and aliases"),
        ("version: !!python/object:os.system 1", "tags"),
        ("version: 1\nversion: 2", "contract.yaml:2: version: is there twice."),
        ("version: 1\n---\nversion: 2", "one document a file"),
        ("version: 1\nvolume: {per: week}", "One of hour, day."),
        ("version: 1\nvolume: {per: day, at_least: 5, at_most: 2}", "at_most is less"),
        ("version: 1\nfreshness: soon", "no span of time"),
        ("version: 1\nrelations: [a is b]", "Write it as `casual <= cnt`."),
        ("version: 2026-01-01", 'Write it as version: "1"'),
        ("version: [", "not YAML"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as wrong:
        parse_contract(text.encode())
    assert said in str(wrong.value)
    assert str(wrong.value).startswith("contract.yaml")


WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=8)
)
KEYS = st.sampled_from(["version", "columns", "range", "missing", "pattern", "volume", "relations", "kind", "age"])
TREES = st.recursive(
    WORDS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12
)


@given(TREES)
def test_whatever_yaml_holds_is_read_or_refused_in_words(tree: object) -> None:
    read_or_refused(yaml.safe_dump(tree).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
def test_whatever_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    read_or_refused(data)


def read_or_refused(data: bytes) -> None:
    """Any other error than ours goes through."""
    said = ""
    try:
        assert isinstance(parse_contract(data).terms, DataContract)
    except ConfigInvalid as wrong:
        said = str(wrong)
    assert not said or said.startswith("contract.yaml")


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=10).filter(str.isprintable),
        st.tuples(st.floats(-1e6, 0), st.floats(0, 1e6)),
        max_size=5,
    )
)
def test_what_is_written_as_yaml_is_read_back(ranges: dict[str, tuple[float, float]]) -> None:
    text = yaml.safe_dump({"version": "1", "columns": {name: {"range": list(r)} for name, r in ranges.items()}})
    read = parse_contract(text.encode())
    assert {name: terms.range for name, terms in read.terms.columns.items()} == ranges


@pytest.mark.parametrize("pattern", ["((ab|c)d?){2}", r"\d{1,3}\.\d{1,3}", r"(\+\d{1,3} )?\d{2,5}[ /-]?\d{3,8}"])
def test_choices_that_are_few_are_taken_too(pattern: str) -> None:
    assert problem_of(pattern) == ""


@pytest.mark.parametrize("pattern", ["[A-Z]{2}[0-9]+", r"[^@]+@[^@]+\.[a-z]{2,6}", "(yes|no)", "a?b*", r"\d{4}-\d{2}"])
def test_patterns_whose_time_is_bounded_are_taken(pattern: str) -> None:
    assert problem_of(pattern) == ""


@pytest.mark.parametrize("pattern", ["(a*)*", "(a|aa)+(b+)+", r"(a)\1", "(?=a)b", "a*b*c*d*", "((a{2,30}){2,30})", "(",
                                     "(?:a.|.b|ab){1,20}x", "(a|b|ab)*c", "(a?a?){1,20}", "a?" * 30 + "b"])  # fmt: skip
def test_patterns_whose_time_is_not_are_refused(pattern: str) -> None:
    assert problem_of(pattern)
