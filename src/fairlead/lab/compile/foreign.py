"""Signatures for models that were trained elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotCompilable, UsageError
from fairlead.contract.signature import Column, Kind, Signature
from fairlead.lab.compile.certifying import trained_scores
from fairlead.lab.compile.encoders import text_of
from fairlead.lab.compile.lanes import TermLane
from fairlead.lab.compile.walk import unwrapped, walk
from fairlead.lab.tables.tensors import column_of, tensors_of
from fairlead.runtime.bundle.words import Words

if TYPE_CHECKING:
    import pandas as pd


def signature_for_estimator(
    estimator: Any,
    sample: pd.DataFrame,
    *,
    target: str = "",
    positive: str | None = None,
    definition: str = "v1",
) -> Signature:
    """The signature of a fitted sklearn pipeline, from the columns it was fitted on and rows as it expects them.

    Kinds follow the sample's dtypes. A column is nullable when the pipeline answers rows in which it is missing.
    Raises UsageError if the sample lacks columns, NotCompilable if the model gives no scores.
    """
    estimator = unwrapped(estimator)
    fitted_on = getattr(estimator, "feature_names_in_", None)
    names = [
        str(n) for n in (sample.columns if fitted_on is None else fitted_on) if n != target or fitted_on is not None
    ]
    if absent := [name for name in names if name not in sample.columns]:
        raise UsageError(f"the sample lacks columns that the model was fitted on: {', '.join(absent)}.")
    if not len(sample):
        raise UsageError("the sample has no rows.")
    columns = tuple(_column(name, sample[name]) for name in names)
    labels = getattr(estimator, "classes_", None)
    _check_kind(estimator)
    if labels is not None and not hasattr(estimator, "predict_proba"):
        raise NotCompilable(f"{type(estimator).__name__} gives no probabilities.")
    classes = () if labels is None else tuple(text_of(label) for label in labels)
    signature = Signature(
        task="regression" if labels is None else "classification",
        columns=columns,
        target=target,
        classes=classes,
        positive=(positive or classes[-1]) if len(classes) == 2 else None,
        definition=definition,
    )
    return _with_nullable(estimator, _with_texts(estimator, signature), sample)


def _with_texts(estimator: Any, signature: Signature) -> Signature:
    """Columns that are read by their terms are texts: their cells are no categories, and none of them is sealed."""
    try:
        lanes, _ = walk(estimator, signature)
    except NotCompilable:
        return signature
    read = {lane.column.name for lane in lanes if isinstance(lane, TermLane) and isinstance(lane.reader, Words)}
    columns = (Column(column.name, "text") if column.name in read else column for column in signature.columns)
    return msgspec.structs.replace(signature, columns=tuple(columns))


def _check_kind(estimator: Any) -> None:
    """Raises NotCompilable for estimators that neither classify nor predict a number."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    kind = getattr(tags(), "estimator_type", None) if callable(tags) else None
    if kind not in (None, "classifier", "regressor") or not hasattr(estimator, "predict"):
        raise NotCompilable(
            f"{type(estimator).__name__} is {_article(kind)}; classifiers and regressors can be sealed."
        )


def _article(kind: str | None) -> str:
    return "no predictor" if kind is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def columns_like(sample: pd.DataFrame, signature: Signature) -> dict[str, np.ndarray]:
    """The columns form of frame rows, by the signature's kinds."""
    from fairlead.runtime.bundle.columns import columns_from

    plain = msgspec.structs.replace(signature, columns=tuple(c for c in signature.columns if c.kind != "tensor"))
    found = columns_from(sample[list(plain.names)], plain) if plain.columns else {}
    tensors = {c.name: tensors_of(sample[c.name], c) for c in signature.columns if c.kind == "tensor"}
    return {name: tensors[name] if name in tensors else found[name] for name in signature.names}


def _column(name: str, series: pd.Series) -> Column:
    if (tensor := column_of(name, series)) is not None:
        return tensor
    kind, coded = _kind(series)
    present = series.dropna()
    if kind in ("category", "text"):
        known = tuple(sorted({text_of(value) for value in present.unique()}))
        return Column(name, kind, categories=known, coded=coded)
    if not len(present) or kind == "boolean":
        return Column(name, kind)
    if kind == "time":
        stamps = present.dt.tz_convert("UTC").dt.tz_localize(None) if present.dt.tz is not None else present
        micros = stamps.astype("datetime64[us]").astype("int64")
        return Column(name, kind, low=float(micros.min() / 1e6), high=float(micros.max() / 1e6))
    return Column(name, kind, low=float(present.min()), high=float(present.max()))


def _kind(series: pd.Series) -> tuple[Kind, Any]:
    letter = getattr(series.dtype, "kind", "O")
    if letter in "iu":
        return "integer", "text"
    if letter == "f":
        return "number", "text"
    if letter == "b":
        return "boolean", "text"
    if letter == "M":
        return "time", "text"
    values = series.dropna().unique().tolist()
    if values and all(isinstance(value, bool) for value in values):
        return "category", "boolean"
    if values and all(isinstance(value, int) for value in values):
        return "category", "integer"
    return "category", "text"


def _with_nullable(estimator: Any, signature: Signature, sample: pd.DataFrame) -> Signature:
    rows = columns_like(sample.head(1), signature)
    columns = []
    for column in signature.columns:
        if column.kind == "tensor":
            columns.append(column)
            continue
        gap = dict(rows)
        gap[column.name] = np.array([np.nan]) if column.numeric else np.array([None], dtype=object)
        answered = not isinstance(trained_scores(estimator, gap, signature, sample), str)
        columns.append(msgspec.structs.replace(column, nullable=answered))
    return msgspec.structs.replace(signature, columns=tuple(columns))
