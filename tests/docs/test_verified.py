"""The table of what was verified says what results show, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import verified

MARK = ("streams", "Redis", "run", "redis-server, 5,000 rows")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tests in place of this one's, and where its results go."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_one.py").write_text("def test_a(): ...\ndef test_b(): ...\n")
    monkeypatch.setattr(verified, "TESTS", folder)
    monkeypatch.setattr(verified, "RESULTS", folder / "verified.json")
    return folder / "verified.json"


def report(test: str, outcome: str, when: str = "call", marked: bool = True) -> pytest.TestReport:
    made = pytest.TestReport(f"tests/{test}", ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]
    made.user_properties = [("verified", MARK)] if marked else []
    return made


def test_what_passed_is_a_row_with_its_date(results: Path) -> None:
    recorder = verified.Recorder()
    recorder.pytest_runtest_logreport(report("test_one.py::test_a[1]", "passed", "setup"))
    recorder.pytest_runtest_logreport(report("test_one.py::test_a[1]", "passed"))
    recorder.pytest_runtest_logreport(report("test_one.py::test_b", "passed", marked=False))
    recorder.pytest_sessionfinish()
    known = json.loads(results.read_text())
    assert list(known) == ["tests/test_one.py::test_a[1]"]
    date = known["tests/test_one.py::test_a[1]"][0][-1]
    assert f"| Redis | run | redis-server, 5,000 rows | {date} |" in verified.table()


def test_what_fails_is_forgotten_and_what_is_skipped_stays(results: Path) -> None:
    before = [[*MARK, "2026-01-02"]]
    names = ("test_one.py::test_a", "test_one.py::test_b[2]", "test_one.py::test_gone", "test_gone.py::test_c")
    results.write_text(json.dumps({f"tests/{name}": before for name in names}))
    recorder = verified.Recorder()
    recorder.pytest_runtest_logreport(report("test_one.py::test_a", "skipped", "setup"))
    recorder.pytest_runtest_logreport(report("test_one.py::test_b[2]", "passed"))
    recorder.pytest_runtest_logreport(report("test_one.py::test_b[2]", "failed", "teardown"))
    recorder.pytest_sessionfinish()
    assert json.loads(results.read_text()) == {"tests/test_one.py::test_a": before}
    assert "| 2026-01-02 |" in verified.table()


def test_a_second_run_adds_to_the_first(results: Path) -> None:
    for name in ("test_a[1]", "test_a[2]", "test_b"):
        recorder = verified.Recorder()
        recorder.pytest_runtest_logreport(report(f"test_one.py::{name}", "passed"))
        recorder.pytest_sessionfinish()
    assert [test.split("::")[1] for test in json.loads(results.read_text())] == ["test_a[1]", "test_a[2]", "test_b"]
    assert [path.name for path in results.parent.iterdir() if path.name.startswith("verified")] == ["verified.json"]


def test_areas_lead_to_pages_and_what_nothing_could_look_at_is_said(results: Path) -> None:
    assert set(verified.PAGES) == set(verified.AREAS)
    how_to = Path(__file__).resolve().parents[2] / "docs" / "how-to"
    assert all((how_to / f"{page}.md").is_file() for pages in verified.PAGES.values() for page in pages)
    assert {area for area, _, _ in verified.WRITTEN} <= set(verified.AREAS)
    assert all(f"| {system} | written | {what} | - |" in verified.table() for _, system, what in verified.WRITTEN)


def test_marks_that_mean_nothing_are_refused() -> None:
    assert verified.told(pytest.mark.verified(*MARK[:2], how=MARK[2], by=MARK[3]).mark) == MARK
    with pytest.raises(ValueError, match="unknown"):
        verified.told(pytest.mark.verified("streams", "Redis", how="seen", by="x").mark)
