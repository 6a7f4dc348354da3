"""NannyML's CBPE and DLE on windows that were written for it: estimates as JSON, run in its own environment.

usage: python nannyml_estimates.py FOLDER ROWS, with reference.parquet and analysis.parquet of a task each.
"""

import json
import sys
from pathlib import Path

import nannyml as nml
import pandas as pd


def read(path: Path) -> pd.DataFrame:
    """It cannot fit on texts that Arrow holds, so categories go in as numbers."""
    frame = pd.read_parquet(path)
    return frame.assign(c=frame["c"].map({"u": 0, "v": 1, "w": 2}).astype(int))


def cbpe(folder: Path, rows: int) -> dict[str, list[float]]:
    estimator = nml.CBPE(
        y_pred_proba="p", y_pred="said", y_true="y", metrics=["roc_auc", "accuracy", "f1"], chunk_size=rows,
        problem_type="classification_binary",
    )  # fmt: skip
    estimator.fit(read(folder / "classes_reference.parquet"))
    table = estimator.estimate(read(folder / "classes_analysis.parquet")).to_df()
    return {m: table[(m, "value")].tolist() for m in ("roc_auc", "accuracy", "f1")} | {
        "period": table[("chunk", "period")].tolist()
    }


def dle(folder: Path, rows: int) -> dict[str, list[float]]:
    estimator = nml.DLE(
        feature_column_names=["a", "b", "c"], y_pred="said", y_true="y", metrics=["mae", "rmse"], chunk_size=rows,
    )  # fmt: skip
    estimator.fit(read(folder / "numbers_reference.parquet"))
    table = estimator.estimate(read(folder / "numbers_analysis.parquet")).to_df()
    return {m: table[(m, "value")].tolist() for m in ("mae", "rmse")} | {"period": table[("chunk", "period")].tolist()}


if __name__ == "__main__":
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps({"cbpe": cbpe(folder, rows), "dle": dle(folder, rows)}))
