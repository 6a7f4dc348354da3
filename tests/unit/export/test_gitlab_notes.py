"""The pipeline's note on a merge request, by the very script of the job, to a server that plays GitLab's API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.export.gitlab_notes import NOTES, PAGE, GitLab, gitlab
from tests.unit.export.test_ci_export import exported

from fairlead.reach.export.ci import Ci

MARK = "<!-- fairlead: Churn.2 -->"


@pytest.fixture
def server() -> Iterator[GitLab]:
    with gitlab() as playing:
        yield playing


def job(tmp_path: Path) -> dict[str, Any]:
    (path,) = Ci().write(exported(provider="gitlab"), tmp_path / "ci")
    found: dict[str, Any] = yaml.safe_load(path.read_text())["comment"]
    return found


def run(tmp_path: Path, api: str, token: str, diff: str | None) -> subprocess.CompletedProcess[str]:
    """The job as a runner would: all lines by one shell, with the variables of a merge request."""
    where = tmp_path / "checkout"
    where.mkdir(exist_ok=True)
    (where / "fairlead.diff.md").unlink(missing_ok=True)
    if diff is not None:
        (where / "fairlead.diff.md").write_text(diff, encoding="utf-8")
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CI_API_V4_URL": api, "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7", "LC_ALL": "C", **({"FAIRLEAD_COMMENT_TOKEN": token} if token else {}),
    }  # fmt: skip
    words = ["bash", "-eo", "pipefail", "-c", "\n".join(job(tmp_path)["script"])]
    return subprocess.run(
        words, cwd=where, env=environ, capture_output=True, encoding="utf-8", timeout=30, check=False
    )  # fmt: skip


@pytest.mark.verified("ci", "GitLab's notes on a merge request", how="emulated",
                      by="the job's script against a server that plays the notes API: list, PUT, POST")  # fmt: skip
def test_a_note_is_brought_up_to_date_and_others_stay(tmp_path: Path, server: GitLab) -> None:
    """A merge request with ten pushes had ten notes."""
    server.add(4, f"{MARK}\nquoted by a person")
    server.add(9, "<!-- fairlead: other -->\nof another model")
    first = run(tmp_path, server.api, "glpat-bot", "folds: 2 -> 3\n| größer | ≥ |\n")
    assert (first.returncode, first.stderr) == (0, "")
    assert server.bodies()[2:] == [f"{MARK}\nfolds: 2 -> 3\n| größer | ≥ |\n"]
    for _ in range(PAGE + 20):
        server.add(4, "a word of a person")
    server.calls.clear()
    again = run(tmp_path, server.api, "glpat-bot", "folds: 2 -> 4\n")
    assert (again.returncode, again.stderr) == (0, "")
    assert server.bodies()[2] == f"{MARK}\nfolds: 2 -> 4\n"
    assert server.calls == ["GET /api/v4/user", f"GET {NOTES}", f"GET {NOTES}", f"PUT {NOTES}/1002"]
    assert server.bodies()[0] == f"{MARK}\nquoted by a person"
    server.lost = {1002}
    assert run(tmp_path, server.api, "glpat-bot", "folds: 2 -> 5\n").returncode == 0
    assert server.bodies()[-1] == f"{MARK}\nfolds: 2 -> 5\n", "removed by a person meanwhile"


def test_without_a_token_the_job_passes_and_prints(tmp_path: Path, server: GitLab) -> None:
    rules = job(tmp_path)["rules"]
    assert rules == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"', "when": "always"}]
    done = run(tmp_path, server.api, "", "folds: 2 -> 3 ≥\n")
    assert done.returncode == 0, done.stderr
    assert "folds: 2 -> 3 ≥\n" in done.stdout
    assert "FAIRLEAD_COMMENT_TOKEN" in done.stdout
    nothing = run(tmp_path, server.api, "glpat-bot", None)
    assert (nothing.returncode, nothing.stdout) == (0, "The base has no model to compare with.\n")
    assert server.calls == []


def test_what_gitlab_refuses_is_said_without_the_token(tmp_path: Path, server: GitLab) -> None:
    done = run(tmp_path, server.api, "glpat-gone", "folds: 2 -> 3\n")
    assert done.returncode == 1
    assert "folds: 2 -> 3\n" in done.stdout
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr
    assert "glpat-gone" not in done.stdout + done.stderr
    assert server.notes == []
