"""Rows unlike those of training: what the limits promise, kernel and columns alike, and which columns are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.contract.unusual import Unusual
from fairlead.lab.stats import encode_reference
from fairlead.lab.stats.bins import bins_for
from fairlead.lab.stats.profiling import profile
from fairlead.lab.stats.unusual import SHARE, unusual_limits
from fairlead.runtime.bundle import unusual
from fairlead.runtime.bundle.unusual import Finder, Strangeness, finder_of

SIGNATURE = Signature(
    task="regression",
    columns=(
        Column("at", "time"),
        Column("size", "number"),
        Column("weight", "number"),
        Column("members", "integer"),
        Column("kind", "category", categories=("a", "b", "c")),
        Column("active", "boolean"),
    ),
)


def table(rows: int, seed: int) -> dict[str, Any]:
    """Weight follows size; one cell in fifty is missing."""
    random = np.random.default_rng(seed)
    size = random.lognormal(3.0, 0.5, rows)
    weight = 2.0 * size * np.exp(0.1 * random.standard_normal(rows))
    weight[random.random(rows) < 0.02] = np.nan
    kind = random.choice(np.array(["a", "b", "c"], dtype=object), rows, p=[0.6, 0.39, 0.01])
    return {
        "at": np.arange(rows) * 60.0 + seed * 1e8, "size": size, "weight": weight,
        "members": random.poisson(3.0, rows).astype(float), "kind": kind, "active": random.integers(0, 2, rows) * 1.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def sealed() -> tuple[Profile, Unusual]:
    columns = table(20_000, 1)
    whole = profile(columns, bins_for(columns, SIGNATURE))
    limits = unusual_limits(columns, SIGNATURE, whole)
    assert limits is not None
    return whole, limits


def rows_of(columns: dict[str, Any]) -> list[list[Any]]:
    lists = [[None if cell != cell else cell for cell in columns[n].tolist()] for n in SIGNATURE.names]
    return [list(row) for row in zip(*lists, strict=True)]


def test_one_of_a_thousand_rows_like_those_of_training_is_unusual(sealed: tuple[Profile, Unusual]) -> None:
    whole, limits = sealed
    finder, n = Finder(Strangeness(whole, SIGNATURE), limits), 20_000
    for seed in (2, 3, 4):
        found = len(finder.find(rows_of(table(n, seed))))
        assert 0.2 * SHARE * n <= found <= 1.8 * SHARE * n
    assert sum(rows for rows, _ in limits.blocks) == n
    assert sum(count for _, count in limits.blocks) <= SHARE * n


PLANTED: dict[str, tuple[dict[str, Any], str]] = {
    "another unit": ({"size": 20_000.0}, "size"),
    "never together": ({"size": 8.0, "weight": 160.0}, "weight"),
    "never seen": ({"kind": "z", "weight": None, "members": 11.0}, "kind"),
    "out of range": ({"members": 900.0}, "members"),
    "infinite": ({"size": float("inf")}, "size"),
}


@pytest.mark.parametrize(("cells", "column"), PLANTED.values(), ids=PLANTED)
def test_planted_rows_are_found_and_the_column_is_named(
    sealed: tuple[Profile, Unusual], cells: dict[str, Any], column: str
) -> None:
    whole, limits = sealed
    usual = {"at": 0.0, "size": 20.0, "weight": 40.0, "members": 3.0, "kind": "a", "active": 1.0}
    finder, strangeness = Finder(Strangeness(whole, SIGNATURE), limits), Strangeness(whole, SIGNATURE)
    row = [{**usual, **cells}[name] for name in SIGNATURE.names]
    assert finder.find([list(usual.values()), row]) == [1]
    columns = {
        n: np.array([np.nan if c is None else c], dtype=object if n == "kind" else float)
        for n, c in zip(SIGNATURE.names, row, strict=True)
    }
    shares = strangeness.shares(columns, limits)[0]
    assert shares.sum() == pytest.approx(1.0)
    assert column in {strangeness.names[at] for at in np.argsort(-shares)[:2]}


CELLS = st.one_of(
    st.none(), st.floats(allow_nan=False), st.integers(-(10**20), 10**20), st.text(max_size=3), st.booleans()
)


@given(st.lists(st.tuples(*[CELLS] * 6), max_size=8))
@settings(max_examples=60)
def test_kernel_and_columns_find_the_same_whatever_the_cells(rows: list[tuple[Any, ...]]) -> None:
    columns = table(400, 5)
    whole = profile(columns, bins_for(columns, SIGNATURE))
    limits = unusual_limits(columns, SIGNATURE, whole)
    assert limits is not None
    finder = Finder(Strangeness(whole, SIGNATURE), limits)
    with np.errstate(all="ignore"):
        assert finder.find(rows) == finder.by_column(rows)


def test_without_the_kernel_it_is_the_same(sealed: tuple[Profile, Unusual], monkeypatch: pytest.MonkeyPatch) -> None:
    whole, limits = sealed
    rows = rows_of(table(3000, 9))
    before = Finder(Strangeness(whole, SIGNATURE), limits).find(rows)
    monkeypatch.setattr(unusual, "_unusual", None)
    assert Finder(Strangeness(whole, SIGNATURE), limits).find(rows) == before


def test_what_cannot_be_judged_is_not_unusual(sealed: tuple[Profile, Unusual]) -> None:
    whole, limits = sealed
    finder = Finder(Strangeness(whole, SIGNATURE), limits)
    assert finder.find([]) == []
    assert finder.find([[1.0]]) == []
    assert finder_of(b"", SIGNATURE) is None
    assert finder_of(encode_reference(Reference(whole)), SIGNATURE) is None
    assert finder_of(b"{", SIGNATURE) is None
    assert finder_of(encode_reference(Reference(whole, unusual=limits)), SIGNATURE) is not None


def test_too_few_rows_and_nothing_to_look_at_have_no_limits() -> None:
    few = table(50, 1)
    assert unusual_limits(few, SIGNATURE, profile(few, bins_for(few, SIGNATURE))) is None
    only = Signature(task="regression", columns=(Column("at", "time"),))
    timed = {"at": np.arange(500.0)}
    assert unusual_limits(timed, only, profile(timed, bins_for(timed, only))) is None
