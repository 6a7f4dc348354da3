"""What `fairlead status` says in words."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.doors.cli.serving import tell_predict, tell_status

MODEL = {
    "model": "churn", "since": 1_700_000_000.0, "why": "deployed by hand", "hold": "", "rollout": None,
    "waits_for": "the next window", "awaited": [{"what": "window", "why": "the next window"}], "windows": [],
}  # fmt: skip


def said(capsys: pytest.CaptureFixture[str], **answer: Any) -> str:
    """The text of an answer on a terminal of 80 columns."""
    tell_status({"models": [MODEL], "variants": [], "workers": [], "incidents": [], "decisions": [], **answer})
    return capsys.readouterr().out


def test_idle(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys)
    assert "churn: since 2023-11-14 22:13 UTC, deployed by hand" in shown
    assert "no server is running" in shown


def test_where_workers_answer(capsys: pytest.CaptureFixture[str]) -> None:
    worker = {"host": "0.0.0.0", "port": 8443, "url": "https://127.0.0.1:8443"}
    assert "2 workers at https://127.0.0.1:8443" in said(capsys, workers=[worker, worker])


def test_nothing_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, models=[{**MODEL, "since": None, "why": "nothing is deployed yet"}])
    assert shown.startswith("churn: nothing is deployed yet\n")


def test_frozen_while_a_canary_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rollout = {"challenger": 2, "started_wall": 1_700_000_060.0, "details": {"mode": "canary", "share": 0.05}}
    shown = said(capsys, models=[{**MODEL, "hold": "rolled_back", "why": "year end", "rollout": rollout}])
    assert "rolled back by a person: year end" in shown
    assert "  canary of version 2 since 2023-11-14 22:14 UTC" in shown


def test_tables_fit_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    window = {
        "index": 123, "start": 1_700_000_000.0, "state": "calibrating", "rows": 1_234_567, "labelled": 1_234_567,
        "metrics": {"roc_auc": 0.8, "accuracy": 0.75, "brier": 0.1, "log_loss": 0.4},
    }  # fmt: skip
    incident = {
        "number": 123, "severity": "critical", "state": "acknowledged", "since": 1_700_000_000.0, "first": None,
        "assignee": "anna.beispiel", "title": "worse " * 30, "merged_into": "",
    }  # fmt: skip
    decision = {
        "at": 1_700_000_000.0,
        "action": "end_rollout",
        "why": "the challenger " * 12,
        "undo": "fairlead undo 0123abcd",
    }
    error = {
        "model": "churn", "cause": "DeadlineExceeded", "code": 504, "column": "", "count": 1_234_567,
        "first": 1_700_000_000.0, "last": 1_700_000_060.0, "example": "not answered within 10 s",
    }  # fmt: skip
    shown = said(
        capsys, models=[{**MODEL, "windows": [window]}], incidents=[incident], decisions=[decision], errors=[error]
    )
    assert max(map(len, shown.splitlines())) <= 80
    for word in (
        "calibrating",
        "1,234,567",
        "0.800",
        "critical",
        "acknowledged",
        "end rollout",
        "0123abcd",
        "2023-11-14 22:13",
        "DeadlineExceeded",
    ):
        assert word in shown


def test_a_long_example_of_a_refusal_takes_a_few_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = ", ".join(f"column_{n}" for n in range(19))
    failed = {
        "count": 1, "code": 400, "cause": "ColumnMissing", "first": 1_700_000_000.0, "last": 1_700_000_060.0,
        "example": f"row 0: columns missing: tenure. This model expects: {columns}",
    }  # fmt: skip
    shown = said(capsys, errors=[failed])
    assert "columns missing: tenure" in " ".join(shown.split())
    assert len(shown.splitlines()) < 14


def test_settings_that_what_runs_has_not_read_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "start it again" in said(capsys, outdated="fairlead.toml was changed: start it again")


def test_a_table_without_rows_is_answered_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    tell_predict({"rows": 0, "predictions": []})
    assert capsys.readouterr().out == "no rows: there was nothing to ask\n"
