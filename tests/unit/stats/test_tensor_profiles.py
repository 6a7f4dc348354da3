"""Profiles of rows with tensors: mean and spread of the elements are counted, everything else as ever."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.errors import ColumnMissing
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, decode_reference, encode_reference, profile, profile_batches, score_bins, total
from fairlead.ops.monitor import calibrate, check_drift

IMAGE = Column("image", "tensor", nullable=False, dtype="uint8", shape=(8, 8))
SIGNATURE = Signature("classification", (Column("x", "number"), IMAGE, Column("plan", "category")), classes=("a", "b"))
RNG = np.random.default_rng(0)


def rows(count: int, brighter: int = 0) -> dict[str, np.ndarray]:
    """Columns form of dim images."""
    return {
        "x": RNG.normal(size=count),
        "image": (RNG.integers(20, 100, (count, 1)) + RNG.integers(0, 20, (count, 64)) + brighter).astype(np.uint8),
        "plan": np.array(["p", "q"], dtype=object)[RNG.integers(0, 2, count)],
    }


def test_a_tensor_is_counted_by_its_mean_and_its_spread() -> None:
    columns = rows(500)
    bins = bins_for(columns, SIGNATURE)
    assert [(one.name, one.kind) for one in bins] == [
        ("x", "number"), ("image (mean)", "number"), ("image (spread)", "number"), ("plan", "category"),
    ]  # fmt: skip
    found = profile(columns, bins)
    mean, spread = found.columns[1], found.columns[2]
    truth = columns["image"].astype(float)
    assert (mean.rows, mean.missing, sum(mean.counts)) == (500, 0, 500)
    assert (mean.low, mean.high) == pytest.approx((truth.mean(axis=1).min(), truth.mean(axis=1).max()))
    assert spread.low == pytest.approx(truth.std(axis=1).min())
    # By batches, added up, and of moments that records have already.
    halves = [{name: cells[a : a + 250] for name, cells in columns.items()} for a in (0, 250)]
    assert total([profile(half, bins) for half in halves]).columns[1].counts == mean.counts
    assert profile_batches(halves, bins).columns[1].counts == mean.counts
    known = {"image (mean)": truth.mean(axis=1), "image (spread)": truth.std(axis=1)}
    recorded = {name: cells for name, cells in columns.items() if name != "image"} | known
    assert profile(recorded, bins).columns[2].counts == spread.counts


def test_without_the_tensor_its_column_is_missing() -> None:
    columns = rows(50)
    bins = bins_for(columns, SIGNATURE)
    del columns["image"]
    with pytest.raises(ColumnMissing, match=r"image \(mean\)"):
        profile(columns, bins)


def test_a_reference_that_never_counted_tensors_still_profiles() -> None:
    columns = rows(100)
    bins = tuple(one for one in bins_for(columns, SIGNATURE) if not one.name.startswith("image"))
    assert [c.bins.name for c in profile(columns, bins).columns] == ["x", "plan"]


ENOUGH = 12_000
"""Rows of as many windows as the budget wants to know."""


def test_brighter_images_are_drift_and_usual_ones_are_not() -> None:
    columns = rows(ENOUGH)
    scores = np.full((ENOUGH, 2), 0.5)
    bins, scored = bins_for(columns, SIGNATURE), score_bins(SIGNATURE, scores)

    def part(cells: dict[str, np.ndarray], a: int, b: int, start: float) -> object:
        cut = {name: values[a:b] for name, values in cells.items()}
        return profile(cut, bins, scores=scores[a:b], score_bins=scored, start=start, end=start + 86_400.0, gram=False)

    blocks = tuple(part(columns, a, a + 100, a * 864.0) for a in range(0, ENOUGH, 100))
    reference = Reference(profile(columns, bins, scores=scores, score_bins=scored), blocks)  # type: ignore[arg-type]
    reference = decode_reference(encode_reference(reference))
    settings = Settings(
        model=ModelSettings(name="m", task="classification", target="y"), monitor=MonitorSettings(window="100rows")
    )
    limits = calibrate(reference, settings)
    usual, moved = rows(100), rows(100, brighter=60)
    assert check_drift(part(usual, 0, 100, 2e7), reference, limits) == []  # type: ignore[arg-type]
    found = check_drift(part(moved, 0, 100, 2e7), reference, limits)  # type: ignore[arg-type]
    assert [finding.columns for finding in found] == [("image (mean)",)]
    assert found[0].message.startswith("image (mean) moved")
