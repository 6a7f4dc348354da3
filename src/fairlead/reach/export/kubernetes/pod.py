"""The pod that answers: one container of the data plane, a collector beside it, nothing that it does not need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from fairlead.reach.export.alone import Needed, needed
from fairlead.reach.export.exported import Exported
from fairlead.reach.export.kubernetes.documents import Document
from fairlead.reach.export.kubernetes.sizing import Sizes

USER = 65532
HOME, PYTHON, PROJECT = "/var/lib/fairlead", "/opt/fairlead/bin/python", "/project"
PORT = 8080
LEAVE_S, DRAIN_S, COLLECT_S = 5, 15, 25
"""Seconds until balancers heard that a pod leaves; that the server drains, at least; that the collector has besides."""
SERVER, COLLECTOR = "server", "collector"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is run. routes: URL, "" for the image's own bundle. keys: hex keys that sign them. collector: its image, ""
    for none. records: "pod" or "shared". credentials: Secret whose entries are the collector's variables. pulls:
    Secrets that images are pulled with. watched: labels by which Prometheus chooses monitors and rules."""

    exported: Exported
    sizes: Sizes
    routes: str = ""
    keys: tuple[str, ...] = ()
    collector: str = ""
    records: str = "pod"
    credentials: str = ""
    pulls: tuple[str, ...] = ()
    watched: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Of everything."""
        return self.exported.name

    @property
    def secret(self) -> str:
        """Name of the Secret that a person makes."""
        return f"{self.name}-keys"

    @property
    def grpc(self) -> int | None:
        """Port of gRPC, where the project serves it."""
        return self.exported.settings.serve.grpc_port or None

    @property
    def chosen(self) -> dict[str, str]:
        """Labels by which its pods are found; they never change."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/component": "data-plane"}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every document. part-of is the name of Prometheus' job, which the alert rules ask for."""
        return {**self.chosen, "app.kubernetes.io/part-of": "fairlead", "app.kubernetes.io/managed-by": "fairlead"}

    def meta(self, name: str = "", **more: Any) -> Document:
        """metadata of a document."""
        return {"name": name or self.name, "labels": self.labels, **more}

    def said(self) -> dict[str, str]:
        """What a pod says of itself, for people."""
        exported = self.exported
        return {
            "fairlead.dev/bundle": exported.bundle,
            "fairlead.dev/version": "" if exported.version is None else str(exported.version),
            "fairlead.dev/signer": exported.signer,
            "kubectl.kubernetes.io/default-container": SERVER,
        }


def pod_of(plan: Plan, beside: Sequence[Document] = (), said: Mapping[str, str] = MappingProxyType({})) -> Document:
    """A pod template. Volumes `home` come from the claims of whoever owns it. beside: sidecars. said: annotations."""
    spec: Document = {
        "serviceAccountName": plan.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s(plan),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [_spread(plan, key) for key in ("topology.kubernetes.io/zone", _HOST)],
        **({"initContainers": list(beside)} if beside else {}),
        "containers": [server_of(plan)],
    }
    volumes: list[Document] = []
    if beside:
        volumes.append({"name": "project", "configMap": {"name": f"{plan.name}-project"}})
    if plan.records == "shared":
        volumes.append({"name": "records", "persistentVolumeClaim": {"claimName": f"{plan.name}-records"}})
    if volumes:
        spec["volumes"] = volumes
    return {"metadata": {"labels": plan.labels, "annotations": {**plan.said(), **said}}, "spec": spec}


_HOST = "kubernetes.io/hostname"


def grace_s(plan: Plan) -> int:
    """Seconds that a pod has to end: what was asked last is answered within the time limit of requests, and
    collected."""
    return LEAVE_S + max(DRAIN_S, math.ceil(plan.exported.settings.serve.timeout_s) + 1) + COLLECT_S


def scratch(exported: Exported, least: int) -> Document:
    """A volume `home` that goes with its pod: room for spools at their bound, as who takes more than it may is evicted.

    least: GiB.
    """
    bound = exported.settings.serve.workers * exported.settings.capture.max_spool_mb / 1024
    return {"name": "home", "emptyDir": {"sizeLimit": f"{max(least, math.ceil(bound) + 1)}Gi"}}


def server_of(plan: Plan) -> Document:
    """The container that answers: the image's entry point with what it is told here."""
    told = ["--workers", str(plan.exported.settings.serve.workers), "--require-key"]
    if plan.grpc:
        told += ["--grpc-port", str(plan.grpc)]
    if plan.routes:
        told += ["--routes", plan.routes]
        for key in plan.keys:
            told += ["--routes-key", key]
        if plan.routes.startswith("http://"):
            told.append("--insecure")
    variable, entry = ("FAIRLEAD_ROUTES_TOKEN", "routes-token") if plan.routes else ("FAIRLEAD_KEY", "key")
    secrets = [(variable, entry), *((one.variable, one.entry) for one in secrets_of(plan))]
    ports = [{"name": "http", "containerPort": PORT}]
    if plan.grpc:
        ports.append({"name": "grpc", "containerPort": plan.grpc})
    return {
        "name": SERVER,
        "image": plan.exported.image,
        "imagePullPolicy": "IfNotPresent",
        "args": told,
        "ports": ports,
        "env": [
            {"name": "OMP_NUM_THREADS", "value": "1"},
            *(of_secret(plan, *one) for one in secrets),
        ],
        # Readiness says whether there is a model to ask; life says only that the process answers: a control plane
        # that is gone must not restart what still answers.
        "startupProbe": _probe("/v2/health/live", periodSeconds=1, failureThreshold=60),
        "readinessProbe": _probe("/v2/health/ready", periodSeconds=2, failureThreshold=2, timeoutSeconds=2),
        "livenessProbe": _probe("/v2/health/live", periodSeconds=10, failureThreshold=3, timeoutSeconds=5),
        # Balancers take seconds to hear that a pod leaves: it answers on meanwhile, and drains after that.
        "lifecycle": {"preStop": {"exec": {"command": [PYTHON, "-c", f"import time; time.sleep({LEAVE_S})"]}}},
        "resources": {
            "requests": {"cpu": plan.sizes.cpu, "memory": plan.sizes.memory},
            "limits": {"cpu": plan.sizes.cpu_limit, "memory": plan.sizes.memory_limit},
        },
        "securityContext": locked_down(),
        "volumeMounts": mounts_of(plan),
    }


def secrets_of(plan: Plan) -> list[Needed]:
    """What records are kept with. Routes of a control plane bring the key of the redaction hash."""
    return [one for one in needed(plan.exported) if one.entry != "redact-key" or not plan.routes]


def of_secret(plan: Plan, variable: str, entry: str) -> Document:
    """A variable from the Secret that a person makes."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": plan.secret, "key": entry}}}


def mounts_of(plan: Plan) -> list[Document]:
    """The pod's own home; records and labels of all pods beside it where they are shared."""
    found: list[Document] = [{"name": "home", "mountPath": HOME}]
    if plan.records == "shared":
        found += [{"name": "records", "mountPath": f"{HOME}/{one}", "subPath": one} for one in ("records", "labels")]
    return found


def locked_down() -> Document:
    """What every container is held to."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _probe(path: str, **how: int) -> Document:
    return {"httpGet": {"path": path, "port": "http"}, **how}


def _spread(plan: Plan, key: str) -> Document:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": plan.chosen},
    }
