"""What no schema sees and a cluster would: room for spools, names of images, what a change reaches, odd options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import exporting_samples
import msgspec
import pytest
import yaml

from fairlead.contract.errors import FairleadError
from fairlead.contract.routes import Route
from fairlead.contract.settings import CaptureSettings, ServeSettings
from fairlead.contract.stores import StoresSettings
from fairlead.reach.export import Exported
from fairlead.reach.export.kserve import KServe
from fairlead.reach.export.kubernetes.target import Kubernetes
from fairlead.reach.export.rollouts import Rollouts


def of(folder: Path, target: Any, options: dict[str, str] | None = None, image: str = "", **settings: Any) -> Exported:
    plain = exporting_samples.exported(folder, target, **(options or {}))
    kept = msgspec.structs.replace(plain.settings, **settings)
    route = Route(model="Churn.2", variants=(), redact=("plan",))
    return msgspec.structs.replace(plain, settings=kept, image=image or plain.image, route=route)


def made(folder: Path, target: Any, exported: Exported) -> dict[str, str]:
    to = folder / "out"
    return {path.relative_to(to).as_posix(): path.read_text() for path in target().write(exported, to)}


def the(files: dict[str, str], kind: str) -> dict[str, Any]:
    many = [one for path, text in files.items() if path.endswith(".yaml") for one in yaml.safe_load_all(text)]
    return next(one for one in many if one.get("kind") == kind)


@pytest.mark.parametrize(("workers", "bound", "gib"), [(1, 1024.0, 2), (4, 1024.0, 5), (2, 8192.0, 17)])
def test_a_spool_at_its_bound_evicts_no_pod(tmp_path: Path, workers: int, bound: float, gib: int) -> None:
    """Kubernetes evicts a pod whose scratch volume grows over its limit, which two workers' spools did."""
    told = {"serve": ServeSettings(workers=workers), "capture": CaptureSettings(max_spool_mb=bound)}
    files = made(tmp_path, KServe, of(tmp_path, KServe, **told))
    (home,) = the(files, "InferenceService")["spec"]["predictor"]["volumes"]
    assert home["emptyDir"]["sizeLimit"] == f"{gib}Gi"
    files = made(tmp_path, Rollouts, of(tmp_path, Rollouts, **told))
    home = the(files, "Rollout")["spec"]["template"]["spec"]["volumes"][0]
    assert home["emptyDir"]["sizeLimit"] == f"{max(4, gib)}Gi"


@pytest.mark.parametrize(
    ("image", "records", "collector"),
    [
        ("fairlead/churn-2:v3-762b3510a8f5", "", "fairlead/collector:0.1.0"),
        ("registry.example.org/team/churn:v3", "", "registry.example.org/team/fairlead-collector:0.1.0"),
        ("localhost:5000/churn:v3", "s3://lake/x", "localhost:5000/fairlead-collector:0.1.0-clouds"),
        ("registry.example.org/churn:v3@sha256:" + "0" * 64, "abfs://c@a.dfs.core.windows.net/x",
         "registry.example.org/fairlead-collector:0.1.0-azure"),
    ],
)  # fmt: skip
def test_the_collector_comes_from_where_the_image_does(
    tmp_path: Path, image: str, records: str, collector: str
) -> None:
    """It named no registry, so pods whose own image did never started."""
    files = made(tmp_path, Kubernetes, of(tmp_path, Kubernetes, image=image, stores=StoresSettings(records=records)))
    (beside,) = the(files, "StatefulSet")["spec"]["template"]["spec"]["initContainers"]
    assert beside["image"] == collector
    assert f"docker build -t {collector} collector " in files["README.md"]
    extra = collector.partition("0.1.0")[2].replace("-", ",")
    assert f'"fairlead[studio{extra}]==0.1.0"' in files["collector/Dockerfile"]


def test_what_the_collector_is_told_anew_reaches_pods_that_run(tmp_path: Path) -> None:
    """A ConfigMap alone changes no pod, and the collector reads its project when it starts."""
    seen = []
    for days in (30, 30, 90):
        capture = CaptureSettings(keep_days=days)
        files = made(tmp_path, Kubernetes, of(tmp_path, Kubernetes, capture=capture))
        seen.append(the(files, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]["fairlead.dev/project"])
    assert seen[0] == seen[1] != seen[2]
    assert re.fullmatch(r"[0-9a-f]{12}", seen[0])


def test_each_command_of_the_readme_says_where_it_runs_and_staging_gets_its_secret(tmp_path: Path) -> None:
    """Keys of the project lie in the project, and a Secret is of one namespace."""
    readme = made(tmp_path, Kubernetes, of(tmp_path, Kubernetes))["README.md"]
    here, project = readme.index("In this folder"), readme.index("In the project's folder")
    assert here < readme.index("docker build") < project
    assert project < readme.index("--from-file=redact-key=.fairlead/keys/redact.key")
    assert "export/kubernetes" not in readme, "the folder may be another one"
    for name, space in (("staging", "fairlead-staging"), ("production", "fairlead")):
        assert f"overlays/{name}" in readme
        assert f"`{space}`" in readme
    (note,) = [one for one in Kubernetes().notes(of(tmp_path, Kubernetes)) if "Secret" in one]
    assert "fairlead-staging" in note


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (Kubernetes, {"namespace": "a.b"}),
        (Kubernetes, {"namespace": "-a"}),
        (Kubernetes, {"callers": "web.shop"}),
        (Kubernetes, {"monitoring": "x y"}),
        (Kubernetes, {"storage-class": "Fast Disks"}),
        (Kubernetes, {"storage-class": "fast,slow"}),
        (Kubernetes, {"collector": "collector"}),
        (KServe, {"secret": "My Keys"}),
        (KServe, {"sink": "nowhere"}),
        (Rollouts, {"interval": "often"}),
        (Rollouts, {"monitoring": "x y"}),
        (Rollouts, {"storage": "20 GB"}),
        (Rollouts, {"storage-class": "Fast Disks"}),
    ],
)
def test_what_a_cluster_would_refuse_is_refused_here(tmp_path: Path, target: Any, options: dict[str, str]) -> None:
    (name,) = options
    with pytest.raises(FairleadError, match=f"--set {name}"):
        target().write(of(tmp_path, target, options), tmp_path / "out")
