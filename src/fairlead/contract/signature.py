"""What a model takes and gives: columns, outputs, and the two in-memory forms of rows.

Two forms of the same rows, used by everything from training to serving:

- *row*: a sequence of cells in the order of `Signature.columns`; number, integer,
  boolean and time are `float | None` (booleans 0.0/1.0, times seconds since the
  epoch, UTC), category and text are `str | None`, a tensor is the bytes of its
  elements (little-endian, row-major, in the column's dtype), never missing;
- *columns*: `{name: array}`; the former are float64 with NaN for missing, the
  latter object arrays of `str | None`, a tensor an array (rows, elements) in its dtype.

A category whose source values are integers or booleans is carried as text
(`"1"`, `"true"`); `Column.coded` says how it looks outside.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.population import Population

Kind = Literal["number", "integer", "boolean", "category", "text", "time", "tensor"]
Task = Literal["classification", "regression", "clustering", "anomaly", "forecasting"]
Cell = float | str | bytes | None
UNSUPERVISED: tuple[Task, ...] = ("clustering", "anomaly")
"""Tasks that are learned without a truth; one that is there is used for judging alone."""

NUMERIC: frozenset[str] = frozenset({"number", "integer", "boolean", "time"})


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input column.

    low, high: what training saw, inclusive; values beyond are answered and counted.
    categories: the values training saw, sorted; another value is taken as the model was trained to take it.
    minimum, maximum: limits that the project states; values beyond are refused.
    coded: how a category looks in tables and requests.
    dtype, shape: of a tensor; low and high are then its smallest and greatest element. An image is (height, width),
        (height, width, channels) or (channels, height, width) with 1 or 3 channels.
    """

    name: str
    kind: Kind
    nullable: bool = True
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    coded: Literal["text", "integer", "boolean"] = "text"
    minimum: float | None = None
    maximum: float | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether cells are floats (number, integer, boolean, time) rather than text."""
        return self.kind in NUMERIC


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Columns in, outputs out, and how an output becomes a decision.

    classes: labels in the order of the score columns (classification; K >= 2), or the names of the clusters
        (clustering; K >= 1), whose scores are memberships that sum to 1.
    positive, threshold: binary only; the label is `positive` when its probability is
        strictly above `threshold`, else the other class; at 0.5 a tie goes to the class
        listed first, which equals argmax. Of an anomaly detection: a row is one when its score (larger is stranger)
        is strictly above `threshold`, and `positive` is how the target names an anomaly.
    confidence: a classification abstains from a row when the probability of the label it decides is below this; the
        answer is then marked, and meant for a person. 0: it answers every row.
    key, time, sticky: pass-through columns, optional in a request and never features,
        except that parts of a composed time may be features, too.
    horizon, step: of a forecast; how many values after the origin are answered, and the seconds from one to the next.
    series: pass-through column that names the series a forecast is of.
    timezone: IANA name, of times that carry none.
    group, item: of a ranking the columns that say which rows are put in order together, and what a row stands for;
        passed through, and an item may be a feature, too.
    quantile: of a regression that answers a quantile of its target; 0: it answers its mean.
    population: the rows that it is meant for; None: whatever fits its columns.
    """

    task: Task
    columns: tuple[Column, ...]
    target: str = ""
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    confidence: float = 0.0
    key: str | None = None
    time: tuple[str, ...] = ()
    sticky: str | None = None
    definition: str = "v1"
    timezone: str = "UTC"
    horizon: int = 0
    step: float = 0.0
    series: str | None = None
    group: str | None = None
    item: str | None = None
    quantile: float = 0.0
    population: Population | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(c.name for c in self.columns)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the score columns.

        The classes, the clusters, `score` of an anomaly detection, `t+1` ... `t+horizon` of a forecast, else `value`.
        """
        if self.task in ("classification", "clustering"):
            return self.classes
        if self.task == "forecasting":
            return tuple(f"t+{step}" for step in range(1, self.horizon + 1))
        return ("score",) if self.task == "anomaly" else ("value",)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a decision may be: the classes, the clusters, `false` and `true` of an anomaly; empty for a number."""
        return ("false", "true") if self.task == "anomaly" else self.classes

    @property
    def row_key(self) -> str | None:
        """The column that labels come by: the key, else of a forecast its series (the time of the origin tells which
        of its rows).
        """
        return self.key or self.series

    @property
    def passthrough(self) -> tuple[str, ...]:
        """Columns accepted in a request that are not features."""
        wanted = (self.key, *self.time, self.sticky, self.series, self.group, self.item)
        features = set(self.names)
        return tuple(dict.fromkeys(n for n in wanted if n is not None and n not in features))
