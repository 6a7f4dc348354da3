"""NannyML's univariate drift: of two files, or of every window of the bike table.

    python drift_nannyml.py FOLDER files|windows

Jensen-Shannon distances, with its own thresholds from ten chunks of the reference (files) or from its weeks (windows).
files writes report.html. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from cost import cost

warnings.simplefilter("ignore")
import nannyml  # noqa: E402  (it warns when it is imported)

NUMBERS = ["temp", "atemp", "hum", "windspeed"]
WORDS = ["season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit"]
WEEK = 168


def files(folder: Path) -> dict[str, Any]:
    """One report of after.parquet beside before.parquet."""
    before, after = (pd.read_parquet(folder / f"{name}.parquet") for name in ("before", "after"))
    numbers = [c for c in before if c.startswith(("number", "integer"))]
    words = [c for c in before if c.startswith("category")]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*numbers, *words], treat_as_categorical=words, continuous_methods=["jensen_shannon"],
        categorical_methods=["jensen_shannon"], chunk_number=10,
    )  # fmt: skip
    found = calculator.fit(before).calculate(after)
    found.plot(kind="drift").write_html(str(folder / "report.html"))
    return {"rows": len(before) + len(after), "compared": len(numbers) + len(words)}


def windows(folder: Path) -> dict[str, Any]:
    """Columns that alert in each window."""
    found: dict[str, Any] = {}
    for name in ("weeks", "shuffled"):
        reference = pd.read_parquet(folder / f"{name}-reference.parquet")
        frame = pd.read_parquet(folder / f"{name}-windows.parquet")
        for kind, rows in frame.groupby("kind"):
            calculator = nannyml.UnivariateDriftCalculator(
                column_names=[*NUMBERS, *WORDS], treat_as_categorical=WORDS, continuous_methods=["jensen_shannon"],
                categorical_methods=["jensen_shannon"], chunk_size=WEEK,
            )  # fmt: skip
            calculator.fit(reference)
            table = (
                calculator.calculate(rows.sort_values("at").reset_index(drop=True)).filter(period="analysis").to_df()
            )
            told = []
            for _, line in table.iterrows():
                told.append([c for c in (*NUMBERS, *WORDS) if bool(line[(c, "jensen_shannon", "alert")])])
            found[f"{name}_{kind}"] = told
    return {"windows": found}


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    found = windows(folder) if what == "windows" else files(folder)
    print(json.dumps({"version": nannyml.__version__, **found} | cost()))


if __name__ == "__main__":
    main()
