"""Absence, proven in a fresh interpreter: what answers loads none of the heavy libraries."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("mlflow", "sklearn", "pandas", "scipy", "torch", "sqlalchemy", "pyspark", "pyarrow", "matplotlib", "optuna")
LATER = ("grpc", "google")  # only in a worker that was asked for gRPC

SERVING = """
import fairlead.runtime.serve
from fairlead.runtime.serve import DataPlane, ServeOptions, assign, confirm, live_workers, publish, read, serve
import fairlead.runtime.serve.worker, fairlead.runtime.serve.transports.granian, fairlead.runtime.bundle.run
import fairlead.runtime.wire.native, fairlead.runtime.wire.v2, fairlead.runtime.wire.v2_grpc
import fairlead.runtime.serve.grpc_door.port
import fairlead.runtime.bundle.native_model, fairlead.runtime.native.process
"""
CAPTURING = """
import fairlead.runtime.capture
from fairlead.runtime.capture import Spool, Records, collect, redact, reconcile, expire
reconcile("/nonexistent")
"""


@pytest.mark.parametrize("program", [SERVING, CAPTURING], ids=["serving", "capturing"])
def test_a_fresh_interpreter_loads_nothing_heavy(program: str) -> None:
    told = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program + told], capture_output=True, text=True, timeout=300, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "fairlead" in loaded
    assert not loaded & {*HEAVY, *LATER}
