"""Walking a fitted pipeline: what every step makes of the lanes, down to the final estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Signature
from fairlead.lab.compile.flattening import OverElements
from fairlead.lab.compile.frames import frame_like
from fairlead.lab.compile.lanes import AnyLane, first_lanes, spread
from fairlead.lab.compile.transformers import apply, outer

if TYPE_CHECKING:
    import pandas as pd

SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "OptunaSearchCV")


def unwrapped(estimator: Any) -> Any:
    """The estimator that a finished search would predict with."""
    while type(estimator).__name__ in SEARCHES and hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def walk(pipeline: Any, signature: Signature) -> tuple[list[AnyLane], Any]:
    """The features as lanes, and the final estimator that takes them. Raises NotCompilable."""
    estimator = unwrapped(pipeline)
    names, lanes = _entering(estimator, signature)
    if isinstance(estimator, OverElements):
        estimator = estimator.native_inner
    return _through(estimator, lanes, names, "")


def _entering(estimator: Any, signature: Signature) -> tuple[list[str] | None, list[AnyLane]]:
    known = first_lanes(signature)
    if isinstance(estimator, OverElements):
        # A matrix of all elements side by side has no names of columns.
        return None, spread(known[name] for name in estimator.feature_names_in_)
    stated = getattr(estimator, "feature_names_in_", None)
    names = list(signature.names) if stated is None else [str(name) for name in stated]
    if absent := [name for name in names if name not in known]:
        raise NotCompilable(f"the pipeline was fitted on columns that the signature lacks: {', '.join(absent)}.")
    fitted_on = getattr(estimator, "n_features_in_", len(names))
    if stated is None and fitted_on != len(names):
        raise NotCompilable(f"the pipeline was fitted on {fitted_on} columns, the signature has {len(names)}.")
    return names, [known[name] for name in names]


def _through(estimator: Any, lanes: list[AnyLane], names: list[str] | None, where: str) -> tuple[list[AnyLane], Any]:
    """Through all steps of a pipeline that ends with a predictor, which is handed back."""
    estimator = unwrapped(estimator)
    if type(estimator).__name__ != "Pipeline":
        return lanes, estimator
    for name, step in estimator.steps[:-1]:
        lanes, names = transform(step, lanes, names, _under(where, name))
    name, last = estimator.steps[-1]
    return _through(last, lanes, names, _under(where, name))


def given_to(estimator: Any, rows: pd.DataFrame) -> Any:
    """Rows in the form that the estimator was fitted on: a frame where it knows names, one column of texts where
    a vectorizer comes first, else a matrix.
    """
    estimator = unwrapped(estimator)
    if hasattr(estimator, "feature_names_in_"):
        return rows
    first = estimator
    while type(first).__name__ in ("Pipeline", "FeatureUnion"):
        first = (first.steps if hasattr(first, "steps") else first.transformer_list)[0][1]
    if type(first).__name__ in ("TfidfVectorizer", "CountVectorizer") and rows.shape[1] == 1:
        return rows.iloc[:, 0]
    return rows.to_numpy()


def fed_sparse(pipeline: Any, signature: Signature, sample: pd.DataFrame | None) -> bool:
    """Whether the final estimator is handed a sparse matrix by the steps before it, which is fixed by their fitting."""
    from fairlead.lab.compile.probes import random_rows

    estimator = unwrapped(pipeline)
    rows = frame_like(random_rows(signature, 1, np.random.default_rng(0), gaps=0.0), signature, sample)
    found = given_to(estimator, rows)
    if isinstance(estimator, OverElements):
        estimator, found = unwrapped(estimator.native_inner), estimator.matrix(rows)
    while type(estimator).__name__ == "Pipeline":
        for _, step in estimator.steps[:-1]:
            if step is not None and not isinstance(step, str):
                found = step.transform(found)
        estimator = unwrapped(estimator.steps[-1][1])
    return hasattr(found, "toarray")


def _under(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def transform(
    step: Any, lanes: list[AnyLane], names: list[str] | None, where: str
) -> tuple[list[AnyLane], list[str] | None]:
    """The lanes after one step, and their names where a later step may ask for them."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return lanes, names
    kind = type(step).__name__
    if kind == "Pipeline":
        for name, inner in step.steps:
            lanes, names = transform(inner, lanes, names, _under(where, name))
        return lanes, names
    if kind == "ColumnTransformer":
        after = _column_transformer(step, lanes, names, where)
    elif kind == "FeatureUnion":
        after = _union(step, lanes, names, where)
    elif kind == "Crossed":
        after = outer([transform(p, [lane], None, where)[0] for p, lane in zip(step.parts_, lanes, strict=True)], where)
    else:
        after = apply(step, lanes, where)
    return after, _names_after(step, after)


def _names_after(step: Any, lanes: Sequence[AnyLane]) -> list[str] | None:
    try:
        names = [str(name) for name in step.get_feature_names_out()]
    except (AttributeError, ValueError, TypeError):
        return None
    return names if len(names) == len(lanes) else None


def _union(union: Any, lanes: list[AnyLane], names: list[str] | None, where: str) -> list[AnyLane]:
    if union.transformer_weights:
        raise NotCompilable(f"{where}: transformer_weights are not compiled.")
    found: list[AnyLane] = []
    for name, inner in union.transformer_list:
        if not (isinstance(inner, str) and inner == "drop"):
            found += transform(inner, lanes, names, _under(where, name))[0]
    return found


def _column_transformer(step: Any, lanes: list[AnyLane], names: list[str] | None, where: str) -> list[AnyLane]:
    if step.transformer_weights:
        raise NotCompilable(f"{where}: transformer_weights are not compiled.")
    stated = getattr(step, "feature_names_in_", None)
    own = names if stated is None else [str(name) for name in stated]
    if names is not None and own is not None and stated is not None:
        # A ColumnTransformer finds its columns by name, whatever their order in the frame.
        place = dict(zip(names, lanes, strict=True))
        if all(name in place for name in own):
            lanes = [place[name] for name in own]
    found: list[AnyLane] = []
    for name, inner, columns in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        chosen = _chosen(columns, lanes, own, _under(where, name))
        after = (
            transform(inner, [lanes[at] for at in chosen], _of(own, chosen), _under(where, name))[0] if chosen else []
        )
        span = step.output_indices_.get(name)
        if span is not None and span.stop - span.start != len(after):
            raise NotCompilable(
                f"{_under(where, name)}: it gives {span.stop - span.start} outputs where {len(after)} were expected."
            )
        found += after
    return found


def _of(names: list[str] | None, chosen: list[int]) -> list[str] | None:
    return None if names is None else [names[at] for at in chosen]


def _chosen(columns: Any, lanes: Sequence[AnyLane], names: list[str] | None, where: str) -> list[int]:
    """Positions of the columns that a ColumnTransformer hands to one of its parts."""
    if isinstance(columns, str | int | np.integer):
        columns = [columns]
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            first = 0 if columns.start is None else _place(columns.start, names, where)
            last = len(lanes) - 1 if columns.stop is None else _place(columns.stop, names, where)
            return list(range(first, last + 1))
        return list(range(*columns.indices(len(lanes))))
    listed = list(columns)
    if listed and all(isinstance(entry, bool | np.bool_) for entry in listed):
        return [at for at, taken in enumerate(listed) if taken]
    return [
        _place(entry, names, where) if isinstance(entry, str) else range(len(lanes))[int(entry)] for entry in listed
    ]


def _place(name: str, names: list[str] | None, where: str) -> int:
    if names is None or name not in names:
        raise NotCompilable(f"{where}: column {name!r} is not among those that reach this step.")
    return names.index(name)
