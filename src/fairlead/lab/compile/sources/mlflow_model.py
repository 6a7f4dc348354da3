"""Models of MLflow: a folder with an MLmodel file, or a URI that leads to one."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import MissingExtra, RemoteError, SourceUnreadable
from fairlead.contract.plugins import variant
from fairlead.lab.compile.candidate import Artefact
from fairlead.lab.compile.encoders import text_of
from fairlead.lab.compile.sources.labels import Labelling
from fairlead.lab.compile.sources.opening import MOST_BYTES, URIS, Hints, Opened, needs_trust
from fairlead.lab.compile.sources.pickled import open_pickle

if TYPE_CHECKING:
    import pandas as pd

AS_FILES = {"onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm"}
"""Flavours whose data file is one that another source reads."""
MOST_FILES = 10_000
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


class MlflowModel:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return where.startswith(URIS) or (Path(where) / "MLmodel").is_file()

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. Flavours that are files of data are read as such; pickles and pyfuncs need trust."""
        if where.startswith(URIS):
            scratch = tempfile.TemporaryDirectory(prefix="fairlead-mlflow-")
            # A pyfunc may read its files when it is asked, so they stay until this process ends.
            _KEPT.append(scratch)
            return self._folder(Path(_downloaded(where, scratch.name, hints.registry)), sample, hints)
        return self._folder(Path(where), sample, hints)

    def _folder(self, folder: Path, sample: pd.DataFrame, hints: Hints) -> Opened:
        flavours = _flavours(folder)
        for flavour, source in AS_FILES.items():
            file = folder / str(flavours.get(flavour, {}).get("data", ""))
            reader = variant("source", source)()
            if flavour in flavours and file.is_file() and reader.takes(str(file)):
                opened: Opened = reader.open(str(file), sample, hints)
                return Opened(opened.estimator, f"MLflow's {flavour} flavour: {opened.said}", opened.artefact)
        if "sklearn" in flavours:
            told = flavours["sklearn"]
            return _estimator(folder, "sklearn", str(told.get("pickled_model", "model.pkl")), told, sample, hints)
        for flavour in ("lightgbm", "xgboost"):
            # What follows scikit-learn's ways is written as scikit-learn's own models are, not as the library's file.
            data = str(flavours.get(flavour, {}).get("data", ""))
            if data.endswith((".pkl", ".skops")) and (folder / data).is_file():
                return _estimator(folder, flavour, data, flavours[flavour], sample, hints)
        if "python_function" not in flavours:
            raise SourceUnreadable(f"the MLflow model has no flavour that is known: {', '.join(flavours)}")
        return _pyfunc(folder, sample, hints)


def _flavours(folder: Path) -> dict[str, dict[str, Any]]:
    import yaml

    text = (folder / "MLmodel").read_text(encoding="utf-8")
    if len(text) > 1 << 20:
        raise SourceUnreadable("the MLmodel file is larger than 1 MiB")
    found = yaml.safe_load(text)
    flavours = found.get("flavors") if isinstance(found, dict) else None
    if not isinstance(flavours, dict):
        raise SourceUnreadable("the MLmodel file names no flavours")
    return {str(name): told if isinstance(told, dict) else {} for name, told in flavours.items()}


def _downloaded(uri: str, folder: str, registry: str) -> str:
    try:
        import mlflow
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError as missing:
        raise MissingExtra("mlflow-skinny", "studio") from missing
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    try:
        if registry:
            # The registry that a name is looked up in is global in MLflow, whatever its functions are told.
            mlflow.set_tracking_uri(registry)
            mlflow.set_registry_uri(registry)
        return str(download_artifacts(artifact_uri=uri, dst_path=folder))
    except MlflowException as failed:
        raise _not_fetched(uri, failed) from failed
    finally:
        if registry:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])


def _not_fetched(uri: str, failed: Any) -> SourceUnreadable | RemoteError:
    """MLflow's error in our words, without its address."""
    from mlflow.exceptions import RestException

    code = str(getattr(failed, "error_code", ""))
    if code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
        return SourceUnreadable(f"{uri}: MLflow knows no such model, version, alias or run.")
    if not isinstance(failed, RestException):
        return RemoteError(f"{uri}: the MLflow server does not answer. Try again when it does.")
    return RemoteError(f"{uri}: MLflow did not hand it over ({code}).")


def _estimator(
    folder: Path, flavour: str, data: str, told: dict[str, Any], sample: pd.DataFrame, hints: Hints
) -> Opened:
    """An estimator that stands in the file `data`, as its flavour says that it was written."""
    written = str(told.get("serialization_format", "skops" if data.endswith(".skops") else "cloudpickle"))
    file = folder / data
    opened: Opened
    if written == "skops":
        opened = variant("source", "skops")().open(str(file), sample, hints)
        return Opened(opened.estimator, f"MLflow's {flavour} flavour: {opened.said}", opened.artefact)
    if not hints.trust:
        raise needs_trust(f"an MLflow model that was written by {written}")
    opened = open_pickle(str(file), sample, hints)
    return Opened(opened.estimator, f"MLflow's {flavour} flavour: {opened.said}", opened.artefact)


def _pyfunc(folder: Path, sample: pd.DataFrame, hints: Hints) -> Opened:
    if not hints.trust:
        raise needs_trust("an MLflow pyfunc")
    try:
        import mlflow.pyfunc
    except ModuleNotFoundError as missing:
        raise MissingExtra("mlflow-skinny", "studio") from missing
    model = mlflow.pyfunc.load_model(str(folder))
    schema = model.metadata.get_input_schema()
    names = [] if schema is None else [str(name) for name in schema.input_names() if name is not None]
    if absent := [name for name in names if name not in sample.columns]:
        raise SourceUnreadable(f"the sample lacks columns that the model takes: {', '.join(absent)}")
    asked = Pyfunc(model, names or [str(name) for name in sample.columns])
    artefact = Artefact("mlflow", packed(folder))
    return Opened(_judged(asked, sample, hints), "loaded MLflow's pyfunc, which ran its code", artefact)


class Pyfunc:
    """A pyfunc as an estimator that gives numbers."""

    native_method = "number"

    def __init__(self, model: Any, names: list[str]) -> None:
        self.model = model
        self.feature_names_in_ = np.array(names, dtype=object)

    def predict(self, frame: Any) -> Any:
        """What it answers: shape (n,), or (n, k) where it gives several."""
        said = self.model.predict(frame[list(self.feature_names_in_)])
        table = said.to_numpy() if hasattr(said, "to_numpy") else np.asarray(said)
        return table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table


class PyfuncClasses(Pyfunc):
    """A pyfunc that gives probabilities."""

    def __init__(self, model: Any, names: list[str], classes: tuple[Any, ...]) -> None:
        super().__init__(model, names)
        self.classes_ = np.array(classes, dtype=object)

    def predict_proba(self, frame: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return np.asarray(self.predict(frame), dtype=np.float64)


def _judged(asked: Pyfunc, sample: pd.DataFrame, hints: Hints) -> Any:
    """What kind of answers it gives: probabilities, labels, or a number."""
    said = asked.predict(sample)
    if said.ndim == 2:
        classes = tuple(sorted(hints.labels, key=text_of))
        whole = classes if len(classes) == said.shape[1] else tuple(range(said.shape[1]))
        return PyfuncClasses(asked.model, asked.feature_names_in_.tolist(), whole)
    words = said.dtype.kind in "OUSTb"
    if hints.task == "regression" or not (words or hints.task == "classification"):
        return asked
    seen = {text_of(v): v for v in [*said.tolist(), *hints.labels]}
    return Labelling(asked, [seen[name] for name in sorted(seen)])


def packed(folder: Path) -> bytes:
    """The folder as a tar, the same bytes for the same files. Raises SourceUnreadable."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if len(files) > MOST_FILES or sum(path.stat().st_size for path in files) > MOST_BYTES:
        raise SourceUnreadable(f"the MLflow model has more than {MOST_FILES} files or {MOST_BYTES} bytes")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            entry = tarfile.TarInfo(f"model/{path.relative_to(folder).as_posix()}")
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)
    return data.getvalue()
