"""The parity certificate: how far the compiled model is from the trained one, on rows chosen to tell them apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import CellInvalid, NativeFailed, NotCompilable
from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.compile.frames import frame_like
from fairlead.lab.compile.native import NativeCompiled
from fairlead.lab.compile.pipeline import Compiled
from fairlead.lab.compile.probes import Columns, probes
from fairlead.lab.compile.untaught import untaught_scores
from fairlead.lab.compile.walk import given_to
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.run import decided

if TYPE_CHECKING:
    import pandas as pd


def certify(
    pipeline: Any,
    compiled: Compiled | NativeCompiled,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    sample: pd.DataFrame | None = None,
) -> ParityCertificate:
    """Compare both on training, edge and random rows.

    columns: training rows in the columns form. Differences are a share of the larger of 1 and the
    trained score, and stated as the power of ten above them (at least 1e-12). Rows that the trained model
    refuses must be refused, or left out where only their size is refused.
    Raises NotCompilable if the trained model takes no missing cells in a nullable column.
    """
    answering = compiled.answering()
    differences: list[np.ndarray] = []
    kinds: dict[str, int] = {}
    flipped = 0

    def compare(kind: str, blocks: list[Columns]) -> None:
        nonlocal flipped
        rows = _together(blocks)
        expected = trained_scores(pipeline, rows, signature, sample)
        found = _scores_or_refusal(answering, rows)
        if isinstance(expected, np.ndarray) and found is not None:
            differences.append(_differences(found, expected))
            kinds[kind] = kinds.get(kind, 0) + len(expected)
            if signature.labels:
                flipped += int((decided(found, signature) != decided(expected, signature)).sum())
        elif len(blocks) > 1:
            # One block that is refused would hide all others.
            for block in blocks:
                compare(kind, [block])
        else:
            _both_refuse(kind, rows, expected, found)

    by_kind: dict[str, list[Columns]] = {}
    for kind, rows in probes(signature, columns, compiled.front, thresholds_of(compiled)):
        by_kind.setdefault(kind, []).append(rows)
    for kind, blocks in by_kind.items():
        compare(kind, blocks)
    every = np.concatenate(differences)
    return ParityCertificate(
        form=compiled.form,
        rows=sum(kinds.values()),
        max_difference=_bound(every.max()),
        mean_difference=_bound(every.mean()),
        flipped=flipped,
        tolerance=compiled.tolerance,
        kinds=dict(sorted(kinds.items())),
        tried=compiled.tried,
    )


NOISE = 1e-12
"""Below this, differences depend on the order in which threads add up, hence on the run."""


def _bound(difference: float) -> float:
    """A power of ten that the difference does not exceed, at least NOISE, so that certificates are reproducible."""
    if not difference > NOISE:
        return NOISE
    return float(f"1e{min(308, math.ceil(math.log10(min(difference, 1e308))))}")


def holds(certificate: ParityCertificate) -> bool:
    """Whether the compiled model may stand for the trained one."""
    return certificate.flipped == 0 and certificate.max_difference <= certificate.tolerance


def trained_scores(pipeline: Any, rows: Columns, signature: Signature, sample: pd.DataFrame | None) -> np.ndarray | str:
    """Scores, shape (n, outputs), of the trained pipeline, or why it refuses these rows."""
    frame = frame_like(rows, signature, sample)
    given = given_to(pipeline, frame)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if signature.task in UNSUPERVISED:
                return untaught_scores(pipeline, given, signature.task)
            if signature.task == "classification":
                return np.asarray(pipeline.predict_proba(given), dtype=np.float64)
            return np.asarray(pipeline.predict(given), dtype=np.float64).reshape(len(frame), -1)
    except Exception as why:
        # A model trained elsewhere may raise anything on rows that it does not take.
        return next(iter(str(why).splitlines()), "")[:200] or type(why).__name__


def _scores_or_refusal(answering: Callable[[Columns], np.ndarray], rows: Columns) -> np.ndarray | None:
    try:
        with np.errstate(all="ignore"):
            return answering(rows)
    except CellInvalid:
        return None
    except NativeFailed as failed:
        if failed.raised:
            return None
        raise


def _together(blocks: list[Columns]) -> Columns:
    return blocks[0] if len(blocks) == 1 else {n: np.concatenate([block[n] for block in blocks]) for n in blocks[0]}


def _differences(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """As a share of the larger of 1 and the trained score; infinite where only one of the two is NaN or infinite."""
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        apart = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart)).ravel()


def _both_refuse(kind: str, rows: Columns, expected: np.ndarray | str, found: np.ndarray | None) -> None:
    """Raises NotCompilable where one of the two answers rows that the other refuses, and that matters."""
    if found is None:
        if not isinstance(expected, str):
            raise NotCompilable(f"the compiled model refuses {kind} rows that the trained one answers.")
        return
    if kind == "missing":
        gaps = [name for name, array in rows.items() if _all_missing(array)]
        raise NotCompilable(
            f"column {', '.join(gaps)} may be missing, and the trained model refuses that ({expected}). "
            "Add an imputer, or state the column as not nullable."
        )
    if kind != "edges":
        # Sizes beyond float32 are refused by some estimators; every other row a trained model must answer.
        raise NotCompilable(f"the trained model refuses {kind} rows: {expected}")


def _all_missing(array: np.ndarray) -> bool:
    return all(cell is None or cell != cell for cell in array.tolist())


def thresholds_of(compiled: Compiled | NativeCompiled) -> dict[int, np.ndarray]:
    """{feature: distinct splits} read back from the tail, whoever emitted it; empty for forms without splits."""
    if compiled.file != TAIL_ONNX:
        return {}
    import onnx

    found: dict[int, np.ndarray] = {}
    for node in onnx.load_from_string(compiled.tail).graph.node:
        held = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if "nodes_featureids" in held and "nodes_splits" in held:
            features = np.array(held["nodes_featureids"])
            splits = onnx.numpy_helper.to_array(held["nodes_splits"])
            found |= {int(f): np.unique(splits[features == f]) for f in np.unique(features)}
    return found
