"""Fairlead's drift report: the program as it is, of two files; or of every window of the bike table.

    python drift_fairlead.py FOLDER files|NAME|windows

files: `fairlead drift` of after.parquet with its page and its JSON; NAME: of NAME.parquet. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cost import cost


def files(folder: Path, now: str) -> dict[str, Any]:
    """The verb, in this process."""
    import contextlib
    import io

    from fairlead.doors.cli.main import main as fairlead

    said = io.StringIO()
    sys.argv = [
        "fairlead", "drift", str(folder / f"{now}.parquet"), "--against", str(folder / "before.parquet"), "--html",
        str(folder / "report.html"), "--json",
    ]  # fmt: skip
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        fairlead()
    answer = json.loads(said.getvalue())
    return {"rows": answer["rows"] + answer["reference_rows"], "compared": len(answer["columns"])}


def windows(folder: Path) -> dict[str, Any]:
    """Which windows are said to have moved, and whether humidity is among what is named."""
    import pyarrow.parquet as parquet

    from fairlead.lab.tables import open_table
    from fairlead.ops.flow.drifting import against_table

    found: dict[str, Any] = {}
    for name in ("weeks", "shuffled"):
        reference = open_table(folder / f"{name}-reference.parquet")
        frame = parquet.read_table(folder / f"{name}-windows.parquet").to_pandas()
        for kind, rows in frame.groupby("kind"):
            told, whole = [], []
            for _, window in rows.groupby("week"):
                report = against_table(open_table(window.drop(columns=["kind", "week"])), reference, None)
                told.append([m.name for m in report.columns if m.moved])
                # What the others do not look at counts, too, in figures of its own.
                pairs = [f"{p.one} and {p.two}" for p in report.pairs if p.moved]
                together = report.together is not None and report.together.moved
                whole.append([*told[-1], *pairs, *["all columns together"] * together])
            found[f"{name}_{kind}"], found[f"{name}_{kind}_whole"] = told, whole
    return {"windows": found}


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    found = windows(folder) if what == "windows" else files(folder, "after" if what == "files" else what)
    print(json.dumps({**cost(), **found}))


if __name__ == "__main__":
    main()
