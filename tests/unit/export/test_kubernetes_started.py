"""The very arguments and variables of the exported pods, given to the data plane: it starts, and asks for keys."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import exporting_samples
import httpx
import msgspec
import pyarrow.parquet
import pytest
import yaml
from tests.conftest import environment

from fairlead.contract.routes import Route
from fairlead.contract.settings import CaptureSettings
from fairlead.reach.export import Exported
from fairlead.reach.export.docker import Docker
from fairlead.reach.export.kserve import KServe
from fairlead.reach.export.kubernetes.target import Kubernetes
from fairlead.reach.export.rollouts import Rollouts
from fairlead.runtime.capture.redaction import redact

pytestmark = pytest.mark.long
SECRET = "s" * 40
ROW = {"age": 50, "plan": "pro", "code": 2}
CASES: dict[str, tuple[Any, dict[str, str]]] = {
    "kubernetes": (Kubernetes, {}),
    "rollouts": (Rollouts, {}),
    "kserve container": (KServe, {"secret": "keys"}),
    "kserve model": (KServe, {"form": "model", "storage": "s3://models/churn/3"}),
}


def entry(folder: Path, exported: Exported) -> list[str]:
    """What the image's entry point says to the data plane, with its paths where they lie here."""
    context = folder / "context"
    context.mkdir()
    Docker().write(exported, context)
    (said,) = re.findall(r"^ENTRYPOINT (.*)$", (context / "Dockerfile").read_text(), re.M)
    here = {"/opt/bundle": folder / "bundle", "/opt/terms.json": context / "terms.json",
            "/var/lib/fairlead": folder / "home"}  # fmt: skip
    return [str(here.get(word, word)) for word in json.loads(said)[3:]]


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
    words = entry(tmp_path, exporting_samples.exported(tmp_path, Docker))
    assert words[:2] == ["--image", bundle]
    assert words[-1] == signer
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
        process.wait(60)
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


@pytest.mark.verified("kubernetes", "Collector sidecar", how="run",
                      by="server and collector as the pod says: collected after the server ended")  # fmt: skip
@pytest.mark.parametrize("encrypt", ["", "env:RECORDS"])
def test_the_collector_ends_after_the_server_and_brings_its_last_answers(tmp_path: Path, encrypt: str) -> None:
    plain = exporting_samples.exported(tmp_path, Kubernetes)
    capture = CaptureSettings(redact=("plan",), encrypt=encrypt)
    exported = msgspec.structs.replace(
        plain, settings=msgspec.structs.replace(plain.settings, capture=capture), encrypted=capture.encrypt,
        route=Route(model=plain.model, variants=(), redact=capture.redact),
    )  # fmt: skip
    paths = Kubernetes().write(exported, tmp_path / "out")
    every = [one for p in paths if p.parent.name == "base" for one in yaml.safe_load_all(p.read_text())]
    pod = next(one for one in every if one["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    project = tmp_path / "project"
    project.mkdir()
    told = next(one for one in every if one["kind"] == "ConfigMap")["data"]["fairlead.toml"]
    (project / "fairlead.toml").write_text(told)
    secrets = {"FAIRLEAD_KEY": SECRET, "FAIRLEAD_REDACT_KEY": "5e" * 32, "RECORDS": "7a" * 32}
    started: dict[str, subprocess.Popen[str]] = {}
    (server,), (collector,) = pod["containers"], pod["initContainers"]
    docker = msgspec.structs.replace(exported, options=exporting_samples.exported(tmp_path, Docker).options)
    words = {
        "collector": ["fairlead", *collector["args"]],
        "server": ["fairlead.runtime.serve", *entry(tmp_path, docker), *server["args"], "--host", "127.0.0.1"],
    }
    words["server"] += ["--port", "0", "--grpc-port", "0"]
    try:
        for one in (collector, server):
            env = {e["name"]: e["value"] if "value" in e else secrets[e["name"]] for e in one["env"]}
            env = {
                name: str(tmp_path / "home") if value == "/var/lib/fairlead" else value for name, value in env.items()
            }
            said = [str(project) if word == "/project" else word for word in words[one["name"]]]
            with (tmp_path / f"{one['name']}.log").open("w") as log:
                started[one["name"]] = subprocess.Popen(
                    [sys.executable, "-m", *said], stdout=subprocess.PIPE, stderr=log, text=True, cwd=tmp_path,
                    env={**environment(), **env},
                )  # fmt: skip
        out = started["server"].stdout
        assert out is not None
        line = out.readline()
        assert line.startswith("ready: "), (tmp_path / "server.log").read_text()
        head = {"authorization": f"Bearer {SECRET}"}
        for _ in range(3):
            assert httpx.post(f"{line.split()[1]}/predict/Churn.2", json=ROW, headers=head).status_code == 200
        started["server"].send_signal(signal.SIGTERM)
        assert started["server"].wait(30) == 0
        assert started["collector"].poll() is None, (tmp_path / "collector.log").read_text()
        # As Kubernetes does it: the sidecar is told to end as soon as the server has.
        started["collector"].send_signal(signal.SIGTERM)
        assert started["collector"].wait(30) == 0, (tmp_path / "collector.log").read_text()
    finally:
        for process in started.values():
            process.kill()
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()
    (records,) = (tmp_path / "home" / "records").rglob("*.parquet")
    if encrypt:
        with pytest.raises(OSError, match="encrypted"):
            pyarrow.parquet.read_table(records)
    else:
        found = pyarrow.parquet.read_table(records)
        assert found.num_rows == 3
        assert "'pro'" not in str(found.to_pylist())
        assert redact("pro", bytes.fromhex("5e" * 32)) in str(found.to_pylist())
