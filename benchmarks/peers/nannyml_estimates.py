"""NannyML's CBPE and DLE on windows that were written for it: estimates as JSON, run in its own environment.

usage: python nannyml_estimates.py FOLDER ROWS, with reference.parquet and analysis.parquet of a task each.
"""

import json
import sys
from pathlib import Path

import nannyml as nml
import pandas as pd


def cbpe(folder: Path, rows: int) -> dict[str, list[float]]:
    estimator = nml.CBPE(
        y_pred_proba="p", y_pred="said", y_true="y", metrics=["roc_auc", "accuracy", "f1"], chunk_size=rows,
        problem_type="classification_binary",
    )  # fmt: skip
    estimator.fit(pd.read_parquet(folder / "classes_reference.parquet"))
    table = estimator.estimate(pd.read_parquet(folder / "classes_analysis.parquet")).to_df()
    return {m: table[(m, "value")].tolist() for m in ("roc_auc", "accuracy", "f1")} | {
        "period": table[("chunk", "period")].tolist()
    }


def dle(folder: Path, rows: int) -> dict[str, list[float]]:
    estimator = nml.DLE(
        feature_column_names=["a", "b", "c"], y_pred="said", y_true="y", metrics=["mae", "rmse"], chunk_size=rows,
    )  # fmt: skip
    estimator.fit(pd.read_parquet(folder / "numbers_reference.parquet"))
    table = estimator.estimate(pd.read_parquet(folder / "numbers_analysis.parquet")).to_df()
    return {m: table[(m, "value")].tolist() for m in ("mae", "rmse")} | {"period": table[("chunk", "period")].tolist()}


if __name__ == "__main__":
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps({"cbpe": cbpe(folder, rows), "dle": dle(folder, rows)}))
