"""[preparation] of fairlead.toml: what is done to each kind of column, and to columns by name."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Missing = Literal["drop", "mean", "median", "mode", "constant", "knn", "iterative"]
Outliers = Literal["none", "zscore", "iqr"]
Scale = Literal["none", "minmax", "standard", "robust", "power", "quantile", "quantile_normal"]
Encode = Literal["one_hot", "ordinal", "label", "target", "hashing", "none"]
Dates = Literal["parts", "cyclic", "elapsed"]


class Treatment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is done to a column. None: as for its kind, else as always.

    missing: what a missing cell becomes; `drop` leaves such rows out of training, and answers them as `median`
    (numbers, times), `mode` (flags), a category of its own or an empty text. knn and iterative look at other columns
    and run native. missing_values: numbers that stand for missing, as -999. value: of `constant`. indicator: a further
    feature, 1 where the cell is missing.
    outliers: values further from the middle than `threshold` standard deviations (zscore, 3 unless said) or quartile
    distances beyond the quartiles (iqr, 1.5 unless said). action: clip them, or drop such rows in training.
    encode: `label` is another word for ordinal. rare: a category in fewer than this share of rows joins the group of
    rare ones. buckets: outputs of hashing. bins: numbers cut into so many, by equal widths (uniform) or equal
    numbers of rows (quantile). dates: parts as numbers, on circles, or days since the newest time of training.
    text: `tfidf` of the `max_features` most frequent terms, of `ngrams` words or characters (`unit`); `words`: the
    first `length` words in order, each as one of `max_features` numbers that its hash falls on, for text_net alone.
    """

    missing: Missing | None = None
    value: float | str | None = None
    missing_values: Annotated[tuple[float, ...], Meta(min_length=1, max_length=20)] | None = None
    indicator: bool | None = None
    outliers: Outliers | None = None
    threshold: Annotated[float, Meta(gt=0.0)] | None = None
    action: Literal["clip", "drop"] | None = None
    scale: Scale | None = None
    encode: Encode | None = None
    rare: Annotated[float, Meta(ge=0.0, lt=1.0)] | None = None
    buckets: Annotated[int, Meta(ge=2, le=4096)] | None = None
    bins: Annotated[int, Meta(ge=2, le=1000)] | None = None
    bins_by: Literal["uniform", "quantile"] | None = None
    dates: Dates | None = None
    text: Literal["none", "tfidf", "words"] | None = None
    max_features: Annotated[int, Meta(ge=1, le=20_000)] | None = None
    ngrams: tuple[Annotated[int, Meta(ge=1, le=5)], Annotated[int, Meta(ge=1, le=5)]] | None = None
    unit: Literal["word", "char", "char_wb"] | None = None
    length: Annotated[int, Meta(ge=1, le=1024)] | None = None


class PreparationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table [preparation]. Kinds are those of the signature; integers are numbers, booleans are flags."""

    numbers: Treatment = Treatment()
    flags: Treatment = Treatment()
    categories: Treatment = Treatment()
    times: Treatment = Treatment()
    texts: Treatment = Treatment()
    columns: dict[str, Treatment] = msgspec.field(default_factory=dict)
    interactions: tuple[tuple[str, str], ...] = ()


DOC: dict[str, str] = {
    "preparation.numbers": 'what is done to numbers, as {missing = "mean", scale = "robust"}; see how-to/prepare.md',
    "preparation.flags": "the same for booleans",
    "preparation.categories": 'the same for categories, as {encode = "target", rare = 0.01}',
    "preparation.times": 'the same for times, as {dates = "cyclic"}',
    "preparation.texts": 'the same for texts, as {text = "tfidf"}; without it they are not used',
    "preparation.columns": "the same for a column by its name: [preparation.columns.NAME]",
    "preparation.interactions": 'pairs of columns whose products are features, too: [["a", "b"]]',
}
