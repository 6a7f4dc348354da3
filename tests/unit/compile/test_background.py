"""Background rows: nobody's, and each column spread as the training rows were."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.profile import Profile
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.likeness import cells_like
from fairlead.lab.compile.synthetic import BACKGROUND, background
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.bins import as_floats

ROWS = 500


def training(seed: int) -> tuple[Signature, dict[str, Any]]:
    random = np.random.default_rng(seed)
    income = np.where(random.random(ROWS) < 0.1, np.nan, random.lognormal(3, 1, ROWS))
    visits = random.poisson(3, ROWS).astype(float)
    plan = random.choice(np.array(["basic", "pro", None], dtype=object), ROWS, p=[0.7, 0.2, 0.1])
    columns = {"income": income, "visits": visits, "plan": plan}
    signature = Signature(
        task="regression",
        columns=(
            Column("income", "number", low=float(np.nanmin(income)), high=float(np.nanmax(income))),
            Column("visits", "integer", nullable=False, low=0.0, high=float(visits.max())),
            Column("plan", "category", categories=("basic", "pro")),
        ),
        target="y",
    )
    return signature, columns


def seen(signature: Signature, columns: dict[str, Any]) -> Profile:
    return profile(columns, bins_for(columns, signature))


@given(seed=st.integers(0, 10_000))
def test_cells_are_spread_over_the_bins_as_the_training_rows_were(seed: int) -> None:
    signature, columns = training(seed)
    random = np.random.default_rng(seed)
    for column, counted in zip(signature.columns, seen(signature, columns).columns, strict=True):
        cells = cells_like(counted, column, BACKGROUND, random)
        assert len(cells) == BACKGROUND
        missing = sum(cell is None for cell in cells)
        assert abs(missing - BACKGROUND * counted.missing / ROWS) <= 1.0
        if not column.numeric:
            for name, count in zip(counted.bins.categories, counted.counts, strict=False):
                assert abs(cells.count(name) - BACKGROUND * count / ROWS) <= 2.0
            continue
        numbers = np.array([cell for cell in cells if cell is not None])
        assert column.low is not None
        assert column.high is not None
        # Six digits are kept of a number.
        assert column.low * (1 - 1e-5) <= numbers.min()
        assert numbers.max() <= column.high * (1 + 1e-5)
        if column.kind == "integer":
            assert (numbers == np.round(numbers)).all()
        ends = np.cumsum(counted.counts)[:-1] / counted.rows * BACKGROUND
        below = (numbers[:, None] < np.array(counted.bins.edges)).sum(axis=0)
        assert (np.abs(below - ends) <= 3.0).all()


def test_the_same_profile_gives_the_same_rows_and_none_of_training() -> None:
    signature, columns = training(1)
    first, second = (background(signature, seen(signature, columns)) for _ in range(2))
    assert first == second
    rows = [json.loads(line) for line in first.splitlines()]
    assert len(rows) == BACKGROUND
    assert all(row["visits"] is not None for row in rows)
    trained = set(as_floats(columns["income"]).tolist())
    assert sum(row["income"] in trained for row in rows) < 5


def test_without_counts_columns_are_drawn_from_their_ranges() -> None:
    signature, _ = training(1)
    rows = [json.loads(line) for line in background(signature, Profile(0, ())).splitlines()]
    assert {row["plan"] for row in rows} == {"basic", "pro"}
