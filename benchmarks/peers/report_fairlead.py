"""Fairlead over the table: `fairlead quality` of one or of one against another, or a profile and the tests of drift.

    python report_fairlead.py FOLDER quality|against|profile

quality and against: the program as it is, with its page and its JSON. profile: of every column, as a model's reference
is made. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cost import cost


def quality(folder: Path, *more: str) -> None:
    """The verb, in this process."""
    import contextlib
    import io

    from fairlead.doors.cli.main import main as fairlead

    said = io.StringIO()
    sys.argv = ["fairlead", "quality", *more, "--html", str(folder / "report.html"), "--json"]
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        fairlead()
    (folder / "report.json").write_text(said.getvalue())
    if '"issues"' not in said.getvalue() and '"columns"' not in said.getvalue():
        raise SystemExit(f"no report: {said.getvalue()[:500]}")


def signature() -> Any:
    """What the columns are, as a project would have pinned it."""
    from fairlead.contract.signature import Column, Signature

    numbers = [Column(f"number_{i}", "number") for i in range(7)]
    integers = [Column(f"integer_{i}", "integer") for i in range(2)]
    words = [Column(f"category_{i}", "category") for i in range(4)]
    return Signature("regression", (*numbers, *integers, *words, Column("at", "time"), Column("since", "time")))


def profiled(path: Path) -> Any:
    """A profile of a file, batch by batch."""
    from fairlead.lab.stats import bins_for, profile_batches
    from fairlead.lab.tables import columns_of, open_table

    kinds, table = signature(), open_table(path)
    bins = bins_for(columns_of(next(iter(table.batches(50_000))), kinds, text="arrow"), kinds)
    batches = (columns_of(batch, kinds, text="arrow") for batch in table.batches(131_072))
    return profile_batches(batches, bins)


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    if what == "quality":
        quality(folder, str(folder / "whole.parquet"))
    elif what == "against":
        quality(folder, str(folder / "before.parquet"), "--against", str(folder / "after.parquet"))
    else:
        profiled(folder / "whole.parquet")
    print(json.dumps(cost()))


if __name__ == "__main__":
    main()
