"""How a model comes to its answers, as the report tells it: overall, by its first columns, by rules, in three rows."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import DeadlineExceeded, NotOffered, UsageError
from fairlead.contract.signature import Column
from fairlead.lab.evaluate.explaining.dependence import dependences
from fairlead.lab.evaluate.explaining.evidence import Explained, Overall
from fairlead.lab.evaluate.explaining.overall import overall
from fairlead.lab.evaluate.explaining.surrogate import surrogate
from fairlead.lab.evaluate.explaining.whole import notes_of, ranked
from fairlead.runtime.bundle.cells import outside
from fairlead.runtime.explain.subject import Terms

if TYPE_CHECKING:
    from fairlead.lab.evaluate.rows import Judged
    from fairlead.runtime.explain import Explainable

ROWS, FEW_ROWS, SECONDS = 300, 30, 15.0
"""Rows attributed, rows where those are not ready in time, and that time for each try."""
CURVES, CURVE_ROWS, SURROGATE_ROWS = 4, 60, 2000
SHOWN = 8
"""Columns of a single row that are told; the others are added up."""


class Part(msgspec.Struct, frozen=True):
    """What one column adds in one row. value: as a request carries it, or why it is not shown."""

    column: str
    value: Any
    adds: float


class ExampleRow(msgspec.Struct, frozen=True):
    """One of the judged rows. which: typical, borderline or most wrong; row: its number among them, from 0.

    answer, truth: as labels or numbers; of: what margin, baseline and parts are about, in `scale` of the whole.
    baseline + the sum of all parts and `others` = margin.
    """

    which: str
    row: int
    answer: Any
    truth: Any
    loss: float
    of: str
    baseline: float
    margin: float
    parts: tuple[Part, ...]
    others: float = 0.0


class Explanations(msgspec.Struct, frozen=True, omit_defaults=True):
    """whole: None where nothing could be told, and `why` says why. rows: of real people or things, see `[evaluate]`."""

    whole: Explained | None = None
    rows: tuple[ExampleRow, ...] = ()
    why: str = ""


def explanations(explainable: Explainable, judged: Judged, *, rows: bool, hidden: tuple[str, ...] = ()) -> Explanations:
    """Of at most 300 of the judged rows, within about 30 seconds whatever the model.

    rows: whether single rows are told; hidden: columns whose cells are not shown. Deterministic, but for a model so
    slow that fewer rows must do, which `why` says.
    """
    try:
        whole, some, why = _overall(explainable, judged.columns)
    except (DeadlineExceeded, NotOffered, UsageError) as refused:
        return Explanations(why=str(refused))
    model = explainable.model
    names = ranked(whole.effects)
    # From all of the time that the rows are of, and no more than a small tree needs.
    some_rows = np.unique(np.linspace(0, judged.rows - 1, min(SURROGATE_ROWS, judged.rows)).astype(int))
    spread = {name: np.asarray(values)[some_rows] for name, values in judged.columns.items()}
    found = Explained(
        model.id,
        model.manifest.name,
        _without_points(whole),
        dependences(model, some, names, 0, columns=CURVES, most=CURVE_ROWS),
        surrogate(model, spread, 0),
        notes_of(explainable, whole.residual),
    )
    return Explanations(found, _examples(explainable, judged, hidden) if rows else (), why)


def _overall(explainable: Explainable, columns: Mapping[str, Any]) -> tuple[Overall, dict[str, Any], str]:
    try:
        return *overall(explainable, columns, 0, Terms(deadline=monotonic() + SECONDS), ROWS), ""
    except DeadlineExceeded:
        said = f"Of {FEW_ROWS} rows alone: more were not explained within {SECONDS:g} seconds."
        return *overall(explainable, columns, 0, Terms(deadline=monotonic() + SECONDS), FEW_ROWS), said


def _without_points(whole: Overall) -> Overall:
    """The clouds of single rows are for `fairlead explain`; here they would be most of the report."""
    lean = {
        name: tuple(msgspec.structs.replace(effect, at=()) for effect in found) for name, found in whole.effects.items()
    }
    return msgspec.structs.replace(whole, effects=lean)


def picked(judged: Judged) -> dict[str, int]:
    """Which rows are told, by what they stand for, each once.

    typical: the answer nearest to the middle of all; borderline: of a classification, the decision that least would
    turn; most wrong: the largest loss, of several the least sure. Shapes as in `Judged`.
    """
    signature, scores = judged.signature, judged.scores
    finite = np.isfinite(scores).all(axis=1)
    if not finite.any():
        return {}
    centre = np.median(scores[finite], axis=0)
    away = np.where(finite, np.abs(scores - centre).sum(axis=1), np.inf)
    found = {"typical": int(away.argmin())}
    if signature.task == "classification":
        top = np.sort(scores, axis=1)
        close = top[:, -1] - top[:, -2]
        if len(signature.classes) == 2 and signature.positive is not None:
            close = np.abs(scores[:, signature.classes.index(signature.positive)] - signature.threshold)
        close = np.where(finite, close, np.inf)
        close[list(found.values())] = np.inf
        found["borderline"] = int(close.argmin())
    # Losses of numbers end at 1, where many rows may be; their errors do not.
    numbers = signature.task == "regression"
    missed = np.abs(np.asarray(judged.truth, dtype=np.float64) - scores[:, 0]) if numbers else judged.loss
    lost = np.where(finite, missed, -np.inf)
    lost[list(found.values())] = -np.inf
    if np.isfinite(lost.max()):
        found["most wrong"] = int(lost.argmax())
    return found


def _examples(explainable: Explainable, judged: Judged, hidden: tuple[str, ...]) -> tuple[ExampleRow, ...]:
    chosen = picked(judged)
    rows = np.array(list(chosen.values()), dtype=np.int64)
    columns = {name: np.asarray(values)[rows] for name, values in judged.columns.items()}
    try:
        told = explainable.explain_columns(columns, Terms(deadline=monotonic() + SECONDS))
    except DeadlineExceeded:
        return ()
    model, signature = explainable.model, explainable.model.signature
    decided = model.decide(judged.scores[rows])
    made = []
    for at, (which, row) in enumerate(chosen.items()):
        answer: Any = decided[at] if signature.labels else float(decided[at])
        about = told.outputs.index(answer) if answer in told.outputs else 0
        adds = told.attributions[at, :, about]
        order = [int(k) for k in np.argsort(-np.abs(adds), kind="stable")]
        shown = [
            Part(column.name, _shown(column, columns[column.name][at], hidden), float(adds[k]))
            for k in order[:SHOWN]
            for column in (signature.columns[k],)
        ]
        truth = judged.truth[row]
        made.append(
            ExampleRow(
                which=which,
                row=row,
                answer=answer,
                truth=str(truth) if signature.task == "classification" else float(truth),
                loss=float(judged.loss[row]),
                of=told.outputs[about],
                baseline=float(told.baseline[about]),
                margin=float(told.margins[at, about]),
                parts=tuple(shown),
                others=float(sum(adds[k] for k in order[SHOWN:])),
            )
        )
    return tuple(made)


def _shown(column: Column, cell: Any, hidden: tuple[str, ...]) -> Any:
    if column.name in hidden:
        return "(not shown)"
    if column.kind == "tensor":
        return "(tensor)"
    if cell is None or cell != cell:
        return None
    plain = cell.item() if isinstance(cell, np.generic) else cell
    told = outside(plain, column)
    return told[:80] if isinstance(told, str) else told
