"""Facts of a column are the same however its cells are stored, and are those that are told cell by cell."""

from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.lab.tables.facts import Facts

CELLS = st.one_of(
    st.none(),
    st.sampled_from([
        "", "  ", "0", "00", "007", "+07", "-0", "1", "1.0", "1e3", "2.5", " 3 ", "inf", "NA", "-", "true", "False ",
        "a b", "a\tb", "a\x01b", "2024-01-31", "2024/01/31 10:00", "31.01.2024", "2024-01-31T10:00:00.5Z", "words",
        "2024-01-31T10:00:00-05:00", "é", "9" * 20,
    ]),
    st.text(alphabet="01.eE+- aé\x7f\n", max_size=6),
)  # fmt: skip


def told(facts: Facts) -> dict[str, object]:
    found = {name: value for name, value in vars(facts).items() if name != "levels"}
    return {**found, "low": repr(facts.low), "high": repr(facts.high), "levels": dict(facts.levels or {})}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=12), min_size=1, max_size=3))
def test_coded_cells_have_the_facts_of_plain_ones(batches: list[list[str | None]]) -> None:
    plain, coded = Facts("x"), Facts("x")
    for cells in batches:
        plain.add(pa.array(cells, pa.string()))
        coded.add(pa.array(cells, pa.string()).dictionary_encode())
    assert told(plain) == told(coded)


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=30))
def test_what_is_counted_is_what_each_cell_shows(cells: list[str | None]) -> None:
    facts = Facts("x")
    facts.add(pa.array(cells, pa.string()))
    there = [cell for cell in cells if cell is not None and cell.strip()]
    assert facts.missing == len(cells) - len(there)
    assert facts.padded == sum(bool(re.fullmatch(r"[+-]?0[0-9]+", cell.strip())) for cell in there)
    assert facts.flags == sum(cell.strip().lower() in {"true", "false"} for cell in there)
    assert facts.spaced == sum(" " in cell.strip() for cell in there)
    assert facts.controls == sum(bool(re.search(r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]", cell)) for cell in there)
    whole = [cell for cell in there if re.fullmatch(r"[+-]?[0-9]+", cell.strip())]
    assert facts.whole == len(whole)
