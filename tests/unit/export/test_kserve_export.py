"""`export kserve` and `export rollouts`: taken by KServe's own models and by the operators' published types."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import exporting_samples
import pytest
import yaml
from tests.clients.environments import python_of
from tests.conftest import ROOT

from fairlead.contract.errors import UsageError
from fairlead.reach.export.kserve import KServe
from fairlead.reach.export.kubernetes.target import Kubernetes
from fairlead.reach.export.policies import violations
from fairlead.reach.export.rollouts import Rollouts

FORMS: dict[str, dict[str, str]] = {
    "container": {"sink": "http://sink.example.svc/events", "secret": "churn-keys"},
    "model": {"form": "model", "storage": "s3://models/churn/3"},
    "container canary": {"canary": "10", "stable": "registry.example.org/team/churn:v2"},
    "model canary": {
        "form": "model",
        "storage": "s3://models/churn/3",
        "canary": "25",
        "stable": "s3://models/churn/2",
    },
    "knative canary": {"mode": "Knative", "canary": "10"},
}
HERE = Path(__file__).parent
TYPES = ("@kubernetes-models/argo-rollouts", "@kubernetes-models/prometheus-operator", "typescript")


def written(folder: Path, target: Any, **options: str) -> list[dict[str, Any]]:
    paths = target().write(exporting_samples.exported(folder, target, **options), folder / "out")
    kept = [path for path in paths if path.suffix == ".yaml" and "kustomization" not in path.name]
    return [one for path in kept for one in yaml.safe_load_all(path.read_text()) if one and "kind" in one]


def the(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [one for one in documents if one["kind"] == kind]
    return found


def taken(documents: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """By KServe's models, where KServe is installed."""
    command = [python_of("kserve"), str(HERE / "kserve_models.py")]
    return subprocess.run(
        command, input=json.dumps(documents), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.verified("kserve", "InferenceService", how="validated",
                      by="kserve 0.21's Python models take every word; five forms, both canaries")  # fmt: skip
@pytest.mark.long
def test_kserves_own_models_take_every_form(tmp_path: Path) -> None:
    documents = []
    for at, options in enumerate(FORMS.values()):
        (tmp_path / str(at)).mkdir()
        documents += written(tmp_path / str(at), KServe, **options)
    done = taken(documents)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("built InferenceService") == len(FORMS)
    assert done.stdout.count("built ServingRuntime") == 2
    wrong = copy.deepcopy(documents[0])
    wrong["spec"]["predictor"]["minReplica"] = 1
    assert "does not know ['minReplica']" in taken([wrong]).stderr


def test_a_canary_is_said_as_each_mode_says_it(tmp_path: Path) -> None:
    (tmp_path / "standard").mkdir()
    standard = the(written(tmp_path / "standard", KServe, **FORMS["container canary"]), "InferenceService")
    (canary,) = standard["spec"]["canary"]
    images = [p["containers"][0]["image"] for p in (standard["spec"]["predictor"], canary["predictor"])]
    assert images == ["registry.example.org/team/churn:v2", "registry.example.org/team/churn:v3"]
    assert canary["trafficPercent"] == 10
    assert standard["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    knative = the(written(tmp_path, KServe, **FORMS["knative canary"]), "InferenceService")
    assert knative["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert "canary" not in knative["spec"]


def test_a_model_in_a_store_is_read_by_a_runtime_that_trusts_its_seal_alone(tmp_path: Path) -> None:
    documents = written(tmp_path, KServe, **FORMS["model"])
    service, runtime = the(documents, "InferenceService"), the(documents, "ServingRuntime")
    model = service["spec"]["predictor"]["model"]
    assert model["storageUri"] == "s3://models/churn/3"
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] == runtime["spec"]["supportedModelFormats"][0]["name"]
    (container,) = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container"
    assert container["args"][:4] == ["--platform", "kserve", "--bundle", "/mnt/models"]


@pytest.mark.parametrize("form", FORMS)
def test_no_policy_is_broken_under_kserve(tmp_path: Path, form: str) -> None:
    assert violations(written(tmp_path, KServe, **FORMS[form])) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "model"}, "storage=ADDRESS"),
        ({"form": "model", "storage": "/models"}, "storage=ADDRESS"),
        ({"canary": "10"}, "stable=IMAGE"),
        ({"canary": "0", "stable": "a/b:v1"}, "1 to 99"),
        ({"replicas": "5"}, "not above"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        written(tmp_path, KServe, **options)


def node_modules() -> Path:
    """Where npm put the types, or a skip that names them."""
    for place in (
        ROOT / ".venv/npm/node_modules",
        *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(":"))),
    ):
        if all((place / name).is_dir() for name in TYPES):
            return place
    pytest.skip(f"{', '.join(TYPES)} (npm) are not installed: make test-deps")


def validated(documents: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: make test-deps")
    command = [node, str(HERE / "operator_types.mjs"), str(node_modules())]
    return subprocess.run(command, input=json.dumps(documents), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.verified("kserve", "Argo Rollouts", how="validated",
                      by="@kubernetes-models/argo-rollouts 2.0: its validators, and tsc for unknown words")  # fmt: skip
@pytest.mark.long
def test_rollout_and_template_are_of_argos_types_and_no_word_is_unknown(tmp_path: Path) -> None:
    documents = [one for one in written(tmp_path, Rollouts) if one["apiVersion"].startswith("argoproj.io")]
    assert {one["kind"] for one in documents} == {"Rollout", "AnalysisTemplate"}
    done = validated(documents)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["valid", documents[0]["kind"], "valid", documents[1]["kind"]]
    typed = compiled(documents, tmp_path)
    assert typed.returncode == 0, typed.stdout
    wrong = copy.deepcopy(the(documents, "AnalysisTemplate"))
    wrong["spec"]["metrics"][0]["failureLimit"] = {"most": 1.5, "of": ["x"]}
    wrong["spec"]["metrics"][0]["interval"] = 60
    assert validated([wrong]).returncode == 1
    wrong = copy.deepcopy(the(documents, "AnalysisTemplate"))
    wrong["spec"]["metrics"][0]["succesCondition"] = ""
    assert "\"succesCondition\"' does not exist in type 'IMetric'" in compiled([wrong], tmp_path).stdout


@pytest.mark.verified("kubernetes", "Prometheus Operator", how="validated",
                      by="@kubernetes-models/prometheus-operator 6.0 and tsc; the rules by promtool")  # fmt: skip
@pytest.mark.long
def test_monitor_and_rules_are_of_the_operators_types(tmp_path: Path) -> None:
    documents = [one for one in written(tmp_path, Kubernetes) if one["apiVersion"].startswith("monitoring.coreos")]
    assert {one["kind"] for one in documents} == {"ServiceMonitor", "PrometheusRule"}
    done = validated(documents)
    assert done.returncode == 0, done.stderr
    typed = compiled(documents, tmp_path)
    assert typed.returncode == 0, typed.stdout
    wrong = copy.deepcopy(the(documents, "ServiceMonitor"))
    wrong["spec"]["endpoints"][0]["interval"] = 15
    assert validated([wrong]).returncode == 1


def compiled(documents: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    """By TypeScript, whose literals may hold no word that their type does not name: an API server would drop it."""
    modules = node_modules()
    (folder / "node_modules").unlink(missing_ok=True)
    (folder / "node_modules").symlink_to(modules)
    place = {"argoproj.io/v1alpha1": "argo-rollouts/", "monitoring.coreos.com/v1": "prometheus-operator/"}
    lines = [
        f'import type {{ I{kind} }} from "@kubernetes-models/{place[api]}{api}/{kind}";'
        for kind, api in sorted({(one["kind"], one["apiVersion"]) for one in documents})
    ]
    lines += [f"export const of{at}: I{one['kind']} = {json.dumps(one, indent=1)};" for at, one in enumerate(documents)]
    (folder / "documents.mts").write_text("\n".join(lines))
    words = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]
    command = [str(modules / ".bin/tsc"), *words, "documents.mts"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_each_step_of_a_rollout_waits_for_the_verdict(tmp_path: Path) -> None:
    documents = written(tmp_path, Rollouts)
    steps = the(documents, "Rollout")["spec"]["strategy"]["canary"]["steps"]
    assert [step["setWeight"] for step in steps if "setWeight" in step] == [5, 20, 50]
    template = the(documents, "AnalysisTemplate")
    asked = [step["analysis"]["templates"][0]["templateName"] for step in steps if "analysis" in step]
    assert asked == [template["metadata"]["name"]] * 3
    (metric,) = template["spec"]["metrics"]
    url = "http://fairlead.fairlead.svc:8080/analysis?model={{args.model}}"
    assert metric["provider"]["web"]["url"] == f"{url}&bundle={{{{args.bundle}}}}"
    named = {one["name"]: one["value"] for one in next(s["analysis"] for s in steps if "analysis" in s)["args"]}
    assert named == {"model": "Churn.2", "bundle": exporting_samples.exported(tmp_path / "again", Rollouts).bundle}
    assert {one["name"] for one in template["spec"]["args"]} == {"model", "bundle", "key"}
    assert the(documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"] == "Rollout"


def test_no_policy_is_broken_by_a_rollout(tmp_path: Path) -> None:
    assert violations(written(tmp_path, Rollouts)) == []
