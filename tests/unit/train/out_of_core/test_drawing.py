"""Samples and kept rows are what they say: exact in size, the same for a seed, each row as likely as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import InputInvalid
from fairlead.lab.train.out_of_core.drawing import FEWEST, Drawer, Index, indexed, uniform


def index_of(folder: Path, codes: np.ndarray, times: np.ndarray | None = None, seed: int = 0, step: int = 997) -> Index:
    parts = (
        (codes[at : at + step], None if times is None else times[at : at + step]) for at in range(0, len(codes), step)
    )
    return indexed(parts, int(codes.max()) + 1, folder, 0.2, seed)


def drawn(index: Index, wanted: int, step: int) -> np.ndarray:
    drawer, found = Drawer(index, wanted), []
    for first in range(0, index.rows, step):
        codes, held, _ = index.read(first, min(step, index.rows - first))
        found.append(first + drawer.draw(first, codes, held))
    return np.concatenate(found)


def test_each_part_and_class_has_its_share_and_rare_classes_are_not_missed(tmp_path: Path) -> None:
    codes = np.repeat([0, 1, 2, -1], [9_000, 900, 20, 80])
    np.random.default_rng(0).shuffle(codes)
    index = index_of(tmp_path, codes)
    assert index.labelled == 9_920
    found = drawn(index, 1_000, 64)
    assert (np.diff(found) > 0).all()
    assert (codes[found] >= 0).all()
    _, held, _ = index.read(0, index.rows)
    for part in (False, True):
        for code in (0, 1, 2):
            there = int(((codes == code) & (held == part)).sum())
            share = int(((codes[found] == code) & (held[found] == part)).sum())
            assert share == min(max(int(np.ceil(there * 1_000 / 9_920)), FEWEST), there)
    assert found.tolist() == drawn(index, 1_000, 1_013).tolist()


def test_every_row_is_as_likely_as_any_other(tmp_path: Path) -> None:
    counts = np.zeros(400)
    for seed in range(300):
        index = index_of(tmp_path, np.zeros(400, dtype=np.int64), seed=seed)
        counts[drawn(index, 200, 400)] += 1
    # 150 of 300 each, with a standard deviation of 8.7.
    assert abs(counts.mean() - 150) < 1
    assert counts.min() > 110
    assert counts.max() < 190
    assert abs(np.corrcoef(np.arange(400), counts)[0, 1]) < 0.2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5_000), st.integers(0, 10**9))
def test_a_number_belongs_to_its_row(seed: int, count: int, first: int) -> None:
    every = uniform(seed, 1, first, count)
    assert ((every >= 0) & (every < 1)).all()
    half = count // 2
    assert np.array_equal(every[half:], uniform(seed, 1, first + half, count - half))


def test_the_newest_rows_judge_and_rows_of_one_instant_stay_together(tmp_path: Path) -> None:
    times = np.repeat(np.arange(100.0), 10)
    np.random.default_rng(1).shuffle(times)
    index = index_of(tmp_path, np.zeros(1_000, dtype=np.int64), times)
    _, held, read = index.read(0, 1_000)
    assert index.cut == 80.0
    assert (held == (times >= 80.0)).all()
    assert read is not None


def test_of_one_instant_or_without_a_truth_nothing_can_be_learned(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid):
        index_of(tmp_path, np.zeros(50, dtype=np.int64), np.zeros(50))
    with pytest.raises(InputInvalid):
        indexed(iter([(np.full(9, -1), None)]), 2, tmp_path, 0.2, 0)
