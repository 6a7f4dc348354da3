"""The very arguments and variables of the exported pods, given to the data plane: it starts, and asks for keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import exporting_samples
import httpx
import pytest
import yaml
from tests.conftest import environment

from fairlead.reach.export.kserve import KServe
from fairlead.reach.export.kubernetes.target import Kubernetes
from fairlead.reach.export.rollouts import Rollouts

pytestmark = pytest.mark.long
SECRET = "s" * 40
ROW = {"age": 50, "plan": "pro", "code": 2}
CASES: dict[str, tuple[Any, dict[str, str]]] = {
    "kubernetes": (Kubernetes, {}),
    "rollouts": (Rollouts, {}),
    "kserve container": (KServe, {"secret": "keys"}),
    "kserve model": (KServe, {"form": "model", "storage": "s3://models/churn/3"}),
}


def container(folder: Path, target: Any, options: dict[str, str]) -> dict[str, Any]:
    """The container that answers, as exported."""
    paths = target().write(exporting_samples.exported(folder, target, **options), folder / "out")
    for path in paths:
        if path.suffix == ".yaml" and "kustomization" not in path.name:
            for one in yaml.safe_load_all(path.read_text()):
                spec = one.get("spec") or {}
                pod = (spec.get("template") or {}).get("spec") or spec.get("predictor") or spec
                if pod.get("containers"):
                    found: dict[str, Any] = pod["containers"][0]
                    return found
    raise AssertionError("no container")


@pytest.fixture(params=CASES)
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """URL, whether a key is asked for, and the container."""
    target, options = CASES[request.param]
    said = container(tmp_path, target, options)
    bundle = str(tmp_path / "bundle")
    signer = exporting_samples.exported(tmp_path, target, **options).signer
    # As the image's entry point begins; what the pod says comes after it, and a free port at last.
    words = ["--image", bundle, "--home", str(tmp_path / "home"), "--trust", signer]
    words += [word.replace("/mnt/models", bundle) for word in said["args"]]
    if "--grpc-port" in words:
        words += ["--grpc-port", "0"]
    keyed = any(one["name"] == "FAIRLEAD_KEY" for one in said["env"])
    given = {one["name"]: one.get("value", SECRET) for one in said["env"]}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fairlead.runtime.serve", *words, "--port", "0", "--host", "127.0.0.1"],
            stdout=subprocess.PIPE, stderr=log, text=True, env={**environment(), **given},
            cwd=tmp_path,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: "), (tmp_path / "server.log").read_text()
        yield line.split()[1], keyed, said
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        assert os.path.isdir(tmp_path / "home")


@pytest.mark.verified("kubernetes", "Pods' own arguments", how="run",
                      by="the data plane started with args and env of the exported containers")  # fmt: skip
def test_the_data_plane_starts_as_the_pod_says(started: tuple[str, bool, dict[str, Any]]) -> None:
    url, keyed, said = started
    for probe in ("readinessProbe", "livenessProbe"):
        assert httpx.get(url + said[probe]["httpGet"]["path"]).status_code == 200, "probes need no key"
    bare = httpx.post(f"{url}/predict/Churn.2", json=ROW)
    assert bare.status_code == (401 if keyed else 200)
    head = {"authorization": f"Bearer {SECRET}"}
    answer = httpx.post(f"{url}/predict/Churn.2", json=ROW, headers=head)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "yes"
    assert httpx.get(f"{url}/metrics").status_code == (401 if keyed else 200)
    assert httpx.get(f"{url}/metrics", headers=head).status_code == 200, "what the ServiceMonitor does"
