"""Models that no allow-listed form reproduces, as they are: an artefact and how it is asked, for its own process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.candidate import Artefact, Candidate
from fairlead.lab.compile.encoders import text_of
from fairlead.runtime.bundle.calibration import Calibrating, Calibration
from fairlead.runtime.bundle.coded import Columns, cells_of
from fairlead.runtime.bundle.manifest import LIMITS, NATIVE_ARTEFACT, canonical
from fairlead.runtime.native import NativeForm, NativeProcess, NativeTerms
from fairlead.runtime.native.form import ColumnType, Method

if TYPE_CHECKING:
    import pandas as pd

CURE = (
    "Such a model can be sealed as it is and run in a process of its own, which runs its code: "
    '[model] trust = "native" in fairlead.toml allows that.'
)


@dataclass(frozen=True)
class NativeCompiled:
    """A model in a running process, with what its bundle will hold. tried: forms that did not take it, and why."""

    process: NativeProcess
    native: NativeForm
    artefact: Artefact
    libraries: dict[str, str]
    tried: tuple[tuple[str, str], ...]
    form: str = "native"
    tolerance: float = 1e-12
    file: str = NATIVE_ARTEFACT
    front: None = None
    tail: bytes = b""
    calibration: Calibration | None = None

    def answering(self) -> Callable[[Columns], np.ndarray]:
        """Rows in the columns form -> scores. Raises NativeFailed."""
        if self.calibration is None:
            return lambda rows: self.process.score(cells_of(rows), len(next(iter(rows.values()))))
        applied = Calibrating(self.calibration).applied
        return lambda rows: applied(self.process.score(cells_of(rows), len(next(iter(rows.values())))))

    def form_file(self) -> bytes:
        """Bytes of form.json."""
        return canonical(self.native)

    def close(self) -> None:
        """End the process."""
        self.process.close()


def as_native(candidate: Candidate, terms: NativeTerms, why: str) -> NativeCompiled:
    """The candidate's model, opened in a process of its own. why: the reason that it is not compiled.

    Raises NotCompilable if it cannot be written down or opened again, BundleRefused if the process cannot start.
    """
    estimator, signature = candidate.pipeline, candidate.signature
    artefact = candidate.artefact or pickled(estimator)
    if len(artefact.data) > LIMITS[NATIVE_ARTEFACT]:
        raise NotCompilable(f"the model has {len(artefact.data)} bytes, a bundle holds {LIMITS[NATIVE_ARTEFACT]}.")
    form = NativeForm(
        loader=artefact.loader,
        method=method_of(estimator, signature),
        outputs=len(signature.outputs),
        columns=types_of(signature, candidate.sample),
        classes=_classes(estimator),
        trusted=artefact.trusted,
        named=getattr(estimator, "feature_names_in_", None) is not None,
    )
    process = NativeProcess(form, artefact.data, msgspec.structs.replace(terms, patient=True), {})
    try:
        # What it imports to answer is what its environment must have; so it is asked first.
        process.score({name: array[:1] for name, array in candidate.columns.items()}, 1)
        python, libraries = process.libraries()
    except BaseException:
        process.close()
        raise
    form = msgspec.structs.replace(form, python=python)
    return NativeCompiled(process, form, artefact, libraries, (("compiled", why),))


def pickled(estimator: Any) -> Artefact:
    """An estimator in memory as bytes; classes that live in no module travel along where cloudpickle is there."""
    try:
        import cloudpickle as writer
    except ImportError:
        writer = pickle
    inner = getattr(estimator, "native_inner", estimator)
    try:
        return Artefact("pickle", writer.dumps(inner, protocol=5))
    except Exception as failed:
        # Whatever an object's own code does when it is written down.
        raise NotCompilable(
            f"{type(estimator).__name__} cannot be written down ({type(failed).__name__}), so it cannot run elsewhere."
        ) from failed


def method_of(estimator: Any, signature: Signature) -> Method:
    """How scores are asked of it."""
    stated: Method | None = getattr(estimator, "native_method", None)
    return stated or ("proba" if signature.task == "classification" else "number")


def types_of(signature: Signature, sample: pd.DataFrame | None) -> tuple[ColumnType, ...]:
    """How the columns look in the frame a model was fitted on; without one, as `lab.tables.frame_of` does."""
    return tuple(
        _type_of(column, None if sample is None else sample[column.name].dtype) for column in signature.columns
    )


def _type_of(column: Column, dtype: Any) -> ColumnType:
    if dtype is None:
        return ColumnType(column.name, column.numeric, "float64" if column.numeric else "object")
    import pandas as pd

    known: tuple[Any, ...] = ()
    if isinstance(dtype, pd.CategoricalDtype):
        known = tuple(v.item() if isinstance(v, np.generic) else v for v in dtype.categories)
        if not all(isinstance(v, str | int | float | bool) for v in known):
            raise NotCompilable(f"column {column.name!r}: its categories are neither text nor numbers.")
    name = "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)
    return ColumnType(column.name, column.numeric, name, column.coded, known)


def _classes(estimator: Any) -> tuple[str, ...]:
    labels = getattr(estimator, "classes_", None)
    return () if labels is None else tuple(text_of(label) for label in labels)
