"""Every export target: one version gives the same bytes, nothing half-written, no path of this machine, no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.journeys.cli import fairlead
from tests.unit.export.sealed_loans import loans

from fairlead.contract import plugins
from fairlead.contract.errors import MissingExtra
from fairlead.reach.export import exporting

TARGETS = plugins.names(exporting.PORT)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loans(tmp_path_factory.mktemp("targets") / "loans")


def exported(project: Path, target: str, out: Path) -> dict[str, bytes]:
    try:
        exporting.target_of(target)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    ended = fairlead(project, "export", target, "--out", str(out), "--json")
    assert ended.code == 0, ended.err
    assert ended.json["files"] == sorted(p for p in found(out) if p != "fairlead-export.json")
    assert not [p.name for p in out.parent.iterdir() if p.name.startswith(".")]
    return found(out)


def found(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def needed(target: str) -> None:
    """Skip where the target's own library is not here."""
    if target == "kubeflow":
        pytest.importorskip("kfp", reason="kfp (extra kubeflow) is not installed: make test-deps")


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_version_gives_the_same_bytes_wherever_it_is_written(
    target: str, project: Path, tmp_path: Path
) -> None:
    needed(target)
    first = exported(project, target, tmp_path / "one")
    assert first == exported(project, target, tmp_path / "two" / "deep")
    assert first == exported(project, target, tmp_path / "one"), "written again over itself"


@pytest.mark.parametrize("target", TARGETS)
def test_neither_paths_of_this_machine_nor_secrets_go_out(target: str, project: Path, tmp_path: Path) -> None:
    needed(target)
    keys = [p.read_bytes().strip() for p in (project / ".fairlead" / "keys").iterdir() if not p.name.endswith(".pub")]
    for path, data in exported(project, target, tmp_path / "out").items():
        assert str(tmp_path).encode() not in data, path
        assert str(project).encode() not in data, path
        assert not any(key and key in data for key in keys), path


@pytest.mark.parametrize("target", TARGETS)
def test_options_and_descriptions_are_whole(target: str) -> None:
    try:
        made = exporting.target_of(target)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert made.name == target
    assert re.match(r"[A-Z].{20,}\.$", (type(made).__doc__ or "").split("\n")[0])
    for name, option in made.options.items():
        assert re.fullmatch(r"[a-z][a-z_-]*", name)
        assert option.help
        assert not option.choices or option.default in option.choices


def test_targets_are_listed_without_a_project(tmp_path: Path) -> None:
    ended = fairlead(tmp_path, "export", "--json")
    assert ended.code == 0
    assert [one["target"] for one in ended.json["targets"]] == list(TARGETS)


def test_what_was_not_judged_does_not_leave_the_house(tmp_path: Path) -> None:
    from tests.journeys.cli import make_project

    project = make_project(tmp_path / "loans")
    assert fairlead(project, "export", "docker").code == 1, "nothing has been trained"
    assert fairlead(project, "train").code == 0
    refused = fairlead(project, "export", "docker")
    assert refused.code == 3
    assert "has not been judged" in refused.err
    assert not (project / "export" / "docker").exists()


def test_what_cannot_be_is_said_in_one_sentence_with_its_cure(project: Path, tmp_path: Path) -> None:
    asked = {
        ("export", "kubernets"): (2, "unknown export target: 'kubernets'. Did you mean kubernetes? Known: ci, "),
        ("export", "kubernetes", "--set", "loadtest=no.json"): (2, "`fairlead loadtest --out FILE` makes one"),
        ("export", "kserve", "--set", "canary=5", "--set", "stable=churn"): (2, "--set stable: 'churn' is no image"),
        ("export", "kubernetes", "--version", "9"): (1, "version 9 of 'loans' is not registered. Registered: 1."),
    }
    for words, (code, said) in asked.items():
        ended = fairlead(project, *words)
        assert (ended.code, said in ended.err.replace("\n", " ")) == (code, True), ended.err
    told = fairlead(project, "export", "kubernetes", "--out", str(tmp_path / "out"), "--json").json["notes"]
    assert any("names no registry" in note and "--image" in note for note in told)
    named = fairlead(project, "export", "kubernetes", "--out", str(tmp_path / "out"), "--json",
                     "--image", "registry.example.org/loans:v1").json["notes"]  # fmt: skip
    assert not any("names no registry" in note for note in named)
