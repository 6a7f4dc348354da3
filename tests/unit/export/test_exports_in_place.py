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


def test_another_image_by_the_same_name_is_told(
    loans_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes keep what they have by a name: rows that were to be redacted went on being written down as they came."""
    words = ("export", "docker", "--out", str(tmp_path / "docker"), "--json")
    for _ in range(2):
        assert not any("another image" in note for note in fairlead(loans_project, *words).json["notes"])
    monkeypatch.setenv("FAIRLEAD_CAPTURE__SAMPLE", "0.5")
    (note,) = [one for one in fairlead(loans_project, *words).json["notes"] if "another image" in one]
    assert "terms.json" in note
    assert "--image" in note
    named = fairlead(loans_project, *words, "--image", "registry.example.org/loans:v1-half").json["notes"]
    assert not any("another image" in one for one in named)


def test_a_digest_alone_names_an_image_that_is_there_and_none_that_is_to_be_built(
    loans_project: Path, tmp_path: Path
) -> None:
    image = "registry.example.org:5000/team/loans@sha256:" + "0a" * 32
    made = fairlead(loans_project, "export", "kubernetes", "--out", str(tmp_path / "k"), "--image", image)
    assert made.code == 0, made.err
    assert f"image: {image}" in (tmp_path / "k" / "base" / "statefulset.yaml").read_text()
    refused = fairlead(loans_project, "export", "docker", "--out", str(tmp_path / "d"), "--image", image)
    assert refused.code == 2
    assert "digest" in refused.err
    for wrong in ("registry.example.org:5000/loans", "loans:latest@sha256:" + "0a" * 32, "loans@sha256:0"):
        assert fairlead(loans_project, "export", "kubernetes", "--image", wrong).code == 2
