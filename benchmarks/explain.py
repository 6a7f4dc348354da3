"""How long explanations of 1,000 rows take, beside shap's exact explainers over the same model and background.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/explain.py [--rows 1000] [--repeats 5]

Prints one JSON object a model: CPU seconds, ours and shap's, measured by turns in one process; `ratio` is the median of
shap's / ours, with its spread. Ours starts from the columns of the table, preparation included, and gives a figure a
source column; shap starts from prepared features and gives one a feature, which do not add up to a source column's
where its features interact. Where shap takes minutes it is measured on its first `shap_rows` rows and scaled: it goes
row by row. Scenario ids are permanent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import shap
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairlead.contract.evidence import Lineage
from fairlead.lab.compile import compile_pipeline, signature_for_estimator
from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.compile.synthetic import background
from fairlead.lab.stats import bins_for, profile
from fairlead.runtime.bundle.manifest import BACKGROUND, manifest_of
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.explain import Explainable

TABLE = Path(__file__).parent.parent.parent / "shared" / "data" / "telco-churn.csv"
MODELS: dict[str, Any] = {
    "logistic": LogisticRegression(max_iter=1000),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "forest-200": RandomForestClassifier(200, max_depth=12, min_samples_leaf=5, n_jobs=1, random_state=0),
}

SHAP_ROWS = {"forest-200": 20}


def prepared(estimator: Any, rows: pd.DataFrame) -> Pipeline:
    numbers = [name for name in rows if pd.api.types.is_numeric_dtype(rows[name])]
    texts = [name for name in rows if name not in numbers]
    cells = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("t", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ]
    )
    return make_pipeline(cells, estimator)


def explainable(pipeline: Pipeline, rows: pd.DataFrame) -> tuple[Explainable, pd.DataFrame]:
    """The compiled model, and its background rows as a table."""
    signature = signature_for_estimator(pipeline, rows, target="Churn")
    compiled = compile_pipeline(pipeline, signature, rows)
    lineage = Lineage("0" * 64, len(rows), "x", {}, 0, "c")
    model = Model("", manifest_of("m", {}, lineage, "", ""), signature, compiled.front, compiled.running())
    columns = columns_like(rows, signature)
    seen = profile(columns, bins_for(columns, signature))
    behind = background(signature, seen)
    shown = pd.DataFrame([msgspec.json.decode(line) for line in behind.splitlines()])[list(rows)]
    return Explainable(model, {compiled.file: compiled.tail, BACKGROUND: behind}), shown


def theirs(pipeline: Pipeline, behind: np.ndarray) -> Any:
    estimator = pipeline[-1]
    if isinstance(estimator, LogisticRegression):
        return shap.LinearExplainer(estimator, shap.maskers.Independent(behind, max_samples=100))
    return shap.TreeExplainer(estimator, behind, feature_perturbation="interventional", model_output="raw")


def by_turns(repeats: int, *jobs: Any) -> list[list[float]]:
    seconds: list[list[float]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, own in zip(jobs, seconds, strict=True):
            started = time.process_time()
            job()
            own.append(time.process_time() - started)
    return seconds


def measured(
    name: str, estimator: Any, table: pd.DataFrame, truth: pd.Series, rows: int, repeats: int
) -> dict[str, Any]:
    pipeline = prepared(estimator, table).fit(table, truth)
    (ours, behind), some = explainable(pipeline, table), table.iloc[:rows]
    columns = columns_like(some, ours.model.signature)
    count = min(rows, SHAP_ROWS.get(name, rows))
    features = np.asarray(pipeline[:-1].transform(some.iloc[:count]), dtype=np.float64)
    explainer = theirs(pipeline, np.asarray(pipeline[:-1].transform(behind), dtype=np.float64))
    found = ours.explain_columns(columns)
    own, other = by_turns(repeats, lambda: ours.explain_columns(columns), lambda: _values(explainer, features))
    scaled = [seconds * rows / count for seconds in other]
    ratios = [b / a for a, b in zip(own, scaled, strict=True)]
    return {
        "scenario": f"explain-{name}",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "cpu_seconds": round(statistics.median(own), 4),
        "shap_cpu_seconds": round(statistics.median(scaled), 4),
        "shap_rows": count,
        "method": found.method,
        "residual": float(f"{found.residual:.1g}"),
        "rows": rows,
        "background": found.background,
        "repeats": repeats,
    }


def _values(explainer: Any, features: np.ndarray) -> Any:
    if isinstance(explainer, shap.TreeExplainer):
        return explainer.shap_values(features, check_additivity=False)
    return explainer.shap_values(features)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1000)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    table = pd.read_csv(TABLE)
    table["TotalCharges"] = pd.to_numeric(table["TotalCharges"], errors="coerce")
    truth = table["Churn"]
    table = table.drop(columns=[c for c in ("Churn", "customerID") if c in table])
    for name, estimator in MODELS.items():
        print(json.dumps(measured(name, estimator, table, truth, given.rows, given.repeats)), flush=True)


if __name__ == "__main__":
    main()
