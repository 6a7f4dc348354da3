"""What the watcher reads of answered rows: truth of the right definition, cells of their kinds, scores of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from fairlead.contract import records as names
from fairlead.contract.signature import Column, Signature
from fairlead.ops.flow.view import View

REGRESSION = Signature(
    task="regression", columns=(Column("x", "number"), Column("season", "category", coded="integer")), target="y"
)
CLASSES = Signature(task="classification", columns=(Column("x", "number"),), classes=("a", "b"), definition="v2")


def table(**columns: list[Any]) -> pa.Table:
    """A joined table with these columns beside what each record has."""
    rows = len(next(iter(columns.values())))
    base: dict[str, Any] = {names.TIME: np.arange(rows, dtype=np.float64), names.BUNDLE: ["b1"] * rows}
    given = {name.replace("__", "."): cells for name, cells in columns.items()}
    return pa.table({**base, names.DEFINITION: pa.array([None] * rows, pa.string()), **given})


def test_numbers_as_labels_are_numbers_and_others_no_labels() -> None:
    view = View(table(in__x=[1.0, 2.0, 3.0, 4.0], label=["3.5", None, "soon", "inf"]), REGRESSION)
    assert view.labelled.tolist() == [True, False, False, False]
    assert view.labels[0] == 3.5


def test_labels_of_another_definition_or_of_no_class_do_not_count() -> None:
    columns = {"in__x": [1.0] * 4, "label": ["a", "b", "c", None], "definition": ["v2", "v1", "v2", None]}
    view = View(table(**columns), CLASSES)
    assert view.labelled.tolist() == [True, False, False, False]


def test_a_column_that_records_lack_or_that_is_hashed_is_missing() -> None:
    view = View(table(in__x=["9f3c", "0a1b"]), REGRESSION)
    assert np.isnan(view.columns["x"]).all()
    assert view.columns["season"].tolist() == [None, None]


def test_codes_stay_text() -> None:
    view = View(table(in__x=[1.0, None], in__season=["3", None]), REGRESSION)
    assert view.columns["season"].tolist() == ["3", None]
    assert np.array_equal(view.columns["x"], [1.0, np.nan], equal_nan=True)


class Doubling:
    """Answers twice x."""

    id = "b2"

    def score_columns(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Scores, shape (n, 1)."""
        return 2.0 * columns["x"][:, None]


def test_scores_are_as_recorded_where_the_model_answered_and_computed_elsewhere() -> None:
    rows = table(in__x=[1.0, 2.0, 3.0], out__value=[10.0, 20.0, None], bundle=["b2", "b1", "b2"])
    view = View(rows, REGRESSION)
    assert view.scores(Doubling())[:, 0].tolist() == [10.0, 4.0, 6.0]  # type: ignore[arg-type]
    assert np.array_equal(view.answered()[:, 0], [10.0, 20.0, np.nan], equal_nan=True)


def test_no_rows_have_no_scores() -> None:
    empty = table(in__x=[]).slice(0, 0)
    assert View(empty, REGRESSION).answered().shape == (0, 1)
    assert View(table(in__x=[]), CLASSES).answered().shape == (0, 2)
