"""The MLmodel file around a bundle: what lets MLflow's tools load it. It is no part of the bundle."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

LOADER = "fairlead.ops.registry.pyfunc"
SIGNER = "signer.pub"


def write_mlmodel(folder: Path, signer: str, run: str) -> None:
    """Write `MLmodel`, `signer.pub` and the environment into `folder`, which holds the bundle as `bundle/`."""
    (folder / SIGNER).write_text(signer + "\n")
    needs = ["mlflow-skinny", "pandas", "fairlead"]
    pinned = "".join(f"{name}=={version(name)}\n" for name in needs)
    (folder / "requirements.txt").write_text(pinned)
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: []\ndependencies:\n- -r requirements.txt\n"
    )
    (folder / "MLmodel").write_text(
        f"artifact_path: model\n"
        f"flavors:\n"
        f"  python_function:\n"
        f"    data: bundle\n"
        f"    env:\n"
        f"      virtualenv: python_env.yaml\n"
        f"    loader_module: {LOADER}\n"
        f"    python_version: {platform.python_version()}\n"
        f"mlflow_version: {version('mlflow-skinny')}\n"
        f"run_id: {run}\n"
    )
