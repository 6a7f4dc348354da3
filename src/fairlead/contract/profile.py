"""The mergeable summary of rows, and the reference a model is compared with."""

from __future__ import annotations

import msgspec

from fairlead.contract.estimation import Estimation
from fairlead.contract.order import Order
from fairlead.contract.signature import Kind
from fairlead.contract.unusual import Unusual


class Bins(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one column is counted; two profiles merge only if their bins are equal.

    edges: inner edges, ascending; bin i holds edges[i-1] <= x < edges[i], so there are
        len(edges) + 1 bins and nothing falls outside (numeric kinds).
    categories: counted one by one; a last bin holds all others (category, text).
    shift, scale: z = (x - shift) / scale, in which moments and the gram matrix are kept.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    shift: float = 0.0
    scale: float = 1.0


class ColumnProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of one column. counts: (bins,), missing cells apart; z, zz: sums of z and z*z over present cells."""

    bins: Bins
    rows: int
    missing: int
    counts: tuple[int, ...]
    z: float = 0.0
    zz: float = 0.0
    low: float | None = None
    high: float | None = None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """Mergeable summary of rows: counts add exactly, sums to 1e-12.

    scores: one per output column of the model, over [0, 1] for probabilities.
    gram: Z'Z over the numeric columns in order, missing cells as 0, shape (m, m), flattened rows.
    start, end: event time covered, seconds since the epoch; 0 when unknown.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    scores: tuple[ColumnProfile, ...] = ()
    gram: tuple[tuple[float, ...], ...] = ()
    start: float = 0.0
    end: float = 0.0
    format: int = 1


class HourColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of one column by the hour. counts: (hours, bins + 1) little-endian integers of 2 bytes (4 if wide),
    missing cells last. sums: (hours, 2) little-endian floats of 4 bytes, of z and of z * z.
    """

    name: str
    counts: bytes
    sums: bytes
    wide: bool = False


class Hours(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest hours of a reference whose windows are shorter than a day. slots: hours since the epoch, ascending."""

    seconds: float
    slots: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[HourColumn, ...]
    scores: tuple[HourColumn, ...] = ()
    format: int = 1


class HeldOut(msgspec.Struct, frozen=True):
    """What the model did on one window it had not seen when fitted.

    loss: mean per-row loss in [0, 1]: Brier (multiclass: half the squared distance), or for
        regression the absolute error divided by `Reference.loss_clip`, clipped to 1.
    """

    start: float
    end: float
    rows: int
    loss: float
    metrics: dict[str, float] = {}


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sealed in every bundle: what this model's world looked like when it was released.

    profile: training rows, with scores from held-out windows or folds.
    blocks: profiles of consecutive blocks (days, or 500 rows without time), on which
        thresholds are calibrated; bounded to the newest 400.
    held_out: consecutive windows of losses, the promise the model is held to.
    loss_clip: for regression, the absolute error that counts as loss 1; else 1.
    hours: of the same rows as the blocks where windows are shorter than a day, at most 100 days; None elsewhere.
    estimation: how performance is estimated before labels come; None where held-out answers could not teach it.
    unusual: from where on one row counts as unlike those of training; None with too few rows to say.
    order: how the training rows follow each other; None in bundles sealed before it was known.
    """

    profile: Profile
    blocks: tuple[Profile, ...] = ()
    held_out: tuple[HeldOut, ...] = ()
    loss_clip: float = 1.0
    hours: Hours | None = None
    estimation: Estimation | None = None
    unusual: Unusual | None = None
    order: Order | None = None
    format: int = 1
