"""Small fitted pipelines, compiled in memory, as what explainers are given."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairlead.contract.evidence import Lineage
from fairlead.lab.compile import compile_pipeline, signature_for_estimator
from fairlead.lab.compile.foreign import columns_like
from fairlead.runtime.bundle.golden import row_of
from fairlead.runtime.bundle.manifest import BACKGROUND, manifest_of
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.explain import Explainable

NUMBERS, TEXTS = ("n0", "n1", "n2"), ("t0", "t1")
LINEAGE = Lineage(data="0" * 64, rows=3, learner="x", parameters={}, seed=0, config="c")


def frame(rows: int = 150, seed: int = 0, gaps: float = 0.1) -> pd.DataFrame:
    """Three numeric columns with gaps and two of categories."""
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {
        name: np.where(random.random(rows) < gaps, np.nan, random.normal(at, 1 + at, rows))
        for at, name in enumerate(NUMBERS)
    }
    for at, name in enumerate(TEXTS):
        found[name] = random.choice([f"w{i}" for i in range(3 + at)], rows)
    return pd.DataFrame(found)


def truth(rows: pd.DataFrame, kind: str) -> np.ndarray:
    random = np.random.default_rng(1)
    score = rows["n0"].fillna(0) * rows["n1"].fillna(1) + (rows["t0"] == "w1") * 3 + rows["n2"].fillna(0) * 0.3
    score = score + random.normal(0, 0.5, len(rows))
    if kind == "binary":
        return np.where(score > score.median(), "yes", "no")
    if kind == "multiclass":
        return np.asarray(pd.qcut(score, 3, labels=["a", "b", "c"])).astype(str)
    return (score - score.min() + 0.1).to_numpy()


def prepared(estimator: Any, *, texts: bool = True, numbers: tuple[str, ...] = NUMBERS) -> Any:
    """Imputation, scaling and one-hot in front of an estimator."""
    parts: list[Any] = [("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(numbers))]
    if texts:
        parts.append(("t", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(TEXTS)))
    return make_pipeline(ColumnTransformer(parts), estimator)


def explainable(
    pipeline: Any, rows: pd.DataFrame, background: pd.DataFrame, positive: str | None = None
) -> Explainable:
    """A fitted pipeline, compiled, with background rows of one's own."""
    signature = signature_for_estimator(pipeline, rows, target="y")
    if positive is not None:
        signature = msgspec.structs.replace(signature, positive=positive)
    compiled = compile_pipeline(pipeline, signature, rows)
    manifest = manifest_of("m", {}, LINEAGE, "", "")
    model = Model("", manifest, signature, compiled.front, compiled.running())
    columns = columns_like(background, signature)
    cells = zip(*(np.asarray(columns[name]).tolist() for name in signature.names), strict=True)
    lines = [msgspec.json.encode(row_of([None if c != c else c for c in row], signature)) for row in cells]
    return Explainable(model, {compiled.file: compiled.tail, BACKGROUND: b"\n".join(lines)})


def by_definition(explained: Explainable, row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """Shapley values (columns, k) by all coalitions of cells, through the whole model: preparation and all."""
    model, margin = explained.model, explained.subject.margin
    names = model.signature.names

    def worth(coalition: frozenset[str]) -> np.ndarray:
        mixed = background[list(names)].copy()
        for name in coalition:
            mixed[name] = [row.iloc[0][name]] * len(mixed)
        return margin(model.front.encode(columns_like(mixed, model.signature))).mean(axis=0)

    count = len(names)
    worths = {frozenset(c): worth(frozenset(c)) for size in range(count + 1) for c in combinations(names, size)}
    found = np.zeros((count, len(margin.outputs)))
    for at, name in enumerate(names):
        for coalition, value in worths.items():
            if name in coalition:
                continue
            weight = factorial(len(coalition)) * factorial(count - len(coalition) - 1) / factorial(count)
            found[at] += weight * (worths[coalition | {name}] - value)
    return found
