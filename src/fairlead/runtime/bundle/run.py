"""A loaded bundle: rows in, answers out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.contract.evidence import Manifest
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.bundle import by_tensor, golden, tensor_cells
from fairlead.runtime.bundle.abstaining import abstaining
from fairlead.runtime.bundle.by_row import arrays_of, closures
from fairlead.runtime.bundle.cells import columns_of_rows, rows_from
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.bundle.columns import coded_columns_from
from fairlead.runtime.bundle.few import Answered, Few, few
from fairlead.runtime.bundle.forecasts import check_forecast
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.manifest import CALIBRATION, FRONT, GOLDEN, NATIVE_FORM, PARITY, REFERENCE, SIGNATURE
from fairlead.runtime.bundle.plan import plan
from fairlead.runtime.bundle.population import check_population, guard_of, refuse_outside
from fairlead.runtime.bundle.row_kernel import features_of
from fairlead.runtime.bundle.tabular import is_table
from fairlead.runtime.bundle.tail import Tail, load_tail
from fairlead.runtime.bundle.unusual import Finder, finder_of
from fairlead.runtime.bundle.verifying import Verified, verify
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.native.form import NativeTerms

Floats = npt.NDArray[np.float64]

CROSSOVER = 64
"""Rows from which turning rows into columns and the column form cost less than the row closures: with 19 columns
2.3 + 0 against 1.4 + 0.9 µs a row at 64 rows (benchmarks: front). The kernel of rows costs less than either."""

CHUNK = 8192
"""Rows encoded and scored at once, which bounds memory at CHUNK x width x 8 bytes."""

AT_ONCE = 16 * CHUNK
"""Rows whose categories are looked up at once, which bounds memory at 4 bytes a category and row."""


class Model:
    """A verified model. Its methods keep nothing between calls, so threads may share it.

    guard: raises CellInvalid for the first of some rows that holds what the trained model raised on, a category
    never seen or a missing cell; None where it raised on nothing. Serving asks it for each request by itself,
    so that scoring many requests at once does not fail for one of them.
    """

    _few: Few | None = None
    _chunk = CHUNK

    def __init__(self, identity: str, manifest: Manifest, signature: Signature, front: Front, tail: Tail) -> None:
        self.id, self.manifest, self.signature = identity, manifest, signature
        self.front, self.tail = front, tail
        self.threshold = signature.threshold
        planned = plan(front)
        compiled = features_of(planned)
        features = compiled or closures(planned)
        self._crossover = CROSSOVER if compiled is None else sys.maxsize
        self._encode_rows = arrays_of(features, front.width)
        self._few = few(features, tail, signature)
        if planned.tensors:
            self._chunk = max(1, min(CHUNK, by_tensor.AT_ONCE // front.width))
            if self._few is not None:
                self._few.most = min(self._few.most, self._chunk)
        self._encode_columns = front.column_encoder()
        self.guard = guard_of(signature, front.row_guard())
        self._reference = b""
        self._classes = np.array(signature.classes, dtype=object)

    @cached_property
    def reference(self) -> Reference:
        """What the model's world looked like when it was sealed; parsed when first asked for, as serving never asks."""
        return msgspec.json.decode(self._reference, type=Reference)

    @cached_property
    def unusual(self) -> Finder | None:
        """What tells rows unlike those of training; None of a bundle that was sealed without limits."""
        return finder_of(self._reference, self.signature)

    @property
    def closed(self) -> frozenset[str]:
        """Columns in which a category never seen in training is refused, as the trained model refuses it."""
        return self.front.closed

    def score_rows(self, rows: Sequence[Sequence[Cell]]) -> Floats:
        """Scores, shape (n, outputs), of rows in signature order. Raises CellInvalid for `closed` columns."""
        count = len(rows)
        if self._few is not None and count <= self._few.most:
            return self._few.scores(rows)
        if count >= self._crossover:
            return self.score_columns(columns_of_rows(rows, self.signature))
        chunk = self._chunk
        if count <= chunk:
            return self.tail.scores(self._encode_rows(rows))
        starts = range(0, count, chunk)
        return np.concatenate(
            [self.tail.scores(self._encode_rows(rows[start : start + chunk], start)) for start in starts]
        )

    def answer_rows(self, rows: Sequence[Sequence[Cell]]) -> Answered:
        """`decide` (None for a number) and `score_rows` at once, as lists, one entry a row: what serving needs.

        Scores are as the model gives them, finite or not. Raises CellInvalid for `closed` columns.
        """
        if self._few is not None and len(rows) <= self._few.most:
            return self._few.answer(rows)
        with no_collection():
            scores = self.score_rows(rows)
            labels: Any = self.decide(scores) if self.signature.labels else None
            return labels, scores.tolist()

    def score_columns(self, columns: Columns) -> Floats:
        """Scores, shape (n, outputs), of many rows in the columns form, in chunks."""
        total = len(next(iter(columns.values()))) if columns else 0
        if total <= self._chunk:
            return self.tail.scores(self._encode_columns(columns))
        parts = []
        for start in range(0, total, AT_ONCE):
            part = {name: array[start : start + AT_ONCE] for name, array in columns.items()}
            parts += [self.tail.scores(block) for block in self._encode_columns.blocks(part, self._chunk, first=start)]
        return np.concatenate(parts)

    def decide(self, scores: Floats) -> list[str] | Floats:
        """Labels (classes, clusters, `true` and `false` of anomalies) or numbers for scores, shape (n, outputs): of a
        forecast its first step.
        """
        if not self.signature.classes:
            if self.signature.task == "anomaly":
                return ["true" if strange else "false" for strange in (scores[:, 0] > self.threshold).tolist()]
            return scores[:, 0]
        if len(scores) == 1:
            # The common request; numpy's cost per call would be most of it.
            return [self.signature.classes[decided_one(scores[0].tolist(), self.signature)]]
        found: list[str] = self._classes[decided(scores, self.signature)].tolist()
        return found

    def predict(self, rows: Any) -> list[Any]:
        """Answers for a list of dicts, a mapping of columns, or a table of pandas, polars, Arrow or numpy (a plain
        array has the columns in the signature's order, or is the only column, of tensors (n, *shape)). Columns that the
        model does not know are refused.

        Classification: `{"label": ..., "probabilities": {class: p}}` a row; regression: a number; clustering:
        `{"cluster": ...}`; anomaly: `{"anomaly": true or false, "score": ...}`; forecasting: `{"forecast": [...]}`, a
        number a step. A model that abstains says of each row whether it does: `"abstained": true or false`.
        Raises InputInvalid with row and column of what does not fit.
        """
        return self.answers(self.probabilities(rows))

    def probabilities(self, rows: Any) -> Floats:
        """Scores, shape (n, outputs), in the order of the signature's outputs, of rows as `predict` takes them."""
        if is_table(rows):
            columns = coded_columns_from(rows, self.signature)
            refuse_outside(self.signature, columns)
            return self.score_columns(columns)
        told = rows_from(rows, self.signature)
        if self.signature.population is not None:
            refuse_outside(self.signature, columns_of_rows(told, self.signature))
        return self.score_rows(told)

    def answers(self, scores: Floats) -> list[Any]:
        """The native answers for scores, shape (n, outputs)."""
        task = self.signature.task
        if task == "clustering":
            return [{"cluster": name} for name in self.decide(scores)]
        if task == "anomaly":
            said = zip((scores[:, 0] > self.threshold).tolist(), scores[:, 0].tolist(), strict=True)
            return [{"anomaly": strange, "score": score} for strange, score in said]
        if task == "forecasting":
            return [{"forecast": steps} for steps in scores.tolist()]
        if task != "classification":
            numbers: list[Any] = scores[:, 0].tolist()
            return numbers
        classes, labels, numbers = self.signature.classes, self.decide(scores), scores.tolist()
        listed = zip(labels, numbers, strict=True)
        found: list[Any] = [
            {"label": label, "probabilities": dict(zip(classes, p, strict=True))} for label, p in listed
        ]
        if (left := abstaining(self.signature)) is not None:
            for one, abstained in zip(found, left.of([str(label) for label in labels], numbers), strict=True):
                one["abstained"] = abstained
        return found


def decided(scores: Floats, signature: Signature) -> npt.NDArray[np.intp]:
    """Positions of the chosen classes or clusters, shape (n,); of an anomaly detection 1 for an anomaly, else 0.

    Binary with a positive class: that one when its probability is strictly above the
    threshold; at 0.5 a tie goes to the class listed first, as argmax decides it.
    """
    if signature.task == "anomaly":
        return (scores[:, 0] > signature.threshold).astype(np.intp)
    if signature.positive is None or len(signature.classes) != 2:
        best: npt.NDArray[np.intp] = scores.argmax(axis=1)
        return best
    positive = signature.classes.index(signature.positive)
    p = scores[:, positive]
    chosen = p > signature.threshold
    if signature.threshold == 0.5 and positive == 0:
        chosen |= p == 0.5
    return np.where(chosen, positive, 1 - positive).astype(np.intp)


def decided_one(scores: list[float], signature: Signature) -> int:
    """`decided` for one row."""
    if signature.positive is None or len(scores) != 2:
        return max(range(len(scores)), key=scores.__getitem__)
    positive = signature.classes.index(signature.positive)
    p = scores[positive]
    chosen = p > signature.threshold or (signature.threshold == 0.5 and positive == 0 and p == 0.5)
    return positive if chosen else 1 - positive


def load(folder: str | Path, trusted: Iterable[str], *, threads: int = 1, native: NativeTerms | None = None) -> Model:
    """Verify the bundle in `folder`, build its model and replay its golden rows.

    trusted: hex Ed25519 public keys. threads: of the model's own arithmetic; one is right for serving.
    native: the terms on which a native model may run, in a process of its own; None: it is refused.
    Raises BundleRefused with the reason.
    """
    return build(verify(folder, trusted), threads=threads, native=native)


def build(verified: Verified, *, threads: int = 1, native: NativeTerms | None = None) -> Model:
    """The model of verified bytes, golden rows replayed. Raises BundleRefused."""
    files = verified.files
    try:
        signature = msgspec.json.decode(files[SIGNATURE], type=Signature)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"signature.json: {why}") from why
    check_signature(signature)
    if NATIVE_FORM in files:
        from fairlead.runtime.bundle.native_model import open_native

        return open_native(verified, signature, native)
    front = Front.from_json(files[FRONT])
    if not front.agrees(signature):
        raise BundleRefused("front.json takes other columns than signature.json states")
    tail = load_tail(files, front.width, threads)
    if tail.outputs != len(signature.outputs):
        raise BundleRefused(f"the model gives {tail.outputs} scores, its signature states {len(signature.outputs)}")
    if CALIBRATION in files and signature.task != "classification":
        raise BundleRefused(f"calibration.json: a {signature.task} has no probabilities")
    model = Model(verified.id, verified.manifest, signature, front, tail)
    model._reference = files[REFERENCE]
    golden.replay(model, files[GOLDEN], golden.tolerance_of(files[PARITY]))
    return model


def check_signature(signature: Signature) -> None:
    """Raises BundleRefused for a signature that contradicts itself."""
    names = signature.names
    if len(set(names)) != len(names):
        raise BundleRefused("signature.json: a column appears twice")
    _check_outputs(signature)
    _check_tensors(signature)
    check_population(signature)
    check_forecast(signature)
    try:
        zone_of(signature.timezone)
    except UsageError as why:
        raise BundleRefused(f"signature.json: {why}") from why


def _check_outputs(signature: Signature) -> None:
    if signature.task == "classification":
        if len(signature.classes) < 2 or len(set(signature.classes)) != len(signature.classes):
            raise BundleRefused("signature.json: a classification needs at least two classes, each named once")
        if signature.positive is not None and signature.positive not in signature.classes:
            raise BundleRefused("signature.json: the positive class is not among the classes")
        if not 0.0 <= signature.confidence <= 1.0:
            raise BundleRefused("signature.json: a confidence lies within 0 and 1")
    elif signature.confidence:
        raise BundleRefused(f"signature.json: a {signature.task} does not abstain")
    elif signature.task == "clustering":
        if not signature.classes or len(set(signature.classes)) != len(signature.classes):
            raise BundleRefused("signature.json: a clustering needs a cluster, and each named once")
        if signature.positive is not None:
            raise BundleRefused("signature.json: no cluster is the positive one")
    elif signature.classes:
        raise BundleRefused(f"signature.json: {signature.task} has no classes")
    if signature.task == "anomaly" and not math.isfinite(signature.threshold):
        raise BundleRefused("signature.json: the threshold of an anomaly must be a number")


def _check_tensors(signature: Signature) -> None:
    total = 0
    for column in signature.columns:
        shown = f"signature.json: column {column.name[:80]!r}"
        if column.kind != "tensor":
            if column.dtype or column.shape:
                raise BundleRefused(f"{shown}: only a tensor has a dtype or a shape")
            continue
        if why := tensor_cells.problem(column):
            raise BundleRefused(f"{shown}: {why}")
        if column.name in (signature.key, signature.sticky, *signature.time):
            raise BundleRefused(f"{shown}: a tensor is no key, no time, and no one's name")
        total += tensor_cells.size(column)
    if total > tensor_cells.LARGEST:
        raise BundleRefused(
            f"signature.json: its tensors have {total} elements a row, the limit is {tensor_cells.LARGEST}"
        )
