"""Opening a native model's artefact, and asking it for scores. Runs in the model's own process alone."""

from __future__ import annotations

import io
import os
import pickle
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MOST_BYTES = 8 << 30
"""Of an MLflow folder, unpacked."""


def opened(form: Mapping[str, Any], artefact: bytes) -> Any:
    """The model in the artefact, whose seal and hash the parent has checked. Runs whatever code it holds."""
    loader = form["loader"]
    if loader == "joblib":
        import joblib

        return joblib.load(io.BytesIO(artefact))
    if loader == "skops":
        from skops import io as skops_io

        return skops_io.loads(artefact, trusted=list(form.get("trusted", ())))
    if loader == "mlflow":
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(_unpacked(artefact))
    # The parent has asked for native trust, and hands over nothing that was not sealed.
    return pickle.loads(artefact)  # noqa: S301


def _unpacked(artefact: bytes) -> str:
    # The parent owns the folder for temporary files that this process is given, and removes it.
    folder = tempfile.mkdtemp()
    with tarfile.open(fileobj=io.BytesIO(artefact)) as packed:
        if sum(member.size for member in packed.getmembers()) > MOST_BYTES:
            raise ValueError("the packed folder is too large")
        packed.extractall(folder, filter="data")
    return os.path.join(folder, "model")


def asker(model: Any, form: Mapping[str, Any]) -> Callable[[Any], Any]:
    """frame -> float64 scores, shape (n, outputs)."""
    method, outputs, named = form["method"], int(form["outputs"]), form.get("named", True)
    place = {name: at for at, name in enumerate(form.get("classes", ()))}
    ask = model.predict_proba if method == "proba" else model.predict

    def scores(frame: Any) -> Any:
        said = ask(frame if named else frame.to_numpy())
        if method == "labels":
            table = np.zeros((len(frame), outputs))
            table[np.arange(len(frame)), [place[text_of(v)] for v in np.ravel(said).tolist()]] = 1.0
            return table
        table = np.asarray(said, dtype=np.float64)
        if table.ndim == 1:
            table = table.reshape(-1, 1)
        if table.shape != (len(frame), outputs):
            raise ValueError("the model's answer has another shape than its signature states")
        return table

    return scores


def text_of(value: Any) -> str:
    """A class as text: "1" for 1 and 1.0, "true" for True."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def unfit(python: str, locked: Mapping[str, str]) -> list[str]:
    """What of the environment is not as it was sealed, one line each: name, what is here, what was locked."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    here = ".".join(map(str, sys.version_info[:2]))
    if python and python.split(".")[:2] != here.split("."):
        found.append(f"python {here}, sealed with {python}")
    for name, wanted in sorted(locked.items()):
        try:
            have = version(name)
        except PackageNotFoundError:
            have = "not installed"
        if have != wanted:
            found.append(f"{name} {have}, sealed with {wanted}")
    return found


def libraries(before: frozenset[str]) -> dict[str, str]:
    """{distribution: version} of all that was imported since `before`, module names."""
    from importlib.metadata import packages_distributions, version

    owners = packages_distributions()
    tops = {name.partition(".")[0] for name in sys.modules.keys() - before}
    return {owner: version(owner) for top in sorted(tops) for owner in owners.get(top, ())[:1]}
