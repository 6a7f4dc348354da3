"""The table of what was verified says what tests say and results show, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import verified


def marked(folder: Path, text: str) -> None:
    (folder / "test_one.py").write_text(text)


MARK = '@pytest.mark.verified("streams", "Redis", how="run", by="redis-server, 5,000 rows")'


@pytest.fixture
def tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tests in place of this one's."""
    folder = tmp_path / "tests"
    folder.mkdir()
    monkeypatch.setattr(verified, "TESTS", folder)
    monkeypatch.setattr(verified, "RESULTS", folder / "verified.json")
    marked(folder, f"import pytest\n{MARK}\ndef test_a():\n    pass\n\n{MARK}\ndef test_b():\n    pass\n")
    return folder


def report(name: str, outcome: str, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(name, ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]


def test_a_row_has_a_date_once_all_behind_it_passed(tests: Path) -> None:
    assert "| Redis | run | redis-server, 5,000 rows | not yet |" in verified.table()
    recorder = verified.Recorder()
    for name in ("a", "b"):
        recorder.pytest_runtest_logreport(report(f"tests/test_one.py::test_{name}[1]", "passed"))
    recorder.pytest_sessionfinish()
    known = json.loads((tests / "verified.json").read_text())
    assert set(known) == {"tests/test_one.py::test_a", "tests/test_one.py::test_b"}
    assert f"| 5,000 rows | {known['tests/test_one.py::test_a']} |".replace("| 5,000", "redis-server, 5,000") in (
        verified.table()
    )


def test_what_fails_is_forgotten_and_what_is_skipped_stays(tests: Path) -> None:
    (tests / "verified.json").write_text(
        json.dumps({f"tests/test_one.py::test_{name}": "2026-01-02" for name in ("a", "b", "gone")})
    )
    recorder = verified.Recorder()
    recorder.pytest_runtest_logreport(report("tests/test_one.py::test_a", "skipped", "setup"))
    recorder.pytest_runtest_logreport(report("tests/test_one.py::test_b[1]", "passed"))
    recorder.pytest_runtest_logreport(report("tests/test_one.py::test_b[2]", "failed"))
    recorder.pytest_sessionfinish()
    assert json.loads((tests / "verified.json").read_text()) == {"tests/test_one.py::test_a": "2026-01-02"}


def test_marks_that_mean_nothing_are_refused(tests: Path) -> None:
    marked(tests, 'import pytest\n@pytest.mark.verified("streams", "X", how="seen", by="")\ndef test_a():\n    pass\n')
    with pytest.raises(ValueError, match="how 'seen'"):
        list(verified.claims())


def test_the_marks_of_this_project_can_be_read() -> None:
    assert all(claim.by and len(claim.by) <= 120 for claim in verified.claims())
