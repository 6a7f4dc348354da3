"""NDCG, hit rate and reciprocal rank of groups, against sklearn and against every order there is."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.blocks import block_of, group_blocks
from fairlead.lab.stats.intervals import bootstrap, metric_intervals, resamples
from fairlead.lab.stats.ranking import (
    counts_of,
    gains_of,
    group_codes,
    group_measures,
    k_of,
    order_of,
    popularity,
    popularity_elsewhere,
    popularity_scores,
    ranking_intervals,
    ranking_metrics,
    whole_codes,
)

NUMBERS = Signature("regression", (Column("x", "number"),), target="y", group="q")
EVENTS = Signature("classification", (Column("x", "number"),), target="y", classes=("no", "yes"), positive="yes")

groups = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6), min_size=1, max_size=5
)


def _laid_out(found: list[list[tuple[int, int]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [(g, gain, score) for g, group in enumerate(found) for gain, score in group]
    order = np.random.default_rng(3).permutation(len(rows))
    table = np.array([rows[i] for i in order], dtype=np.float64)
    # Groups may come in any order and mixed: what counts is which rows share one.
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]


@settings(max_examples=80, deadline=None)
@given(groups, st.sampled_from([1, 2, 3, 10]))
def test_ndcg_is_that_of_sklearn_with_ties(found: list[list[tuple[int, int]]], k: int) -> None:
    codes, gains, scores = _laid_out(found)
    mine = group_measures(codes, gains, scores, [k])[f"ndcg_at_{k}"]
    for g, group in enumerate(found):
        if len(group) < 2 or not any(gain for gain, _ in group):
            assert np.isnan(mine[g])
            continue
        truth, said = np.array(group, dtype=np.float64).T
        assert mine[g] == pytest.approx(ndcg_score(truth[None], said[None], k=k), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(groups, st.sampled_from([1, 2, 3, 10]))
def test_hit_rate_and_reciprocal_rank_are_means_over_all_orders_of_equal_scores(
    found: list[list[tuple[int, int]]], k: int
) -> None:
    codes, gains, scores = _laid_out(found)
    mine = group_measures(codes, gains, scores, [k])
    for g, group in enumerate(found):
        if len(group) < 2 or not any(gain for gain, _ in group):
            assert np.isnan(mine["mrr"][g])
            continue
        shown = [o for o in permutations(group) if all(a[1] >= b[1] for a, b in pairwise(o))]
        hits = np.mean([any(gain for gain, _ in one[:k]) for one in shown])
        ranks = np.mean([1 / (1 + next(i for i, (gain, _) in enumerate(one) if gain)) for one in shown])
        assert mine[f"hit_rate_at_{k}"][g] == pytest.approx(hits, abs=1e-9)
        assert mine["mrr"][g] == pytest.approx(ranks, abs=1e-9)


def test_groups_that_say_nothing_are_left_out_and_counted() -> None:
    cells = np.array(["a", "a", "b", "b", "c", None, "d", "d"], dtype=object)
    gains = np.array([0.0, 1, 0, 0, 1, 1, 2, 1])
    counted = counts_of(group_codes(cells), gains)
    assert counted == (4, 2, 1, 1)
    found = ranking_metrics(gains, np.array([0.0, 1, 0, 0, 1, 1, 2, 1]), cells, NUMBERS)
    assert found["ndcg_at_1"] == found["hit_rate_at_1"] == found["mrr"] == 1.0
    assert ranking_metrics(np.zeros(4), np.ones(4), ["a", "a", "b", "b"], NUMBERS) == {}
    assert ranking_metrics(np.zeros(0), np.zeros((0, 1)), [], NUMBERS) == {}


def test_gains_and_order_follow_the_task() -> None:
    assert gains_of(["yes", "no", "maybe"], EVENTS).tolist() == [1.0, 0.0, 0.0]
    assert gains_of([-1.0, 2.0], NUMBERS).tolist() == [0.0, 2.0]
    assert order_of([[0.9, 0.1], [0.2, 0.8]], EVENTS).tolist() == [0.1, 0.8]
    # An answer that is no number stands last.
    assert order_of([[np.nan], [1.0]], NUMBERS).tolist() == [-np.inf, 1.0]


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    codes = group_codes([None, "b", "b", None, "a"])
    assert codes.tolist() == [-1, 0, 0, -1, 1]
    assert whole_codes(codes).tolist() == [0, 1, 1, 2, 3]


def test_a_metric_names_its_k() -> None:
    assert k_of("ndcg_at_7") == 7
    assert [k_of(name) for name in ("hit_rate_at_0", "ndcg_at_9999", "mrr", "ndcg")] == [None] * 4


def test_what_is_popular_is_shrunk_to_the_mean() -> None:
    known, whole = popularity(["a"] * 20 + ["b"], np.array([1.0] * 10 + [0.0] * 10 + [1.0]))
    assert whole == pytest.approx(11 / 21)
    assert known["a"] == pytest.approx((10 + 5 * whole) / 25)
    assert known["b"] == pytest.approx((1 + 5 * whole) / 6)
    assert popularity_scores(["b", "new"], known, whole).tolist() == [known["b"], whole]


def test_popularity_elsewhere_never_looks_at_the_group_itself() -> None:
    random = np.random.default_rng(0)
    codes, items = np.repeat(np.arange(30), 4), random.integers(0, 6, 120)
    gains = (random.random(120) < 0.3).astype(float)
    found = popularity_elsewhere(items, codes, gains)
    for row in (0, 17, 119):
        others = codes != codes[row]
        known, whole = popularity(items[others], gains[others])
        assert found[row] == pytest.approx(known.get(items[row], whole))
    changed = gains.copy()
    changed[codes == 3] = 1.0
    assert popularity_elsewhere(items, codes, changed)[codes == 3] == pytest.approx(found[codes == 3])


def test_intervals_draw_groups_and_hold_the_value() -> None:
    values = np.random.default_rng(1).random(40)
    values[:3] = np.nan
    found = ranking_intervals({"mrr": values, "none": np.full(4, np.nan)}, draws=200)
    assert list(found) == ["mrr"]
    assert found["mrr"].value == pytest.approx(np.nanmean(values))
    assert found["mrr"].low < found["mrr"].value < found["mrr"].high


def test_whole_groups_are_drawn_and_every_row_as_often_as_its_group() -> None:
    codes = np.repeat(np.arange(5), [1, 2, 3, 4, 5])
    for weights in resamples(15, 50, 3, codes):
        assert weights.shape == (50, 15)
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        assert (weights == weights[:, first][:, codes]).all()
        assert (weights[:, first].sum(axis=1) == 5).all()
    with pytest.raises(ShapeMismatch):
        next(resamples(14, 5, 0, codes))


def test_rows_that_share_a_group_make_an_interval_as_wide_as_of_groups() -> None:
    means = np.random.default_rng(5).normal(size=30)
    rows = np.repeat(means, 10)
    grouped, naive = bootstrap(rows, block=np.repeat(np.arange(30), 10)), bootstrap(rows)
    plain = bootstrap(means)
    assert grouped.high - grouped.low == pytest.approx(plain.high - plain.low, rel=1e-9)
    assert grouped.high - grouped.low > 2.5 * (naive.high - naive.low)


def test_groups_of_rows_in_time_order_are_drawn_with_their_neighbours() -> None:
    codes = np.repeat(np.arange(12), 5)
    assert group_blocks(codes, 1).tolist() == codes.tolist()
    assert group_blocks(codes, 20).tolist() == (codes // 4).tolist()
    assert block_of(codes, np.array([0, 1, 59]), 60).tolist() == [0, 0, 1]


@pytest.mark.long
def test_intervals_of_a_ranking_hold_the_truth_as_often_as_they_say() -> None:
    """Groups come from one process whose mean NDCG and AUC are those of very many of them; rows of a group share a
    shift, so intervals by rows would be too narrow.
    """

    def drawn(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        random = np.random.default_rng([seed, 17])
        codes = np.repeat(np.arange(groups), 6)
        shift = np.repeat(random.normal(scale=1.5, size=groups), 6)
        score = random.normal(size=len(codes)).round(1)
        gains = (random.random(len(codes)) < 1 / (1 + np.exp(-score - shift))).astype(float)
        return codes, gains, 1 / (1 + np.exp(-score))

    codes, gains, scores = drawn(200_000, 1)
    right = {n: float(np.nanmean(v)) for n, v in group_measures(codes, gains, scores).items()}
    table = np.stack([1 - scores, scores], axis=1)
    right["brier"] = float(np.mean((gains - scores) ** 2))
    held, narrow = dict.fromkeys(["ndcg_at_3", "hit_rate_at_1", "mrr", "brier"], 0), 0
    for seed in range(400):
        codes, gains, scores = drawn(60, seed + 2)
        found = ranking_intervals(group_measures(codes, gains, scores), draws=400, seed=seed)
        truth, table = np.where(gains > 0, "yes", "no"), np.stack([1 - scores, scores], axis=1)
        for block in (codes, 1):
            rows = metric_intervals("classification", truth, table, EVENTS, draws=400, seed=seed, block=block)["brier"]
            if block is codes:
                found["brier"] = rows
            else:
                narrow += rows.low <= right["brier"] <= rows.high
        for name in held:
            held[name] += found[name].low <= right[name] <= found[name].high
    assert all(0.92 <= count / 400 <= 0.98 for count in held.values()), (held, narrow)
    assert narrow < held["brier"], (held, narrow)


def test_a_share_that_never_failed_is_not_sure() -> None:
    found = ranking_intervals({"hit_rate_at_5": np.ones(34), "mrr": np.zeros(34)})
    assert found["hit_rate_at_5"].low == pytest.approx(0.025 ** (1 / 34))
    assert found["mrr"].high == pytest.approx(1 - 0.025 ** (1 / 34))
