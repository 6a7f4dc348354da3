"""Profiles folded in any parts: counts exactly, sums to 1e-12 of the rows, in the blocks of a pass in order."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.profile import Profile
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.bins import bins_for
from fairlead.lab.tables.cells import columns_of
from fairlead.lab.tables.drift.folding import Compared, fold
from fairlead.lab.tables.engines import engine_of
from fairlead.lab.tables.engines.drifting import fold_on, step_of
from fairlead.lab.tables.engines.profiles import Counting, folded_of, merged, profile_fold, profile_on

ROWS = 3_000
COLUMNS = (Column("x", "number"), Column("y", "number"), Column("word", "category"))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(ROWS) < 0.03, np.nan, rng.lognormal(0, 4, ROWS))
    words = [None if v < 0.02 else f"w{int(v * 30)}" for v in rng.random(ROWS)]
    return pa.table({"x": pa.array(x, from_pandas=True), "y": rng.normal(1e6, 1.0, ROWS), "word": words})


@pytest.fixture(scope="module")
def compared(table: pa.Table) -> Compared:
    signature = Signature("regression", COLUMNS)
    cells = columns_of(table, signature, invalid="missing", text="arrow")
    return Compared(signature, bins_for(cells, signature), {})


def equal(one: Profile, other: Profile) -> None:
    assert one.rows == other.rows
    for a, b in zip(one.columns, other.columns, strict=True):
        assert (a.rows, a.missing, a.counts, a.low, a.high) == (b.rows, b.missing, b.counts, b.low, b.high)
        assert abs(a.z - b.z) <= 1e-12 * max(one.rows, abs(a.z))
        assert abs(a.zz - b.zz) <= 1e-12 * max(one.rows, a.zz)
    np.testing.assert_allclose(one.gram, other.gram, rtol=1e-12, atol=1e-12 * one.rows)


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(1, ROWS - 1), max_size=9, unique=True), block=st.integers(1, ROWS + 50),
    order=st.randoms(use_true_random=False), pair=st.booleans(),
)  # fmt: skip
def test_any_parts_in_any_order_and_grouping_are_the_whole(
    table: pa.Table, compared: Compared, cuts: list[int], block: int, order: object, pair: bool
) -> None:
    block = max(block, 40)
    ends = [0, *sorted(cuts), ROWS]
    folding = profile_fold(compared, block)
    parts = []
    for start, end in itertools.pairwise(ends):
        counting = Counting(compared, block)
        for batch in table.slice(start, end - start).combine_chunks().to_batches():
            counting.add(batch, start)
        parts.append(folding.decode(counting.encode()))
    order.shuffle(parts)  # type: ignore[attr-defined]
    if pair and len(parts) > 2:
        # What a tree does: some first, packed and opened again, then the rest.
        parts = [folding.decode(folding.pack(merged(parts[:2]))), *parts[2:]]
    found = folded_of(merged(parts), block)
    pass_in_order = fold(table.combine_chunks().to_batches(), compared, rows=ROWS, block_rows=block)
    assert [b.rows for b in found.blocks] == [b.rows for b in pass_in_order.blocks]
    for one, other in zip(found.blocks, pass_in_order.blocks, strict=True):
        equal(one, other)


def test_an_engine_cuts_the_blocks_that_a_pass_cuts(table: pa.Table, compared: Compared) -> None:
    engine = engine_of()
    here = fold(table.combine_chunks().to_batches(), compared, rows=ROWS, sampled=True)
    there = fold_on(engine, table, compared, rows=ROWS, sampled=True)
    assert there.step == here.step
    assert there.sample is not None
    assert here.sample is not None
    assert there.sample.to_pylist() == here.sample.to_pylist()
    for one, other in zip(there.blocks, here.blocks, strict=True):
        equal(one, other)
    equal(profile_on(engine, table, compared), here.total())


@given(st.integers(1, 2_000_000))
def test_rows_are_taken_as_sparsely_as_a_pass_takes_them(rows: int) -> None:
    step = step_of(rows)
    assert -(-rows // step) <= 32_000
    assert step == 1 or -(-rows // (step // 2)) > 32_000
