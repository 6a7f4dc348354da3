"""Each rule for pods, broken once: it is noticed, by its name, and it alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exporting_samples
import pytest
import yaml

from fairlead.reach.export.kubernetes.target import Kubernetes
from fairlead.reach.export.policies import CONTAINER_RULES, RULES, violations

Document = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    folder = tmp_path_factory.mktemp("policies")
    paths = Kubernetes().write(exporting_samples.exported(folder, Kubernetes, None), folder / "out")
    return [
        one
        for path in paths
        if path.parent.name == "base" and path.name != "kustomization.yaml"
        for one in yaml.safe_load_all(path.read_text())
    ]


def server(documents: list[Document]) -> Document:
    found: Document = pod(documents)["containers"][0]
    return found


def pod(documents: list[Document]) -> Document:
    owner = next(one for one in documents if one["kind"] == "StatefulSet")
    found: Document = owner["spec"]["template"]["spec"]
    return found


def without(kind: str) -> Callable[[list[Document]], object]:
    return lambda documents: documents.remove(next(one for one in documents if one["kind"] == kind))


def root_by_both(documents: list[Document]) -> None:
    pod(documents)["securityContext"]["runAsNonRoot"] = False
    server(documents)["securityContext"].pop("runAsNonRoot")


BROKEN: dict[str, tuple[str, Callable[[list[Document]], object]]] = {
    "root": ("root", root_by_both),
    "user 0": ("root", lambda d: server(d)["securityContext"].update(runAsUser=0)),
    "no memory limit": ("limits", lambda d: server(d)["resources"]["limits"].pop("memory")),
    "no cpu request": ("limits", lambda d: server(d)["resources"]["requests"].pop("cpu")),
    "no resources": ("limits", lambda d: server(d).pop("resources")),
    "latest": ("tag", lambda d: server(d).update(image="registry:5000/churn:latest")),
    "no tag": ("tag", lambda d: server(d).update(image="registry:5000/churn")),
    "writable": ("read-only", lambda d: server(d)["securityContext"].pop("readOnlyRootFilesystem")),
    "capability": ("capabilities", lambda d: server(d)["securityContext"]["capabilities"].update(add=["NET_RAW"])),
    "none dropped": ("capabilities", lambda d: server(d)["securityContext"].pop("capabilities")),
    "privileged": ("escalation", lambda d: server(d)["securityContext"].update(privileged=True)),
    "escalation": ("escalation", lambda d: server(d)["securityContext"].pop("allowPrivilegeEscalation")),
    "seccomp": ("seccomp", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    "unconfined": ("seccomp", lambda d: pod(d)["securityContext"].update(seccompProfile={"type": "Unconfined"})),
    "a value": ("secret", lambda d: server(d)["env"].append({"name": "API_TOKEN", "value": "x"})),
    "a secret": ("secret", lambda d: d.append({"kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "eA=="}})),
    "no readiness": ("probes", lambda d: server(d).pop("readinessProbe")),
    "token": ("token", lambda d: pod(d).pop("automountServiceAccountToken")),
    "host network": ("host", lambda d: pod(d).update(hostNetwork=True)),
    "host path": ("host", lambda d: pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    "host port": ("host", lambda d: server(d)["ports"][0].update(hostPort=80)),
    "no network policy": ("network", without("NetworkPolicy")),
    "no budget": ("disruption", without("PodDisruptionBudget")),
}


@pytest.mark.parametrize("how", BROKEN)
def test_each_rule_is_noticed_when_it_is_broken(good: list[Document], how: str) -> None:
    rule, breaking = BROKEN[how]
    documents = copy.deepcopy(good)
    assert violations(documents) == []
    breaking(documents)
    found = violations(documents)
    assert {one.rule for one in found} == {rule}
    assert all(one.says and one.kind and one.name for one in found)


def test_every_rule_was_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == {*RULES, *CONTAINER_RULES, "network", "disruption"}


def test_a_digest_is_as_good_as_a_tag(good: list[Document], tmp_path: Path) -> None:
    documents = copy.deepcopy(good)
    server(documents)["image"] = "registry:5000/churn@sha256:" + "a" * 64
    assert violations(documents) == []
