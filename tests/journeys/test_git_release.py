"""`fairlead release --from-git` in a real repository: what tags say answers, and what they may not say is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import fairlead, make_project

import fairlead as library
from fairlead.contract.errors import ConfigInvalid, Frozen, HeldByHuman, NotAttested, Refused, UsageError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A project in a repository of its own, with versions 1 and 2 that passed their gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, why: str, **files: str) -> None:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_toml", ".toml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", why)

    def says(self, version: int, bundle: str = "") -> None:
        told = f"[release]\nversion = {version}\n" + (f'bundle = "{bundle}"\n' if bundle else "")
        self.commit(f"version {version} answers", releases__loans_toml=told)

    def setting(self, text: str) -> None:
        file = self.folder / "fairlead.toml"
        file.write_text(file.read_text() + text)
        self.git("commit", "--quiet", "--all", "--message", "settings")

    @property
    def project(self) -> library.Project:
        return library.open(self.folder)

    def release(self, tag: str | None = None, **more: Any) -> dict[str, Any]:
        return self.project.release_from_git(tag, **more)

    @property
    def champion(self) -> int:
        intent = self.project.workspace.state.intent("loans")
        return 0 if intent is None else int(intent.variants[0].version)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("git") / "loans")
    project = library.open(folder)
    settings = folder / "fairlead.toml"
    for seed in (0, 1):
        settings.write_text(settings.read_text().replace("seed = 0", f"seed = {seed}"))
        project = library.open(folder)
        project.train()
        project.evaluate()
        assert project.register()["version"] == seed + 1
    settings.write_text(settings.read_text().replace("seed = 1", "seed = 2"))
    library.open(folder).train()
    assert library.open(folder).register()["version"] == 3
    repository = Repository(folder)
    repository.git("init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text(".fairlead/\n")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "a project")
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Repository:
    shutil.copytree(made, tmp_path / "loans", symlinks=True)
    return Repository(tmp_path / "loans")


RAN = "real git repository: what tag and file say answers, twice is once, revert goes back"


@pytest.mark.verified("ci", "release by tag", how="run", by=RAN)
def test_a_tags_name_says_the_version_and_twice_is_once(repository: Repository) -> None:
    repository.git("tag", "loans/v1")
    repository.git("tag", "loans/v2")
    first = repository.release("loans/v1")
    assert (first["champion"], first["changed"], first["previous"]) == (1, True, None)
    second = repository.release("loans/v2")
    assert (second["champion"], second["changed"], second["previous"]) == (2, True, 1)
    again = repository.release("loans/v2")
    assert (again["changed"], again["generation"]) == (False, second["generation"])
    assert repository.champion == 2
    told = [e.details for e in repository.project.workspace.audit.events() if e.action == "release from git"]
    assert [one["tag"] for one in told] == ["loans/v1", "loans/v2"]


@pytest.mark.verified(
    "ci", "rollback by revert", how="run", by="git revert of the commit that named the version, released"
)
def test_a_file_says_the_version_and_a_revert_goes_back(repository: Repository) -> None:
    repository.says(1)
    assert repository.release()["champion"] == 1
    bundle = repository.project.workspace.state.version("loans", 2).bundle
    repository.says(2, bundle)
    released = repository.release()
    assert (released["champion"], released["bundle"], released["tag"]) == (2, bundle, None)
    repository.git("revert", "--no-edit", "HEAD")
    assert repository.release()["champion"] == 1
    repository.git("tag", "loans/back-to-1")
    assert repository.release("loans/back-to-1")["changed"] is False
    assert repository.champion == 1


def test_what_does_not_agree_is_refused_and_changes_nothing(repository: Repository) -> None:
    repository.says(1, "0" * 64)
    with pytest.raises(Refused, match="made in another home"):
        repository.release()
    repository.says(1)
    repository.git("tag", "loans/v2")
    with pytest.raises(Refused, match=r"loans/v2 says version 2, and releases/loans.toml in it says 1"):
        repository.release("loans/v2")
    repository.git("tag", "loans/v1", "HEAD~1")
    with pytest.raises(Refused, match="git switch --detach loans/v1"):
        repository.release("loans/v1")
    for text in ("[release]\n", "[release]\nversion = 0\n", "[release]\nversion = 1\nmodel = 'x'\n", "version"):
        repository.commit("broken", releases__loans_toml=text)
        with pytest.raises(ConfigInvalid, match=r"releases/loans.toml"):
            repository.release()
    assert repository.champion == 0


def test_there_must_be_a_tag_that_says_something(repository: Repository) -> None:
    repository.git("tag", "nightly")
    for tag in ("loans/v9", "--output=x", "a b"):
        with pytest.raises(UsageError, match="there is no tag"):
            repository.release(tag)
    with pytest.raises(UsageError, match="nightly is no tag as loans/v3"):
        repository.release("nightly")
    with pytest.raises(UsageError, match="no --tag was given"):
        repository.release()


def test_a_repository_without_a_commit_is_told_so(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "fresh")
    with pytest.raises(UsageError, match="no commit yet: commit the project first"):
        repository.release()


def test_a_tree_that_differs_is_refused_unless_that_is_let_be(repository: Repository) -> None:
    repository.git("tag", "loans/v1")
    (repository.folder / "notes.txt").write_text("untracked is no part of it")
    (repository.folder / "loans.csv").write_text("changed\n")
    with pytest.raises(Refused, match=r"differs from its commit \(loans.csv\)"):
        repository.release("loans/v1")
    repository.git("checkout", "--quiet", "loans.csv")
    repository.setting("\n[release]\nclean = false\n")
    (repository.folder / "loans.csv").write_text("changed\n")
    repository.git("tag", "--force", "loans/v1")
    assert repository.release("loans/v1")["champion"] == 1


def test_gates_freezes_and_people_count_as_everywhere(repository: Repository) -> None:
    repository.git("tag", "loans/v3")
    with pytest.raises(NotAttested):
        repository.release("loans/v3")
    repository.git("tag", "loans/v1")
    repository.git("tag", "loans/v2")
    repository.release("loans/v1")
    repository.project.pin("holidays")
    with pytest.raises(HeldByHuman, match="pinned by a person"):
        repository.release("loans/v2")
    assert repository.release("loans/v1")["changed"] is False
    repository.project.release()
    repository.setting('\n[rollout]\nfreeze = ["2000-01-01 - 2100-01-01"]\n')
    repository.git("tag", "--force", "loans/v2")
    with pytest.raises(Frozen):
        repository.release("loans/v2")
    assert repository.champion == 1
    assert repository.release("loans/v2", despite_freeze="the other one is wrong")["champion"] == 2


@pytest.fixture
def sign(repository: Repository, tmp_path: Path) -> Callable[[str, str], None]:
    """Sign tags as somebody; ada may, eve may not."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: make test-deps")
    for name in ("ada", "eve"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(words, check=True, timeout=30)
    public = (tmp_path / "ada.pub").read_text()
    own = repository.folder / ".fairlead" / "keys" / "release_signers"
    own.write_text(f'ada@example.org namespaces="git" {public}')

    def as_somebody(name: str, *words: str) -> None:
        repository.git("-c", "gpg.format=ssh", "-c", f"user.signingkey={tmp_path / name}", *words)

    return as_somebody


@pytest.mark.verified("ci", "signed tags", how="run", by="git tag --sign with SSH keys of ssh-keygen, allowed signers")
def test_where_signers_are_known_nothing_unsigned_is_released(
    repository: Repository, sign: Callable[..., None]
) -> None:
    repository.git("tag", "loans/v1")
    with pytest.raises(Refused, match="not a signed tag of that name"):
        repository.release("loans/v1")
    repository.git("tag", "--force", "--annotate", "--message", "unsigned", "loans/v1")
    with pytest.raises(Refused, match="no signature of an allowed signer"):
        repository.release("loans/v1")
    sign("eve", "tag", "--force", "--sign", "--message", "by eve", "loans/v1")
    with pytest.raises(Refused, match="no signature of an allowed signer"):
        repository.release("loans/v1")
    sign("ada", "tag", "--force", "--sign", "--message", "by ada", "loans/v1")
    released = repository.release("loans/v1")
    assert (released["champion"], released["signer"]) == (1, "ada@example.org")
    # An old signed tag under a new name.
    repository.git("update-ref", "refs/tags/loans/v2", repository.git("rev-parse", "refs/tags/loans/v1"))
    with pytest.raises(Refused, match="not a signed tag of that name"):
        repository.release("loans/v2")
    # The repository cannot say that signatures do not matter.
    repository.setting("\n[release]\nsigned = false\n")
    repository.says(2)
    with pytest.raises(Refused, match="HEAD carries no signature"):
        repository.release()
    sign("ada", "commit", "--amend", "--no-edit", "--quiet", "--gpg-sign")
    assert repository.release()["champion"] == 2


def test_signatures_asked_for_with_nobody_known_is_said(repository: Repository) -> None:
    repository.setting("\n[release]\nsigned = true\n")
    repository.git("tag", "loans/v1")
    with pytest.raises(ConfigInvalid, match="nobody is known who may"):
        repository.release("loans/v1")


def test_the_verb_says_what_it_did_and_exits_by_why_not(repository: Repository) -> None:
    repository.git("tag", "loans/v1")
    done = fairlead(repository.folder, "release", "--from-git", "--tag", "loans/v1")
    assert done.code == 0, done.err
    assert "loans version 1" in done.out
    assert "as loans/v1 says" in done.out
    again = fairlead(repository.folder, "release", "--from-git", "--tag", "loans/v1", "--json").json
    assert (again["changed"], again["champion"], again["tag"], again["signer"]) == (False, 1, "loans/v1", None)
    (repository.folder / "loans.csv").write_text("changed\n")
    assert fairlead(repository.folder, "release", "--from-git", "--tag", "loans/v1").code == 3
    assert fairlead(repository.folder, "release", "--tag", "loans/v1").code == 2
    assert fairlead(repository.folder, "release", "--json").json["hold"] == ""
