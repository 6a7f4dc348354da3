"""Splits: nothing is judged by its own future, classes keep their shares, instants stay together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import spans_of, window_length
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.material import Material, material_of, split_holdout
from fairlead.lab.train.promise import promised_spans

DAY = 86_400.0


def material(rows: int, *, times: np.ndarray | None = None, share: float = 0.3, seed: int = 0) -> Material:
    random = np.random.default_rng(seed)
    truth = np.where(random.random(rows) < share, "yes", "no").astype(object)
    truth[:2] = ["yes", "no"]
    x = random.normal(size=rows)
    signature = Signature("classification", (Column("x", "number"),), "y", ("no", "yes"), "yes")
    return Material(signature, pd.DataFrame({"x": x, "y": truth}), pd.DataFrame({"x": x}), {"x": x}, truth, times)


@given(st.integers(60, 400), st.integers(2, 8), st.integers(0, 99))
@limits(max_examples=40, deadline=None)
def test_stratified_folds_judge_every_row_once_and_keep_the_classes(rows: int, count: int, seed: int) -> None:
    made = material(rows, seed=seed)
    folds = folds_of(made, count, seed)
    assert len(folds) == count
    assert np.array_equal(np.sort(np.concatenate([f.judge for f in folds])), np.arange(rows))
    events = made.codes() == 1
    for fold in folds:
        assert not set(fold.fit) & set(fold.judge)
        assert abs(events[fold.judge].sum() - events.sum() / count) <= 1.01


@given(st.integers(60, 400), st.integers(2, 8), st.integers(1, 9))
@limits(max_examples=40, deadline=None)
def test_folds_by_time_never_learn_from_the_future_or_from_the_same_instant(rows: int, count: int, tied: int) -> None:
    times = (np.arange(rows) // tied).astype(np.float64)
    for fold in folds_of(material(rows, times=times), count, 0):
        assert times[fold.fit].max() < times[fold.judge].min()


def test_too_few_rows_and_one_instant_are_refused_in_words() -> None:
    with pytest.raises(InputInvalid, match="too few"):
        folds_of(material(19), 5, 0)
    with pytest.raises(InputInvalid, match="same time"):
        folds_of(material(50, times=np.zeros(50)), 5, 0)


def test_holdout_by_time_is_the_newest_and_keeps_instants_together() -> None:
    times = np.sort(np.random.default_rng(0).integers(0, 40, 200)).astype(np.float64)
    learn, kept = split_holdout(material(200, times=times), 0.2, 0)
    assert times[learn].max() < times[kept].min()
    assert 40 <= len(kept) <= 50


def test_holdout_without_time_keeps_the_share_of_a_rare_class() -> None:
    made = material(1000, share=0.02)
    learn, kept = split_holdout(made, 0.25, 7)
    events = made.codes() == 1
    assert abs(events[kept].sum() - 0.25 * events.sum()) <= 1
    assert len(learn) + len(kept) == 1000
    again = split_holdout(made, 0.25, 7)
    assert np.array_equal(again[1], kept)


def test_rows_without_truth_are_left_out_and_the_rest_is_put_in_time_order() -> None:
    rows = pd.DataFrame(
        {
            "at": ["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-01"],
            "x": [3.0, 1.0, 2.0, 1.5],
            "y": [30.0, 10.0, None, 15.0],
        }
    )
    made = material_of(rows, Settings(model=ModelSettings(name="m", task="regression", target="y", time="at")))
    assert made.truth.tolist() == [10.0, 15.0, 30.0]
    assert made.columns["x"].tolist() == [1.0, 1.5, 3.0]
    assert made.unlabelled == 1
    settings = Settings(model=ModelSettings(name="m", task="regression", target="y"))
    nothing = rows.assign(y=[None] * 4).astype({"y": float})
    with pytest.raises(InputInvalid, match="no row has a usable value"):
        material_of(nothing, settings, made.signature)


def test_windows_are_whole_and_end_with_the_newest_row() -> None:
    times = np.arange(0, 30 * DAY, 3600.0)
    spans = spans_of(len(times), times, "7d")
    assert [s.last - s.first for s in spans] == [168] * 4
    assert spans[-1].last == len(times)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert [(s.first, s.last) for s in spans_of(1300, None, "")] == [(300, 800), (800, 1300)]
    assert [(s.first, s.last) for s in spans_of(90, None, "7d")] == [(0, 90)]
    assert spans_of(0, None, "") == []


def test_window_lengths_read_as_people_write_them() -> None:
    assert window_length("", timed=True) == (0, 7 * DAY)
    assert window_length("", timed=False) == (500, 0.0)
    assert window_length(" 200 rows", timed=True) == (200, 0.0)
    assert window_length("36h", timed=True) == (0, 1.5 * DAY)
    for wrong in ("0rows", "soon", "7", "-3d"):
        with pytest.raises(ConfigInvalid, match="no window"):
            window_length(wrong, timed=True)


@pytest.mark.parametrize(("windows", "promised"), [(2, 0), (3, 1), (9, 7), (10, 8), (14, 8), (20, 10), (90, 16)])
def test_eight_windows_are_promised_when_two_are_left_to_learn_from(windows: int, promised: int) -> None:
    times = np.arange(0, windows * 7 * DAY, 3600.0)
    found = promised_spans(spans_of(len(times), times, "7d"))
    assert len(found) == promised
