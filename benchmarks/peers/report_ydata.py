"""ydata-profiling over the table: minimal=True, or as it is by default.

    python report_ydata.py FOLDER minimal|default

Writes report.html, prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from cost import cost

warnings.simplefilter("ignore")
import ydata_profiling  # noqa: E402  (it warns when it is imported)


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    frame = pd.read_parquet(folder / "whole.parquet")
    report = ydata_profiling.ProfileReport(frame, minimal=what == "minimal", progress_bar=False)
    report.to_file(folder / "report.html")
    print(json.dumps({"version": ydata_profiling.__version__} | cost()))


if __name__ == "__main__":
    main()
