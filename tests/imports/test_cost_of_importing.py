"""What importing costs: proven by what a fresh interpreter has loaded."""

from __future__ import annotations

import subprocess
import sys

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
