"""An incident that became part of another one: whoever looks at it is told where it went on."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.doors.cli.incidents import tell_incident


def test_a_merged_incident_names_the_one_it_became_part_of(capsys: pytest.CaptureFixture[str]) -> None:
    answer: dict[str, Any] = {
        "number": 2, "severity": "warning", "title": "data quality: age", "state": "resolved", "merged_into": "a" * 12,
        "merged_number": 1, "since": 1_700_000_000.0, "first": None, "ended": 1_700_000_060.0, "assignee": "",
        "why": "", "causes": [], "cost": None, "cost_in": "", "timeline": [], "cut": 0, "advice": "",
    }  # fmt: skip
    tell_incident(answer)
    shown = capsys.readouterr().out
    assert "merged into #1" in shown
    assert "fairlead incident 1" in shown
    assert "Timeline" not in shown
