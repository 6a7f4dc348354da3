"""Alarms of a rehearsal are grouped as live ones are: what begins together is told once, what is back is the same."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.rehearse.incidents import Incidents


def finding(check: str, window: int, column: str = "", severity: str = "warning") -> Finding:
    """Something found in a window that lasts a second."""
    name = f"{check}/{column}/{window}"
    columns = (column,) if column else ()
    return Finding(
        name, "m", "quality", check, window, float(window), 0.2, 0.1, 0.3, "x", f"{check} is off", columns,  # type: ignore[arg-type]
        severity=severity,  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_is_found_of_one_column_in_one_window_is_one_incident() -> None:
    incidents = Incidents()
    begun = incidents.follow([finding("missing", 3, "age"), finding("range", 3, "age")], 3, 4.0)
    assert len(begun) == 1
    assert "age" in begun[0].title
    assert incidents.follow([finding("missing", 3, "age"), finding("range", 3, "age")], 4, 5.0) == []
    assert incidents.begun == [3]


def test_what_ended_and_is_back_soon_is_the_same_incident() -> None:
    incidents = Incidents()
    incidents.follow([finding("missing", 3, "age")], 3, 4.0)
    assert incidents.follow([], 4, 5.0) == []
    assert incidents.follow([finding("missing", 6, "age")], 6, 7.0) == []
    incidents.follow([], 7, 8.0)
    assert len(incidents.follow([finding("missing", 30, "age")], 30, 31.0)) == 1
    assert incidents.begun == [3, 30]


def test_what_is_worth_a_note_alone_tells_nobody() -> None:
    incidents = Incidents()
    assert incidents.follow([finding("drift", 3, "age", "info")], 3, 4.0) == []
    assert incidents.begun == []


def test_columns_without_anything_in_common_in_other_windows_are_two() -> None:
    incidents = Incidents()
    age = finding("missing", 3, "age")
    incidents.follow([age], 3, 4.0)
    assert len(incidents.follow([age, finding("missing", 5, "city")], 5, 6.0)) == 1
    assert incidents.begun == [3, 5]
