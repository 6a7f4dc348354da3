"""What importing costs: proven by what a fresh interpreter has loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

HEAVY = ("mlflow", "sklearn", "pandas", "scipy", "torch", "sqlalchemy", "pyspark", "pyarrow", "onnxruntime", "numpy")


def loaded(statement: str) -> set[str]:
    """Top-level modules after a statement in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_fairlead_loads_nothing_heavy() -> None:
    assert not loaded("import fairlead") & {*HEAVY, "typer", "rich", "msgspec"}


def test_help_loads_nothing_heavy() -> None:
    assert not loaded("import fairlead.doors.cli.main") & set(HEAVY)


def test_a_drift_report_of_tables_does_without_pandas(tmp_path: Path) -> None:
    words = {"shop": ["north", "south", "", "12"] * 200, "kind": ["a", "b"] * 400}
    table = pa.table({**words, "x": [float(i % 17) for i in range(800)], "n": [i % 5 for i in range(800)]})
    parquet.write_table(table, tmp_path / "one.parquet")
    argv = ["fairlead", "drift", "one.parquet", "--against", "one.parquet", "--html", "page.html", "--json"]
    ran = f"sys.argv = {argv}\nfrom fairlead.doors.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    found = loaded(f"import os\nos.chdir({str(tmp_path)!r})\n{ran}")
    assert (tmp_path / "page.html").exists()
    assert not found & {"pandas", "sklearn", "mlflow"}
