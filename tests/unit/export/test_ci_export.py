"""Pipelines as `export ci` writes them: right by their systems' own validators, with no more rights than they need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.reach.export import Exported
from fairlead.reach.export.ci import Ci

WORKFLOW = ".github/workflows/fairlead-churn-2.yml"


def exported(**options: str) -> Exported:
    given = {name: option.default for name, option in Ci.options.items()} | options
    settings = Settings(model=ModelSettings(name="Churn.2", task="classification", target="left"))
    return Exported(
        model="Churn.2", settings=settings, root=Path("nowhere"), home=Path("nowhere"), trusted=(), fairlead="0.1.0",
        image="", options=given,
    )  # fmt: skip


def program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: make test-deps")
    return found


def written(to: Path, **options: str) -> dict[str, Any]:
    """The pipelines as YAML reads them, by path."""
    return {p.relative_to(to).as_posix(): yaml.safe_load(p.read_text()) for p in Ci().write(exported(**options), to)}


@pytest.mark.verified("ci", "GitHub Actions", how="validated", by="actionlint and SchemaStore's schema, every option")
@pytest.mark.parametrize("cloud", ["none", "aws", "gcp", "azure"])
def test_workflows_are_clean_by_actionlint_and_schema(tmp_path: Path, cloud: str) -> None:
    actionlint, schema = program("actionlint"), program("check-jsonschema")
    (path,) = Ci().write(exported(provider="github", cloud=cloud, folder="models/churn"), tmp_path)
    # `fairlead` is the label of a runner of one's own, which only its owner knows.
    ours = ["-ignore", 'label "fairlead" is unknown', "-shellcheck=", str(path)]
    done = subprocess.run([actionlint, *ours], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    words = [schema, "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.verified("ci", "GitLab CI", how="validated", by="GitLab's schema by check-jsonschema, every option")
@pytest.mark.parametrize("cloud", ["none", "aws", "gcp", "azure"])
def test_gitlab_pipelines_are_clean_by_their_schema(tmp_path: Path, cloud: str) -> None:
    (path,) = Ci().write(exported(provider="gitlab", cloud=cloud), tmp_path)
    words = [program("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_left_to_fill_in_and_no_key_stands_twice(tmp_path: Path) -> None:
    class Once(yaml.SafeLoader):
        """YAML in which a key that stands twice is an error, which it silently is not elsewhere."""

    def once(loader: Any, node: Any) -> dict[Any, Any]:
        names = [loader.construct_object(key) for key, _ in node.value]
        assert len(names) == len(set(names)), names
        return dict(loader.construct_pairs(node, deep=True))

    Once.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, once)
    for number, cloud in enumerate(("none", "aws", "gcp", "azure")):
        for path in Ci().write(exported(cloud=cloud), tmp_path / str(number)):
            assert not re.search(r"@[A-Z_]+@", path.read_text())
            yaml.load(path.read_text(), Loader=Once)


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (Ci().write(exported(cloud="aws"), tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    assert [p.relative_to(tmp_path / "a").as_posix() for p in one] == [WORKFLOW, ".gitlab-ci.yml"]


def test_jobs_of_pull_requests_have_no_secret_no_runner_of_ours_and_no_right_but_to_read(tmp_path: Path) -> None:
    workflow = written(tmp_path, cloud="aws")[WORKFLOW]
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert jobs["judge"]["permissions"] == {"contents": "read"}
    assert jobs["judge"]["runs-on"] == jobs["comment"]["runs-on"] == "ubuntu-24.04"
    assert "secrets." not in str(jobs)
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") for step in jobs["comment"]["steps"])
    assert "vars." not in str(jobs["judge"]) + str(jobs["comment"])
    for name in ("register", "release"):
        assert jobs[name]["runs-on"] == ["self-hosted", "fairlead"]
        assert jobs[name]["permissions"] == {"contents": "read", "id-token": "write"}
        assert jobs[name]["if"].startswith("github.event_name == 'push'")
        assert "secrets." not in str(jobs[name])
    assert "environment" in jobs["release"]


def test_actions_are_pinned_and_nothing_from_outside_is_text_of_a_script(tmp_path: Path) -> None:
    steps = [s for job in written(tmp_path, cloud="gcp")[WORKFLOW]["jobs"].values() for s in job["steps"]]
    assert all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", s["uses"]) for s in steps if "uses" in s)
    assert not any("${{" in s["run"] for s in steps if "run" in s)


def test_gitlab_runs_what_is_merged_by_runners_that_have_the_home(tmp_path: Path) -> None:
    pipeline = written(tmp_path, cloud="azure")[".gitlab-ci.yml"]
    assert "tags" not in pipeline["judge"]
    assert "id_tokens" not in pipeline["judge"]
    assert pipeline["release"]["tags"] == ["fairlead"]
    assert pipeline["release"]["rules"] == [{"if": r"$CI_COMMIT_TAG =~ /^Churn\.2\/v/"}]
    assert pipeline["release"]["id_tokens"] == {"FAIRLEAD_TOKEN": {"aud": "api://AzureADTokenExchange"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("folder", v) for v in ("/etc", "../up", "a b", "$(id)", "a/../b")),
        *(("branch", v) for v in ("", "a b", "-x", "x]", "${{ secrets.A }}")),
        *(("runner", v) for v in ("", "a,", "a b", "x]")),
    ],
)
def test_options_that_would_be_other_yaml_or_shell_are_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        Ci().write(exported(**{name: value}), tmp_path)


@pytest.mark.parametrize("name", ["1.10", "1e3", "release/2.0", "null", "on"])
def test_branches_and_folders_that_look_like_numbers_stay_text(tmp_path: Path, name: str) -> None:
    files = written(tmp_path, branch=name, folder=name, runner=f"self-hosted,{name.replace('/', '-')}")
    on = files[WORKFLOW][True]  # YAML 1.1 takes the word `on` for a truth; GitHub does not
    assert on["pull_request"]["branches"] == on["push"]["branches"] == [name]
    assert files[WORKFLOW]["defaults"]["run"]["working-directory"] == name
    assert files[WORKFLOW]["jobs"]["release"]["runs-on"] == ["self-hosted", name.replace("/", "-")]
    assert files[".gitlab-ci.yml"]["release"]["tags"] == [name.replace("/", "-")]
