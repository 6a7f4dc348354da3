"""Evidently's drift preset over every window of the bike table.

    python drift_evidently.py FOLDER windows

Prints one JSON object. (Of two files: report_evidently.py FOLDER drift.)
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import evidently
import pandas as pd
from cost import cost
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

NUMBERS = ["temp", "atemp", "hum", "windspeed"]


def dataset(rows: pd.DataFrame) -> Dataset:
    words = [c for c in rows if c not in NUMBERS and c not in ("at", "kind", "week")]
    kept = rows[[*NUMBERS, *words]]
    return Dataset.from_pandas(kept, DataDefinition(numerical_columns=NUMBERS, categorical_columns=words))


def moved(report: Any) -> list[str]:
    """Columns whose test fails, by the preset's own thresholds."""
    named = []
    for metric in report.dict()["metrics"]:
        config = metric.get("config", {})
        if "column" in config and "threshold" in config:
            value = float(metric["value"])
            method = str(config.get("method", ""))
            beyond = value < config["threshold"] if "p_value" in method else value >= config["threshold"]
            named += [config["column"]] if beyond else []
    return named


def main() -> None:
    folder = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for name in ("weeks", "shuffled"):
        reference = dataset(pd.read_parquet(folder / f"{name}-reference.parquet"))
        frame = pd.read_parquet(folder / f"{name}-windows.parquet")
        for kind, rows in frame.groupby("kind"):
            found[f"{name}_{kind}"] = [
                moved(Report([DataDriftPreset()]).run(dataset(window), reference)) for _, window in rows.groupby("week")
            ]
    print(json.dumps({"version": evidently.__version__, "windows": found} | cost()))


if __name__ == "__main__":
    main()
