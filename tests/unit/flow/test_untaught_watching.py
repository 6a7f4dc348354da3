"""Records of anomalies and clusters as the watcher and the next training see them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fairlead.contract import records as names
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.ops.flow.history import learned_from, recorded_frame
from fairlead.ops.flow.view import View

X = (Column("x", "number"),)


def joined(labels: list[str | None], **answers: Any) -> pa.Table:
    rows = len(labels)
    return pa.table(
        {
            names.TIME: pa.array(np.arange(rows, dtype=float)),
            names.BUNDLE: pa.array(["b"] * rows),
            names.FEATURE_IN + "x": pa.array(np.arange(rows, dtype=float)),
            names.LABEL: pa.array(labels, pa.string()),
            names.DEFINITION: pa.array([None] * rows, pa.string()),
            **{name.replace("__", "."): pa.array(values) for name, values in answers.items()},
        }
    )


def project(**model: Any) -> Any:
    return SimpleNamespace(settings=Settings(model=ModelSettings(name="m", **model)))


def test_labels_of_anomalies_are_numbers_and_all_rows_are_learned_from() -> None:
    table = joined(["true", None, "false"], out__value=[0.9, 0.2, 0.1], out__label=["true", "false", "false"])
    view = View(table, Signature("anomaly", X, threshold=0.5))
    assert np.array_equal(view.labels, [1.0, np.nan, 0.0], equal_nan=True)
    assert view.labelled.tolist() == [True, False, True]
    assert view.answered().tolist() == [[0.9], [0.2], [0.1]]
    assert learned_from(view).tolist() == [0, 1, 2]
    assert list(recorded_frame(view, project(task="anomaly")).columns) == ["x"]


@pytest.mark.parametrize(
    ("positive", "cells"), [("fraud", ["fraud", None, "not fraud"]), ("true", ["true", None, "false"])]
)
def test_what_was_said_of_anomalies_goes_back_into_the_target_as_it_is_named(positive: str, cells: list[Any]) -> None:
    signature = Signature("anomaly", X, target="y", positive=positive, threshold=0.5)
    view = View(joined(["true", None, "false"], out__value=[0.9, 0.2, 0.1]), signature)
    frame = recorded_frame(view, project(task="anomaly", target="y", positive=positive))
    assert [None if cell != cell else cell for cell in frame["y"]] == cells
    from fairlead.lab.tables import target_of

    assert np.array_equal(target_of(frame, signature), [1.0, np.nan, 0.0], equal_nan=True)


def test_labels_of_clusters_are_their_names_and_never_become_the_groups_of_a_target() -> None:
    table = joined(["1", "nobody", None], out__p__0=[0.1, 0.9, 1.0], out__p__1=[0.9, 0.1, 0.0])
    signature = Signature("clustering", X, target="g", classes=("0", "1"))
    view = View(table, signature)
    assert view.labelled.tolist() == [True, False, False]
    assert view.answered().tolist() == [[0.1, 0.9], [0.9, 0.1], [1.0, 0.0]]
    frame = recorded_frame(view, project(task="clustering", target="g"))
    assert len(frame) == 3
    assert frame["g"].isna().all()
