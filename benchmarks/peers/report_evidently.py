"""Evidently over the table: its summary of one, or its drift report of two.

    python report_evidently.py FOLDER summary|drift

Writes report.html and report.json, prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import evidently
import pandas as pd
from cost import cost
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset, DataSummaryPreset


def dataset(path: Path) -> Dataset:
    """A table with what its columns are, which Evidently would otherwise guess."""
    frame = pd.read_parquet(path)
    named = {"numerical_columns": ("number", "integer"), "categorical_columns": ("category",)}
    kinds = {key: [c for c in frame if c.startswith(starts)] for key, starts in named.items()}
    return Dataset.from_pandas(frame, DataDefinition(**kinds, datetime_columns=["at", "since"]))


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    warnings.simplefilter("ignore")
    if what == "summary":
        found = Report([DataSummaryPreset()]).run(dataset(folder / "whole.parquet"), None)
    else:
        current, reference = dataset(folder / "after.parquet"), dataset(folder / "before.parquet")
        found = Report([DataDriftPreset()]).run(current, reference)
    found.save_html(str(folder / "report.html"))
    (folder / "report.json").write_text(found.json())
    print(json.dumps({"version": evidently.__version__} | cost()))


if __name__ == "__main__":
    main()
