"""Where an export may be put: never over what no export wrote, whatever was said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.journeys.cli import fairlead, make_project


def below(folder: Path) -> dict[str, bytes]:
    """All files but those that say what was done."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".fairlead" not in path.parts
    }


@pytest.mark.parametrize("out", [".", "", "..", "data"])
def test_by_force_nothing_goes_that_no_export_wrote(tmp_path: Path, out: str) -> None:
    """A pipeline belongs into the root of its repository, so people say so; all that lay there was removed."""
    project = make_project(tmp_path / "loans")
    (project / "data").mkdir()
    (project / "data" / "mine.csv").write_text("1\n")
    (project / ".fairlead" / "keys").mkdir(parents=True)
    (project / ".fairlead" / "keys" / "mine").write_text("secret")
    before = below(tmp_path)
    where = str(project / out) if out != "" else str(project)
    for words in (["--out", out or where], ["--out", where]):
        refused = fairlead(project, "export", "ci", *words, "--force")
        assert refused.code == 2, refused.err + refused.out
        assert "--out" in refused.err
        assert below(tmp_path) == before
        assert (project / ".fairlead" / "keys" / "mine").read_text() == "secret"


def test_not_even_over_an_export_in_which_the_project_lies(tmp_path: Path) -> None:
    project = make_project(tmp_path / "loans")
    made = fairlead(project, "export", "ci", "--out", "made")
    assert made.code == 0, made.err
    # A person took the whole export over, as it says which files are its own.
    (project / "fairlead-export.json").write_bytes((project / "made" / "fairlead-export.json").read_bytes())
    refused = fairlead(project, "export", "ci", "--out", str(project), "--force")
    assert refused.code == 2
    assert "the project lies in" in refused.err
    assert (project / "loans.csv").is_file()


def test_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    project = make_project(tmp_path / "loans")
    (tmp_path / "real").mkdir()
    (project / "export").symlink_to(tmp_path / "real")
    (project / "out").symlink_to(tmp_path / "real" / "ci")
    for _ in range(2):
        assert fairlead(project, "export", "ci", "--out", "out").code == 0
    assert (project / "out").is_symlink()
    assert (tmp_path / "real" / "ci" / ".gitlab-ci.yml").is_file()
    assert [path.name for path in tmp_path.rglob(".*.old-*")] == []
