"""Pages of windows and incidents: whole, offline, escaped, and true to what they are given."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import msgspec
import numpy as np
import pytest

from fairlead.contract.events import Cause, Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.incidents import Entry, Incident, IncidentView, Trend
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.ops.reports import (
    Decided,
    IncidentReport,
    MetricView,
    Point,
    Spoken,
    WindowReport,
    columns_of,
    render,
    schemas,
    write,
)
from fairlead.ops.reports.drawing import Curve, curve, histograms

HOUR = 3600.0
EVIL = '<script>alert("x")</script>'


class Closed(HTMLParser):
    """Raises where an element is not closed in its place."""

    EMPTY = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """As `<rect/>`: nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def finding(severity: str = "warning", **more: object) -> Finding:
    made = Finding(
        "f" * 24, "bike", "data_drift", "drift", 7, 7 * HOUR, 0.3, 0.2, 0.4, "distance", f"temp moved {EVIL}",
        ("temp",), severity, {"limit": 0.1, "usual": 0.05}, first=7.5 * HOUR,
        causes=(Cause("source", "sensor 7", 0.8, "rows of sensor 7 alone moved"),), cost=Interval(2.0, 1.0, 3.0),
        cost_in="mae",
    )  # type: ignore[arg-type]  # fmt: skip
    return msgspec.structs.replace(made, **more)


def report(**more: object) -> WindowReport:
    """A window in which a column moved, with everything that a report may hold."""
    rng = np.random.default_rng(0)
    signature = Signature(
        "regression", (Column("temp", "number"), Column("town", "category")), "y"
    )  # fmt: skip
    before = {"temp": rng.normal(size=500), "town": rng.choice(["a", "b", EVIL], 500).astype(object)}
    after = {"temp": rng.normal(3, 1, 200), "town": rng.choice(["a", "new"], 200).astype(object)}
    bins = bins_for(before, signature)
    sides = [profile(rows, bins, start=0.0, end=1.0, gram=False) for rows in (before, after)]
    window = Window("bike", 7, 7 * HOUR, 8 * HOUR, 200, 150, 3, "scored", {"mae": 41.0}, "b" * 64)
    columns = columns_of(sides[0], sides[1], [finding()], {("columns", "temp"): (0.3, 0.1)})
    made = WindowReport(
        "bike", window, 3, 1.0, "Europe/Berlin", "Temp moved.", "calibrated on 120 days", (finding(), finding("info")),
        (Spoken("drift", "temp", 0.3, 0.1, 0.05, True, "beyond its limit"),), 4, columns,
        (MetricView("mae", Interval(41.0, 39.0, 43.0), 40.0, up=False),
         MetricView("mae", Interval(40.0, 30.0, 50.0), 40.0, True, False)),
        3.0, 30.0, 0.2, "nearly every row has its label",
        tuple(Point(i, i * HOUR, (i + 1) * HOUR, 100 + i, 90, {"mae": 40.0 + i, "loss": 0.1}) for i in range(8)),
        (Decided("d" * 24, "retrain", 8 * HOUR, "it was asked for", "done", "fairlead undo dddddddd"),),
        ((2, "warning", f"temp {EVIL}"),),
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def incident(**more: object) -> IncidentReport:
    made = Incident(
        "i" * 24, 2, "bike", f"temp {EVIL}", "warning", "acknowledged", 7 * HOUR, 1.0, 2.0, 7, 7, ("f" * 24,),
        ("f" * 24,), columns=("temp",), areas=("data_drift",), causes=finding().causes, first=7.5 * HOUR,
        cost=Interval(2.0, 1.0, 3.0), cost_in="mae", assignee="ann",
        trend=Trend("drift", "distance", tuple((i * HOUR, 0.1 * i) for i in range(8)), 0.4, 0.1),
    )  # fmt: skip
    lines = (Entry("1", 5.0, "begun", f"temp moved {EVIL}", event=7 * HOUR), Entry("2", 6.0, "person", "on it", "ann"))
    view = IncidentView(made, lines, (finding(),), 3)
    window = report()
    whole = IncidentReport(view, 1.0, "UTC", "One finding; it lasts.", window.columns, window.trend, window.decisions)
    return msgspec.structs.replace(whole, **more)


@pytest.mark.parametrize("made", [report(), incident()], ids=["window", "incident"])
def test_a_page_is_whole_needs_nothing_else_and_lets_nothing_through(made: WindowReport | IncidentReport) -> None:
    page = render(made)
    parser = Closed()
    parser.feed(page)
    assert parser.open == []
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?:src|href)\s*=|@import|url\(", page)
    assert "sensor 7" in page
    assert "+2" in page
    assert page.count("<svg") >= 4


def test_commands_in_sentences_are_set_as_code_and_nothing_else_gets_through() -> None:
    page = render(incident(headline=f"Run `fairlead expected 1` {EVIL} `{EVIL}`."))
    assert "Run <code>fairlead expected 1</code>" in page
    assert EVIL not in page


def test_what_a_window_shows_is_told_in_the_projects_own_time() -> None:
    page = render(report())
    assert "1970-01-01 08:00 to 1970-01-01 09:00 (Europe/Berlin)" in page
    assert "200 rows, 150 with a label, 3 came late; answered by version 3" in page
    assert "fairlead undo dddddddd" in page
    assert "estimated, before labels came" in page
    assert "not to be relied on" not in page
    assert "<details>" in page
    quiet = render(report(findings=(), metrics=(), decisions=(), incidents=(), columns=(), trend=()))
    assert "What left its usual range" not in quiet
    assert "<details open>" in quiet


def test_columns_stand_beside_the_reference_those_that_moved_first() -> None:
    first, other = report().columns
    assert (first.name, first.moved, first.distance, first.limit) == ("temp", True, 0.3, 0.1)
    assert first.mean == pytest.approx(3.0, abs=0.2)
    assert first.mean_before == pytest.approx(0.0, abs=0.2)
    assert other.labels[-1] == "other"
    assert sum(other.now) == 200
    assert histograms(first).count('class="now"') == len(first.now)


def test_many_categories_are_bounded_and_none_is_lost() -> None:
    names = np.array([f"t{i:03d}" for i in range(300)], dtype=object)
    rng = np.random.default_rng(1)
    signature = Signature("regression", (Column("town", "category"),), "y")
    rows = {"town": rng.choice(names, 3000)}
    bins = bins_for(rows, signature, max_bins=400)
    both = profile(rows, bins, start=0.0, end=1.0, gram=False)
    (column,) = columns_of(both, both, [], {})
    assert len(column.labels) == len(column.now) <= 64
    assert sum(column.now) == 3000


def test_json_beside_the_page_fits_the_published_schema(tmp_path: Path) -> None:
    for kind, made in (("window", report()), ("incident", incident())):
        page = write(made, tmp_path / kind)
        assert page.read_text() == render(made)
        told = msgspec.json.decode(page.with_suffix(".json").read_bytes())
        jsonschema.validate(told, schemas()[kind])
        assert msgspec.convert(told, type(made)) == made
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "incident.html",
        "incident.json",
        "window.html",
        "window.json",
    ]


def test_a_curve_has_gaps_where_nothing_is_known_and_is_not_drawn_of_one_point() -> None:
    zone = ZoneInfo("UTC")
    points = ((0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 2.0), (4.0, float("nan")), (5.0, 3.0), (6.0, 1.0))
    drawn = curve(Curve("x", points, limit=2.5, usual=1.0, marked=(3.0, 99.0)), zone)
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 5
    assert drawn.count('class="marked"') == 1
    assert curve(Curve("x", ((0.0, 1.0),)), zone) == ""
    tiny = curve(Curve("x", ((0.0, 5.2549e-07), (1.0, -5.2549e-07))), zone)
    assert {">5.3e-07<", ">-5e-07<"} <= set(re.findall(r">[^<>]+<", tiny))
    assert curve(Curve("x", ((0.0, 0.0), (1.0, 0.0))), zone).count("<circle") == 2
