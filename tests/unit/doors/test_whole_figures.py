"""Tables in a narrow terminal: words may take several lines, no figure loses a digit."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.doors.cli.output import table
from fairlead.doors.cli.performing import tell_performance

SURE = {"value": 0.8514, "low": 0.8031, "high": 0.8997}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_figure_is_whole_however_narrow_the_terminal_is(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cells = ("2026-11-21 23:37", 1_234_567, "0.8514 (0.8031 to 0.8997)", "words that may well go over several lines")
    table("", ("window (UTC)", "rows", "estimated", "why"), [cells])
    shown = capsys.readouterr().out
    assert "1,234,567" in shown
    assert "0.8514 (0.8031 to 0.8997)" in shown


def test_performance_fits_80_columns_and_says_where_its_estimates_are_not_to_be_relied_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    window: dict[str, Any] = {
        "start": 1_700_000_000.0, "rows": 300, "labelled": 300, "late_labels": 0, "version": 1, "how": "as labelled",
        "estimated": {"roc_auc": SURE}, "realised": {"roc_auc": SURE}, "revised": [], "unsure": False,
    }  # fmt: skip
    version = {
        "version": 1, "bundle": "b" * 64, "offline": {"roc_auc": SURE}, "live": {"roc_auc": SURE}, "rows": 600,
        "shadow": False,
    }  # fmt: skip
    answer = {
        "metric": "roc_auc", "windows": [window, {**window, "unsure": True}], "record": {}, "versions": [version],
        "correlation": {}, "assumes": "nothing", "report": "",
    }  # fmt: skip
    tell_performance(answer)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count(" 300 ") >= 4
    assert shown.count("unsure") == 2
