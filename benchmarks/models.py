"""The table, the six models and the rows of the serving benchmarks: 15 mixed columns of the churn table.

Each model is a scikit-learn pipeline of imputation, scaling and one-hot encoding in front of an estimator, fitted
here and sealed as a bundle, so that peers serve the very same fitted pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TABLE = Path(__file__).parent.parent.parent / "shared" / "data" / "telco-churn.csv"
NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges")
CATEGORIES = (
    "gender", "Partner", "Dependents", "PhoneService", "MultipleLines", "InternetService", "OnlineSecurity",
    "TechSupport", "StreamingTV", "Contract", "PaperlessBilling", "PaymentMethod",
)  # fmt: skip
COLUMNS = (*NUMBERS, *CATEGORIES)
TARGET = "Churn"
CONFIG = f"""
[model]
name = "churn"
task = "classification"
target = "{TARGET}"
positive = "1"
[monitor]
window = "500rows"
"""


def frame() -> pd.DataFrame:
    """The table: 15 columns and the target; blanks are missing."""
    table = pd.read_csv(TABLE)
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    for name in CATEGORIES:
        table[name] = table[name].astype(object)
    # XGBoost wants numbers for classes.
    table[TARGET] = (table[TARGET] == "Churned").astype(int)
    return table[[*COLUMNS, TARGET]]


def _xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1, random_state=0)


def _lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=100, n_jobs=1, random_state=0, verbose=-1)


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(max_iter=1000),
    "boosted": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "forest": lambda: RandomForestClassifier(n_estimators=200, random_state=0, n_jobs=1),
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "network": lambda: MLPClassifier((32, 16), max_iter=60, random_state=0),
}


def fitted(name: str) -> Pipeline:
    """A pipeline fitted on the whole table."""
    front = ColumnTransformer(
        [
            ("numbers", Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]), NUMBERS),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORIES)),
        ]
    )
    table = frame()
    return Pipeline([("front", front), ("model", ESTIMATORS[name]())]).fit(table[list(COLUMNS)], table[TARGET])


def rows(count: int = 200) -> list[dict[str, Any]]:
    """Rows as clients send them."""
    table = frame()[list(COLUMNS)].head(count)
    return [{name: _plain(cell) for name, cell in row.items()} for row in table.to_dict("records")]


def _plain(cell: Any) -> Any:
    if isinstance(cell, float) and np.isnan(cell):
        return None
    return cell.item() if isinstance(cell, np.generic) else cell


def v2(row: dict[str, Any]) -> bytes:
    """One row as the Open Inference Protocol's JSON."""
    inputs = [
        {"name": name, "shape": [1], "datatype": "FP64" if name in NUMBERS else "BYTES", "data": [cell]}
        for name, cell in row.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def seal(name: str, folder: Path) -> Path:
    """A project in `folder` with the sealed bundle of a model. Returns the bundle's folder."""
    import fairlead

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fairlead.toml").write_text(CONFIG)
    made = fairlead.open(folder).bundle(fitted(name), frame())
    return Path(made["path"])
