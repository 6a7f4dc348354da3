"""Compiling: a fitted pipeline to a front and a tail, by allow-list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.compile.element_ops import parted, with_ahead
from fairlead.lab.compile.encoders import text_of
from fairlead.lab.compile.lanes import AnyLane, front_of, spread
from fairlead.lab.compile.unread import chosen, without_unread
from fairlead.lab.compile.untaught import refusal
from fairlead.lab.compile.walk import fed_sparse, walk
from fairlead.runtime.bundle.calibration import Calibration
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.front import Front, Tensor
from fairlead.runtime.bundle.manifest import CALIBRATION, TAIL_ONNX
from fairlead.runtime.bundle.tail import Tail, load_tail

if TYPE_CHECKING:
    import pandas as pd


AT_ONCE = 1 << 20
"""Features of rows with tensors that are scored at once: a network makes many times as much of them on its way."""


@dataclass(frozen=True)
class Compiled:
    """A compiled model. tail: bytes of `file`; form: the emitter's; tolerance: what its certificate must meet."""

    front: Front
    tail: bytes
    form: str
    file: str
    tolerance: float
    tried: tuple[tuple[str, str], ...] = field(default=())
    calibration: Calibration | None = None

    def running(self) -> Tail:
        """The tail, ready to score."""
        files = {self.file: self.tail}
        if self.calibration is not None:
            files[CALIBRATION] = self.calibration.to_json()
        return load_tail(files, self.front.width)

    def answering(self) -> Callable[[Columns], np.ndarray]:
        """Rows in the columns form -> scores, shape (n, outputs)."""
        tail = self.running()
        if not any(isinstance(lane, Tensor) for lane in self.front.lanes):
            return lambda columns: tail.scores(self.front.encode(columns))
        step = max(1, AT_ONCE // self.front.width)

        def in_parts(columns: Columns) -> np.ndarray:
            rows = len(next(iter(columns.values())))
            cut = ({name: array[at : at + step] for name, array in columns.items()} for at in range(0, rows, step))
            return np.concatenate([tail.scores(self.front.encode(part)) for part in cut])

        return in_parts

    def scores(self, columns: Columns) -> np.ndarray:
        """Scores, shape (n, outputs), of rows in the columns form."""
        return self.answering()(columns)


def compile_pipeline(
    pipeline: Any,
    signature: Signature,
    sample: pd.DataFrame | None = None,
    *,
    passed_over: Mapping[str, str] | None = None,
) -> Compiled:
    """The first form whose emitter accepts the estimator.

    pipeline: a fitted sklearn Pipeline or bare estimator. sample: rows as it was fitted on;
    not needed for compiling itself. passed_over: forms not to use again, with the reason.
    Raises NotCompilable naming the step and the reason.
    """
    lanes, estimator = walk(pipeline, signature)
    lanes, estimator, read_alone = chosen(lanes, estimator)
    check_outputs(estimator, signature)
    tried = list((passed_over or {}).items())
    for name in names("emitter"):
        if passed_over and name in passed_over:
            continue
        emitter = variant("emitter", name)()
        reason = emitter.accepts(estimator)
        if reason is None:
            lanes, estimator = _shaped(emitter, estimator, lanes)
            lanes, ahead = parted(spread(lanes))
            front = front_of(lanes, signature)
            width = front.width if ahead is None else len(ahead.chosen)
            tail = _tail(emitter, estimator, width, lambda: fed_sparse(pipeline, signature, sample))
            file = getattr(emitter, "file", TAIL_ONNX)
            if read_alone and ahead is None:
                front, tail = without_unread(lanes, tail, file, signature, front)
            if ahead is not None:
                tail, file = with_ahead(tail, file, ahead, front.width), TAIL_ONNX
            return Compiled(front, tail, name, file, emitter.tolerance, tuple(tried))
        tried.append((name, reason))
    raise NotCompilable("no form fits this estimator: " + "; ".join(f"{form}: {why}" for form, why in tried) + ".")


def _shaped(emitter: Any, estimator: Any, lanes: list[AnyLane]) -> tuple[list[AnyLane], Any]:
    """What the estimator itself does to its features before its model sees them, walked like the rest."""
    if type(estimator).__name__.startswith("Dummy"):
        return [], estimator
    prepare = getattr(emitter, "prepare", None)
    return (lanes, estimator) if prepare is None else (prepare(estimator, lanes), estimator)


def _tail(emitter: Any, estimator: Any, width: int, sparse: Callable[[], bool]) -> bytes:
    emit_sparse = getattr(emitter, "emit_sparse", None)
    emit = emitter.emit if emit_sparse is None or not sparse() else emit_sparse
    tail: bytes = emit(estimator, width)
    return tail


def check_outputs(estimator: Any, signature: Signature) -> None:
    """Raises NotCompilable unless the estimator's outputs are those of the signature, in its order."""
    if signature.task in UNSUPERVISED:
        if why := refusal(estimator, signature.task, signature.classes):
            raise NotCompilable(why)
        return
    if signature.task == "forecasting":
        steps = getattr(estimator, "n_outputs_", 1)
        if steps != signature.horizon:
            raise NotCompilable(f"the estimator answers {steps} steps, the signature states {signature.horizon}.")
        return
    classes = getattr(estimator, "classes_", None)
    if signature.task == "regression":
        if classes is not None:
            raise NotCompilable("the signature states a regression, the estimator is a classifier.")
        return
    if signature.task != "classification" or classes is None:
        raise NotCompilable(f"the signature states a {signature.task}, which {type(estimator).__name__} is not.")
    found = tuple(text_of(label) for label in classes)
    if found != signature.classes:
        raise NotCompilable(f"the estimator's classes {found} are not the signature's {signature.classes}.")
