"""Profiles: what is counted, and that parts add up to the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ColumnMissing, FormatUnknown, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import (
    bins_for,
    decode_profile,
    encode_profile,
    merge,
    profile,
    profile_batches,
    score_bins,
    total,
)

SIGNATURE = Signature(
    "classification",
    (Column("x", "number"), Column("n", "integer"), Column("c", "category"), Column("t", "text")),
    classes=("no", "yes"),
)


def rows_of(n, seed=0):
    r = np.random.default_rng(seed)
    x = r.normal(50, 20, n)
    x[r.random(n) < 0.1] = np.nan
    c = np.array(["a", "b", "c", None], dtype=object)[r.integers(0, 4, n)]
    t = np.array([f"w{i}" for i in r.integers(0, 5, n)], dtype=object)
    return {"x": x, "n": r.integers(0, 200, n).astype(float), "c": c, "t": t}


def part(columns, keep):
    return {name: values[keep] for name, values in columns.items()}


def test_every_cell_is_counted_once_in_the_bin_that_holds_it():
    columns = rows_of(5000)
    bins = bins_for(columns, SIGNATURE)
    found = profile(columns, bins)
    for column, counted in zip(SIGNATURE.columns, found.columns, strict=True):
        assert sum(counted.counts) + counted.missing == 5000
        values = columns[column.name]
        if column.numeric:
            present = values[~np.isnan(values)]
            where = np.searchsorted(np.array(counted.bins.edges), present, side="right")
            assert np.bincount(where, minlength=len(counted.counts)).tolist() == list(counted.counts)
            z = (present - counted.bins.shift) / counted.bins.scale
            assert counted.z == pytest.approx(z.sum(), abs=1e-9)
            assert counted.zz == pytest.approx((z * z).sum(), rel=1e-12)
            assert (counted.low, counted.high) == (present.min(), present.max())
        else:
            for category, n in zip(counted.bins.categories, counted.counts[:-1], strict=True):
                assert n == sum(v == category for v in values)


def test_the_gram_matrix_is_that_of_standardised_columns_with_missing_as_zero():
    columns = rows_of(70_000)  # more than two blocks
    bins = bins_for(columns, SIGNATURE)
    z = np.stack([(columns[b.name] - b.shift) / b.scale for b in bins[:2]])
    z[np.isnan(z)] = 0
    assert np.allclose(profile(columns, bins).gram, z @ z.T, rtol=1e-12)
    assert profile(columns, bins, gram=False).gram == ()


def test_quantile_bins_are_about_equally_full():
    columns = rows_of(32_000)
    counts = profile(columns, bins_for(columns, SIGNATURE)).columns[0].counts
    assert len(counts) == 32
    assert max(counts) < 1.2 * min(counts)


def test_a_shared_value_does_not_eat_the_resolution_of_the_others():
    values = np.concatenate([np.zeros(9000), np.linspace(1, 100, 1000)])
    (bins,) = bins_for({"x": values}, Signature("regression", (Column("x", "number"),)))
    assert len(bins.edges) >= 20


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([3.0, 3.0, np.nan], (0, 2, 0)),
        ([1.0, 2.0, 2.0, 4.0], (1, 2, 1)),
        ([np.nan, np.nan], (0,)),
        ([1.0, np.nextafter(1.0, 2.0)], (1, 1)),
    ],
)
def test_few_distinct_values_get_a_bin_each(values, counts):
    columns = {"x": np.array(values)}
    bins = bins_for(columns, Signature("regression", (Column("x", "number"),)))
    assert profile(columns, bins).columns[0].counts == counts


def test_a_constant_column_shows_what_leaves_it_on_either_side():
    signature = Signature("regression", (Column("x", "number"),))
    bins = bins_for({"x": np.full(10, 7.0)}, signature)
    assert profile({"x": np.array([6.9, 7.0, 7.1])}, bins).columns[0].counts == (1, 1, 1)


def test_categories_beyond_the_hundred_most_frequent_are_counted_as_other():
    values = np.array([f"c{i % 150:03d}" for i in range(15_000)] + ["c000"] * 5, dtype=object)
    signature = Signature("regression", (Column("c", "category"),))
    bins = bins_for({"c": values}, signature)
    assert len(bins[0].categories) == 100
    assert "c000" in bins[0].categories
    assert profile({"c": values}, bins).columns[0].counts[-1] == 50 * 100


def test_rare_text_never_enters_the_bins():
    values = np.array(["common"] * 20 + [f"my own words {i}" for i in range(50)], dtype=object)
    (bins,) = bins_for({"t": values}, Signature("regression", (Column("t", "text"),)))
    assert bins.categories == ("common",)


def test_scores_are_counted_in_twentieths_or_by_their_own_quantiles():
    p = np.array([[0.95, 0.05], [0.4, 0.6], [1.0, 0.0]])
    bins = score_bins(SIGNATURE, p)
    columns = rows_of(3)
    found = profile(columns, bins_for(columns, SIGNATURE), scores=p, score_bins=bins)
    assert [len(s.counts) for s in found.scores] == [20, 20]
    assert found.scores[1].counts[0] == 1
    assert found.scores[1].counts[1] == 1
    regression = Signature("regression", (Column("x", "number"),))
    (free,) = score_bins(regression, np.linspace(-5, 5, 1000))
    assert len(free.edges) == 19


def test_wrong_shapes_and_missing_columns_are_named():
    columns = rows_of(4)
    bins = bins_for(columns, SIGNATURE)
    with pytest.raises(ColumnMissing, match="columns missing: n"):
        profile({k: v for k, v in columns.items() if k != "n"}, bins)
    with pytest.raises(ShapeMismatch, match="different lengths"):
        profile({**columns, "x": np.zeros(3)}, bins)
    with pytest.raises(ShapeMismatch, match="score bins without scores"):
        profile(columns, bins, score_bins=score_bins(SIGNATURE, np.zeros((4, 2))))
    with pytest.raises(ShapeMismatch, match="different bins"):
        merge(profile(columns, bins), profile(columns, bins_for(rows_of(100, 9), SIGNATURE)))


def test_json_keeps_every_bit_and_refuses_other_formats():
    columns = rows_of(1000)
    found = profile(columns, bins_for(columns, SIGNATURE), start=1.5, end=2.5)
    assert decode_profile(encode_profile(found)) == found
    assert encode_profile(decode_profile(encode_profile(found))) == encode_profile(found)
    with pytest.raises(FormatUnknown):
        decode_profile(b'{"rows": "many"}')


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e200, 1.7e308, -1.7e308])
def test_numbers_as_large_as_there_are_leave_a_profile_that_is_read_again_and_added_up(far):
    columns = rows_of(2000)
    bins = bins_for(columns, SIGNATURE)
    number = Signature("regression", SIGNATURE.columns)
    scored = score_bins(number, columns["n"][:, None])
    columns["x"] = np.where(np.arange(2000) < 5, far, columns["x"])
    made = profile(columns, bins, scores=np.full((2000, 1), far), score_bins=scored)
    assert decode_profile(encode_profile(made)) == made
    column = next(c for c in made.columns if c.bins.name == "x")
    assert (column.low if far < 0 else column.high) == far
    both = merge(made, made)
    assert decode_profile(encode_profile(both)) == both


def test_arrow_columns_give_the_same_profile_as_numpy_columns():
    import pyarrow as pa

    columns = rows_of(5000)
    bins = bins_for(columns, SIGNATURE)
    arrow = {
        "x": pa.array(columns["x"], from_pandas=True),
        "n": pa.array(columns["n"].astype(np.int64)),
        "c": pa.array(columns["c"], from_pandas=True).dictionary_encode(),
        "t": pa.chunked_array([columns["t"][:10], columns["t"][10:]]),
    }
    assert profile(arrow, bins) == profile(columns, bins)


def close(a, b):
    assert (a.rows, a.start, a.end) == (b.rows, b.start, b.end)
    for one, other in zip((*a.columns, *a.scores), (*b.columns, *b.scores), strict=True):
        assert (one.bins, one.rows, one.missing, one.counts) == (other.bins, other.rows, other.missing, other.counts)
        assert (one.low, one.high) == (other.low, other.high)
        assert abs(one.z - other.z) <= 1e-12 * max(1, one.zz)
        assert abs(one.zz - other.zz) <= 1e-12 * max(1, one.zz)
    assert np.allclose(a.gram, b.gram, rtol=0, atol=1e-12 * max(1, a.rows))


FULL = rows_of(600, 3)
FULL_SCORES = np.random.default_rng(1).dirichlet((1, 1), 600)
BINS, SCORES = bins_for(FULL, SIGNATURE), score_bins(SIGNATURE, FULL_SCORES)


def cut(a, b):
    keep = slice(a, b)
    times = {"start": float(a), "end": float(b)} if b > a else {}
    return profile(part(FULL, keep), BINS, scores=FULL_SCORES[keep], score_bins=SCORES, **times)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 600), min_size=1, max_size=6))
def test_parts_add_up_to_the_whole_in_any_grouping_and_order(cuts):
    places = [0, *sorted(cuts), 600]
    parts = [cut(a, b) for a, b in itertools.pairwise(places)]
    whole = cut(0, 600)
    close(total(parts), whole)
    close(total(parts[::-1]), whole)
    left = parts[0]
    for p in parts[1:]:
        left = merge(left, p)
    right = parts[-1]
    for p in parts[-2::-1]:
        right = merge(p, right)
    close(left, whole)
    close(right, whole)
    assert total(parts) == total(parts[::-1])


def test_a_stream_of_batches_gives_the_profile_of_the_table():
    batches = (part(FULL, slice(i, i + 64)) for i in range(0, 600, 64))
    close(profile_batches(batches, BINS), profile(FULL, BINS))
