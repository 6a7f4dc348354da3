"""The pipelines of `export ci`, each step run at a shell as its system would, in a real repository and project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import Program, environment
from tests.journeys.cli import make_project
from tests.unit.export.gitlab_notes import gitlab

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
}  # fmt: skip
POSTED = """#!/bin/sh
# Keeps what would be posted: the words, and the file that they name.
case "$*" in *--jq*) cat "$POSTED.known" 2> "$POSTED.none" || true; exit 0;; esac
for word in "$@"; do [ -f "$word" ] && cp "$word" "$POSTED"; case "$word" in *@*) cp "${word#*@}" "$POSTED";; esac; done
echo "$@" >> "$POSTED.words"
"""


EXPECTATIONS = """
[[minimum]]
name = "the rich repay"
rows = [{ income = 90.0, kind = "car" }]
label = "yes"
"""


class Hosted:
    """An origin with a commit on main and one on a branch, and places to check them out."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("git") is None:
            pytest.skip("git is not installed: make test-deps")
        self.root, self.origin = folder, folder / "origin"
        make_project(self.origin)
        (self.origin / ".gitignore").write_text(".fairlead/\nexport/\n")
        settings = self.origin / "fairlead.toml"
        settings.write_text(settings.read_text() + "\n[gate]\nno_worse_than = false\n")
        (self.origin / "tests").mkdir()
        (self.origin / "tests" / "behaviour.toml").write_text(EXPECTATIONS)
        self.git(self.origin, "init", "--quiet", "--initial-branch=main")
        exported = Program(self.origin).json("export", "ci", "--set", "cloud=none")
        for path in exported["files"]:
            kept = self.origin / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.origin / exported["folder"] / path, kept)
        shutil.rmtree(self.origin / ".fairlead", ignore_errors=True)
        self.base = self.commit("a project")
        self.git(self.origin, "switch", "--quiet", "--create", "change")
        settings.write_text(settings.read_text().replace("folds = 2", "folds = 3"))
        self.head = self.commit("three folds")
        tools = folder / "tools"
        tools.mkdir()
        (tools / "gh").write_text(POSTED)
        (tools / "gh").chmod(0o755)
        self.path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def git(self, where: Path, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=where,
            env={**os.environ, **GIT},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, why: str) -> str:
        self.git(self.origin, "add", "--all")
        self.git(self.origin, "commit", "--quiet", "--message", why)
        return self.git(self.origin, "rev-parse", "HEAD")

    def checkout(self, name: str, reference: str) -> Path:
        place = self.root / name
        self.git(self.root, "clone", "--quiet", str(self.origin), str(place))
        self.git(place, "checkout", "--quiet", "--detach", reference)
        return place


def shell(script: str, where: Path, environ: dict[str, str]) -> None:
    """A step as GitHub runs it with `shell: bash`."""
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(words, cwd=where, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def steps_of(job: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Name, script and environment of every step that runs something, but for the installing of what is here."""
    found = [(s["name"], s["run"], s.get("env", {})) for s in job["steps"] if "run" in s]
    return [step for step in found if step[0] != "install"]


def filled(values: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """`${{ name }}` in an environment as GitHub fills it in."""
    return {k: re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda found: known[found[1]], str(v)) for k, v in values.items()}


@pytest.mark.verified(
    "ci", "GitHub Actions' steps", how="run", by="every run: step by bash as a runner does, gh stood in for"
)
def test_every_step_of_the_workflow_works_at_a_shell(tmp_path: Path) -> None:
    hosted = Hosted(tmp_path)
    (file,) = (hosted.origin / ".github" / "workflows").iterdir()
    jobs = yaml.safe_load(file.read_text())["jobs"]
    known = {
        "github.event.pull_request.base.sha": hosted.base, "github.event.pull_request.number": "7",
        "github.token": "none", "github.repository": "us/loans", "github.ref_name": "loans/v1",
        "vars.FAIRLEAD_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    posted = tmp_path / "posted"
    plain = {**environment(), **GIT, "PATH": hosted.path, "POSTED": str(posted), "RUNNER_TEMP": str(tmp_path / "temp")}
    (tmp_path / "temp").mkdir()

    def run(name: str, where: Path) -> None:
        given = tmp_path / f"{name}.env"
        given.write_text("")
        for _, script, own in steps_of(jobs[name]):
            told = dict(line.split("=", 1) for line in given.read_text().splitlines())
            environ = {**plain, "GITHUB_ENV": str(given), **told, **filled({**jobs[name].get("env", {}), **own}, known)}
            shell(script, where, environ)

    run("judge", hosted.checkout("judge", hosted.head))
    diff = tmp_path / "temp" / "fairlead.diff.md"
    assert "folds" in diff.read_text()
    # What upload and download do between the two jobs.
    (tmp_path / "comment").mkdir()
    shutil.copy(diff, tmp_path / "comment")
    run("comment", tmp_path / "comment")
    assert posted.read_text() == f"<!-- fairlead: loans -->\n{diff.read_text()}"
    assert (tmp_path / "posted.words").read_text() == "pr comment 7 --body-file comment.md\n"
    (tmp_path / "posted.known").write_text("55\n1234\n")
    run("comment", tmp_path / "comment")
    said = (tmp_path / "posted.words").read_text().splitlines()
    assert said[1:] == ["api --method PATCH repos/us/loans/issues/comments/1234 --field body=@comment.md"]
    assert not (tmp_path / "home").exists()
    run("register", hosted.checkout("register", hosted.base))
    assert "loans/v1" not in hosted.git(hosted.origin, "tag")
    hosted.git(hosted.origin, "tag", "--annotate", "--message", "one", "loans/v1", hosted.base)
    run("release", hosted.checkout("release", "loans/v1"))
    told = Program(hosted.checkout("asked", "loans/v1"))
    answer = subprocess.run(
        [sys.executable, "-m", "fairlead", "release", "--from-git", "--tag", "loans/v1", "--json"],
        cwd=told.folder, env={**plain, "FAIRLEAD_HOME": str(tmp_path / "home")}, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert '"changed":false' in answer.stdout


@pytest.mark.verified(
    "ci",
    "GitLab's scripts",
    how="run",
    by="every script by bash with the runner's variables; a server plays the notes API",
)
def test_every_script_of_the_pipeline_works_at_a_shell(tmp_path: Path) -> None:
    hosted = Hosted(tmp_path)
    pipeline = yaml.safe_load((hosted.origin / ".gitlab-ci.yml").read_text())
    plain = {
        **environment(), **GIT, "PATH": hosted.path, "FAIRLEAD_COMMENT_TOKEN": "glpat-bot",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": hosted.base, "CI_PROJECT_ID": "12", "CI_MERGE_REQUEST_IID": "7",
        "CI_COMMIT_TAG": "loans/v1",
    }  # fmt: skip

    def run(name: str, where: Path, **more: str) -> None:
        (where.parent / f"{where.name}.tmp").mkdir(exist_ok=True)
        environ = {**plain, "CI_PROJECT_DIR": str(where), **more}
        for variable, value in pipeline[name].get("variables", {}).items():
            environ[variable] = str(value).replace("$CI_PROJECT_DIR", str(where))
        # One shell for all lines, as a runner's.
        shell("\n".join(pipeline[name]["script"]), where, environ)

    judged = hosted.checkout("judge", hosted.head)
    run("judge", judged)
    diff = judged / "fairlead.diff.md"
    assert "folds" in diff.read_text()
    with gitlab() as server:
        for _ in range(2):
            run("comment", judged, CI_API_V4_URL=server.api)
        assert server.bodies() == [f"<!-- fairlead: loans -->\n{diff.read_text()}"]
    home = str(tmp_path / "home")
    run("register", hosted.checkout("register", hosted.base), FAIRLEAD_HOME=home)
    hosted.git(hosted.origin, "tag", "loans/v1", hosted.base)
    run("release", hosted.checkout("release", "loans/v1"), FAIRLEAD_HOME=home)
    assert (tmp_path / "home" / "routes.json").is_file()
