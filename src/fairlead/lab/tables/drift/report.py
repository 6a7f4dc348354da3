"""What a drift report says: columns, correlations, scores and decisions of two sets of rows, each with its doubt."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec


class Side(msgspec.Struct, frozen=True):
    """One of the two. counts: rows in each bin of the column, missing cells apart; mean in the column's own unit."""

    rows: int
    missing: float
    counts: tuple[int, ...]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


class Moved(msgspec.Struct, frozen=True):
    """One column (or output of a model), before and now.

    distance: Jensen-Shannon, in [0, 1], with a 95 % interval over resampled blocks. changed: share of rows that would
    have to change bin. p: of no change, when blocks of neighbouring rows change sides; p_joint: the same, holding for
    all columns at once. usual, farthest: distance of stretches of the reference as long as what is compared, middle
    and largest of `stretches`; None where it has fewer than 8. limit: the distance beyond which it is unusual among
    them. says: in one sentence. edges: of the bins of a number; labels: of the bins of words.
    """

    name: str
    kind: str
    moved: bool
    says: str
    distance: float
    low: float
    high: float
    changed: float
    p: float
    p_joint: float
    before: Side
    now: Side
    usual: float | None = None
    farthest: float | None = None
    limit: float | None = None
    stretches: int = 0
    shift: float | None = None
    psi: float = 0.0
    ks: float | None = None
    cramers_v: float | None = None
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


class Pair(msgspec.Struct, frozen=True):
    """Two numeric columns whose correlation is told: before and now, p and p_joint as of `Moved`."""

    one: str
    two: str
    before: float
    now: float
    p: float
    p_joint: float
    moved: bool


class Rate(msgspec.Struct, frozen=True):
    """Share of one decision before and now; the interval of the difference is over resampled blocks."""

    decision: str
    before: float
    now: float
    low: float
    high: float
    p_joint: float
    moved: bool


class Together(msgspec.Struct, frozen=True):
    """Whether rows of the two can be told apart by all columns together.

    auc: of rows that were not learned from, 0.5 is not at all, with a 95 % interval over blocks. by: the columns it
    goes by with their share, most first. p: of no difference, when blocks of neighbouring rows change sides. rows,
    other_rows: that were looked at, of the rows and of the reference. usual, limit: AUC of `stretches` of the reference
    as long as the rows, their middle and what is unusual among them; None where it has fewer than 8. says: in words.
    """

    auc: float
    low: float
    high: float
    p: float
    moved: bool
    by: dict[str, float]
    rows: int
    other_rows: int
    usual: float | None = None
    limit: float | None = None
    stretches: int = 0
    says: str = ""


class DriftReport(msgspec.Struct, frozen=True):
    """How far rows have moved from a reference.

    columns: furthest first. pairs: correlations that moved most, first; `pairs_tried` in all. scores, decisions: of
    the model, where there is one. left_out: columns that are not compared, with the reason. lacking: columns of the
    reference that the rows do not have; surplus: the other way round. blocks, other_blocks: how many took part in the
    tests of the rows and of the reference. moved: whether anything did. alpha: chance that something is said to have
    moved when blocks of both are alike.
    """

    source: str
    reference: str
    rows: int
    reference_rows: int
    moved: bool
    headline: str
    columns: tuple[Moved, ...]
    pairs: tuple[Pair, ...] = ()
    pairs_tried: int = 0
    scores: tuple[Moved, ...] = ()
    decisions: tuple[Rate, ...] = ()
    together: Together | None = None
    left_out: dict[str, str] = {}
    lacking: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    blocks: int = 0
    other_blocks: int = 0
    alpha: float = 0.05
    floor: float = 0.1
    seconds: float = 0.0
    format: int = 1


@cache
def drift_schema() -> dict[str, Any]:
    """The published JSON schema of the report."""
    schema: dict[str, Any] = msgspec.json.schema(DriftReport)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
