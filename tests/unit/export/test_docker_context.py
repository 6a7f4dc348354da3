"""The build context that `fairlead export docker` writes, looked at by linter and validator of each of its files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest
import yaml
from tests.journeys.cli import fairlead
from tests.unit.export.write_locks import LOCKS, ROOT

from fairlead.reach.export.locked import PYTHONS, base, read_lock


@pytest.fixture(scope="module")
def context(loans_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("context") / "docker"
    ended = fairlead(loans_project, "export", "docker", "--out", str(out), "--json")
    assert ended.code == 0, ended.err
    assert ended.json["version"] == 1
    assert ended.json["image"] == f"fairlead/loans:v1-{ended.json['bundle'][:12]}"
    return out


@pytest.mark.verified("images", "Dockerfile", how="validated", by="hadolint, every rule, no exception")
def test_hadolint_has_nothing_to_say(context: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-fail", str(context / "Dockerfile")], capture_output=True, text=True, timeout=60
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.verified("images", "CycloneDX 1.6", how="validated", by="cyclonedx-python-lib, strict JSON validator")
def test_the_bill_of_materials_is_valid_and_names_all_that_is_installed(context: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (context / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    listed = {one["name"]: one for one in bill["components"] if one["type"] == "library"}
    locked = read_lock((context / "requirements.txt").read_text(), "3.11")
    assert set(listed) == {part.name for part in locked}
    assert all(one["licenses"][0]["expression"] for one in listed.values())
    assert {part.hashes for part in locked if part.name == "numpy"} == {
        tuple(h["content"] for h in listed["numpy"]["externalReferences"][0]["hashes"])
    }
    assert listed["fairlead"]["hashes"], "our own wheel is at hand, so its hash is its own"
    assert all(name in (context / "LICENCES.txt").read_text() for name in listed)


def test_the_lock_that_ships_is_the_one_we_test_with_and_every_licence_is_known() -> None:
    assert (LOCKS / "base.txt").read_text() == (ROOT / "requirements" / "base.txt").read_text(), (
        "run python -m tests.unit.export.write_locks"
    )
    for python in PYTHONS:
        assert all(part.licence != "NOASSERTION" for part in base(python)), (
            "run python -m tests.unit.export.write_locks"
        )


def test_the_compose_file_takes_every_right_away(context: Path) -> None:
    service = yaml.safe_load((context / "compose.yaml").read_text())["services"]["loans"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]


def test_the_wheel_holds_the_data_plane_and_no_more(context: Path) -> None:
    (wheel,) = (context / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as found:
        floors = {name.split("/")[1] for name in found.namelist() if name.startswith("fairlead/")}
        assert floors == {"__init__.py", "contract", "runtime"}
        assert not [name for name in found.namelist() if name.endswith((".c", ".h", ".pyc"))]
        assert found.testzip() is None


def test_the_same_version_gives_the_same_bytes(context: Path, loans_project: Path, tmp_path: Path) -> None:
    fairlead(loans_project, "export", "docker", "--out", str(tmp_path / "again"))
    first, second = (
        {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (context, tmp_path / "again")
    )
    assert first == second


def test_the_bundle_in_it_is_the_sealed_one(context: Path) -> None:
    from fairlead.runtime.bundle import signer_of, verify

    verified = verify(context / "bundle", (signer_of(context / "bundle"),))
    told = json.loads((context / "fairlead-export.json").read_text())
    assert verified.id == told["bundle"]
    dockerfile = (context / "Dockerfile").read_text()
    assert f'"--trust", "{verified.signer}"' in dockerfile
    assert f'fairlead.bundle="{verified.id}"' in dockerfile


def test_a_folder_that_was_edited_stays_unless_forced(loans_project: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "docker")
    assert fairlead(loans_project, "export", "docker", "--out", out).code == 0
    (tmp_path / "docker" / "Dockerfile").write_text("FROM scratch\n")
    refused = fairlead(loans_project, "export", "docker", "--out", out)
    assert refused.code == 2
    assert "was edited since it was exported (Dockerfile)" in refused.err
    assert fairlead(loans_project, "export", "docker", "--out", out, "--force").code == 0
    assert (tmp_path / "docker" / "Dockerfile").read_text() != "FROM scratch\n"
    other = tmp_path / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    assert fairlead(loans_project, "export", "docker", "--out", str(other)).code == 2
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_wheels_that_are_not_the_locked_ones_are_refused(loans_project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "msgspec-0.22.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("msgspec-0.22.0.dist-info/METADATA", "Metadata-Version: 2.4\nName: msgspec\nVersion: 0.22.0\n")
    ended = fairlead(loans_project, "export", "docker", "--out", str(tmp_path / "out"), "--set", f"wheels={folder}")
    assert ended.code == 2
    assert "numpy 2.4.6 is missing" in ended.err or "is missing" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_licence_that_asks_for_more_is_not_shipped_unsaid(loans_project: Path, tmp_path: Path) -> None:
    from fairlead.contract.errors import LicenceRefused
    from fairlead.ops.flow import Workspace
    from fairlead.reach.export import exported_of
    from fairlead.reach.export.docker import Docker
    from fairlead.reach.export.exported import told
    from fairlead.reach.export.locked import Part

    options = told("docker", Docker.options, [])
    exported = msgspec.structs.replace(exported_of(Workspace.find(loans_project)), options=options)
    parts = [Part("tree", "1.0", ("0" * 64,), "MIT"), Part("copied", "1.0", ("1" * 64,), "GPL-3.0-only")]
    with pytest.raises(LicenceRefused, match=r"copied: GPL-3.0-only.*--set licences=copied"):
        Docker()._licensed(exported, parts)
    said = msgspec.structs.replace(exported, options={**options, "licences": "copied"})
    Docker()._licensed(said, parts)
