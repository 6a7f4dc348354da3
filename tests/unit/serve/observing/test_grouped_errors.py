"""Errors by cause: how often, when, and an example in which nothing of a caller stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import ROW, ask, plane
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract import errors
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.observing.errors import LONGEST, MOST_GROUPS, Errors, error_groups, shown


def test_errors_are_grouped_and_survive_their_worker(home: Path) -> None:
    with plane(home) as app:
        ask(app, {**ROW, "tenure": 2.5}, {**ROW, "tenure": "Ada Lovelace"}, {**ROW, "Ada Lovelace": 1}, b"{")
    with plane(home) as app:
        ask(app, {**ROW, "tenure": "Ada Lovelace"})
        ask(app, ROW, path="/predict/nobody")
    groups = {(g.model, g.cause, g.column): g for g in error_groups(home / "run")}
    cells = groups["churn", "CellInvalid", "tenure"]
    assert (cells.code, cells.count) == (400, 3)
    assert cells.first < cells.last
    assert "column 'tenure'" in cells.example
    assert "allowed: a whole number" in cells.example or "allowed" in cells.example
    assert groups["churn", "ColumnUnknown", ""].count == 1
    assert groups["churn", "BodyInvalid", ""].count == 1
    assert groups["", "ModelNotFound", ""].code == 404
    assert "Lovelace" not in json.dumps([g.example for g in groups.values()])


def test_the_metrics_page_counts_them_by_model_and_cause(home: Path) -> None:
    with plane(home) as app:
        ask(app, {**ROW, "tenure": 2.5}, {**ROW, "paperless": 3}, {})
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    assert 'fairlead_errors_total{model_name="churn",cause="CellInvalid",code="400"} 2' in page
    assert 'fairlead_errors_total{model_name="churn",cause="ColumnMissing",code="400"} 1' in page


def test_groups_are_bounded(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "counters-a-0.bin")
    kept = Errors(counters, tmp_path / "errors-a-0.json")
    for number in range(MOST_GROUPS + 50):
        kept.note(f"model-{number}", errors.BodyInvalid("no"), 400)
    kept.save()
    counters.close()
    groups = error_groups(tmp_path)
    assert len(groups) == MOST_GROUPS + 1
    assert groups[0].cause == "other"
    assert groups[0].count == 50


names = st.text(st.characters(exclude_categories=("Cs",)), min_size=12, max_size=40)


@given(names)
def test_nothing_that_a_caller_named_is_shown(secret: str) -> None:
    known = ("age", "income")
    for error in (
        errors.ColumnUnknown([secret], known),
        errors.CellInvalid(3, secret, "text", "a number"),
        errors.BodyInvalid(f"output {secret!r} is not one of this model"),
        ValueError(secret),
    ):
        said = shown(error, known)
        assert secret not in said
        assert len(said) <= LONGEST
    assert "column 'age'" in shown(errors.CellInvalid(3, "age", "text", "a number"), known)


@pytest.mark.parametrize("content", [b"", b"not json", b"[]"])
def test_examples_that_cannot_be_read_are_done_without(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "errors-a-0.json").write_bytes(content)
    counters = Counters(tmp_path / "counters-a-0.bin")
    Errors(counters, tmp_path / "errors-a-0.json").note("m", errors.BodyInvalid("no"), 400)
    counters.close()
    assert error_groups(tmp_path)[0].count == 1
