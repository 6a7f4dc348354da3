"""`export kubeflow`: compiled by kfp, its steps run by kfp's local runner to a registered version that answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import Program, environment
from tests.journeys.cli import make_project

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

RUN = """
import sys
from kfp import local
from fairlead.reach.export.kubeflow_steps import pipeline_of

local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[3])
done = pipeline_of("loans", "python:3.12", sys.argv[1], sys.argv[2])()
print("version:", done.output)
"""


@pytest.fixture
def project(tmp_path: Path) -> Program:
    pytest.importorskip("kfp", reason="kfp is not installed: make test-deps")
    return Program(make_project(tmp_path / "loans"))


@pytest.mark.verified(
    "pipelines", "Kubeflow Pipelines", how="run", by="compiled by kfp 2, run by its SubprocessRunner to a version"
)
def test_the_pipeline_runs_to_a_registered_version_that_answers(project: Program, tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = [sys.executable, "-c", RUN, str(project.folder), str(home), str(tmp_path / "root")]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "version: 1" in done.stdout
    assert (home / "routes.json").is_file()
    assert not (project.folder / ".fairlead" / "state.db").exists()
    told = subprocess.run(
        [sys.executable, "-m", "fairlead", "status", "--json"], cwd=project.folder,
        env={**environment(), "FAIRLEAD_HOME": str(home)}, capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert '"champion"' in told
    again = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )
    assert "version: 1" in again.stdout, again.stdout[-3000:] + again.stderr[-3000:]


def test_what_is_compiled_is_the_same_each_time_and_every_step_has_the_volume(project: Program) -> None:
    exported = [project.json("export", "kubeflow", "--out", name) for name in ("one", "two")]
    assert exported[0]["files"] == ["Dockerfile", "claim.yaml", "pipeline.yaml"]
    one, two = (project.folder / name for name in ("one", "two"))
    for name in exported[0]["files"]:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    pipeline, platform = yaml.safe_load_all((one / "pipeline.yaml").read_text())
    steps = {"exec-train", "exec-judge", "exec-register", "exec-deploy", "exec-watch"}
    executors = pipeline["deploymentSpec"]["executors"]
    assert set(executors) == steps == set(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"])
    assert {e["container"]["image"] for e in executors.values()} == {"fairlead/python-studio:0.1.0"}
    assert str(project.folder) not in (one / "pipeline.yaml").read_text()
    tasks = pipeline["root"]["dag"]["tasks"]
    assert not any(task["cachingOptions"] for task in tasks.values())
    shutil.rmtree(one)
