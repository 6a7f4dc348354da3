"""The documents of a base, one function each."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from fairlead.contract.settings import Settings
from fairlead.reach.export.kubernetes.documents import Document
from fairlead.reach.export.kubernetes.pod import PORT, Plan, pod_of

QUEUE = "fairlead_requests_in_flight"
BUSY = 16
"""Requests in flight in a worker, on average, above which there are to be more replicas."""


def stateful_set(plan: Plan, storage: str, storage_class: str) -> Document:
    """Each pod keeps its name and its volume: spool, last good routes and bundles outlive it."""
    claim: Document = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    if storage_class:
        claim["storageClassName"] = storage_class
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": plan.meta(),
        "spec": {
            # The number of replicas is the autoscaler's.
            "serviceName": f"{plan.name}-pods",
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "minReadySeconds": 5,
            "revisionHistoryLimit": 5,
            # What was not collected yet must not go with a pod.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": plan.chosen},
            "template": pod_of(plan),
            "volumeClaimTemplates": [{"metadata": {"name": "home", "labels": plan.chosen}, "spec": claim}],
        },
    }


def records_claim(plan: Plan, storage: str, storage_class: str) -> Document:
    """One volume for the records of all pods; names of files hold the pod's, so they never collide."""
    claim: Document = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": storage}}}
    if storage_class:
        claim["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": plan.meta(f"{plan.name}-records"),
        "spec": claim,
    }


def services(plan: Plan) -> list[Document]:
    """The one that callers ask, and the headless one that gives each pod its name."""
    ports: list[Document] = [{"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}]
    if plan.grpc:
        ports.append({"name": "grpc", "port": plan.grpc, "targetPort": "grpc", "appProtocol": "grpc"})
    of_pods = [{"name": "http", "port": PORT, "targetPort": "http"}]
    spec = {"type": "ClusterIP", "selector": plan.chosen, "ports": ports}
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": plan.chosen, "ports": of_pods}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": plan.meta(), "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": _unwatched(plan), "spec": headless},
    ]


def _unwatched(plan: Plan) -> Document:
    """metadata of the headless service: without the label by which a ServiceMonitor would scrape each pod twice."""
    meta = plan.meta(f"{plan.name}-pods")
    return {**meta, "labels": {k: v for k, v in meta["labels"].items() if k != "app.kubernetes.io/component"}}


def autoscaler(plan: Plan, least: int, most: int, by: str, kind: str = "StatefulSet") -> Document:
    """By CPU, or by how many requests are in flight, which a metrics adapter takes from Prometheus."""
    api = "apps/v1" if kind == "StatefulSet" else "argoproj.io/v1alpha1"
    metric: Document = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    if by == "queue":
        value = str(BUSY * plan.exported.settings.serve.workers)
        metric = {
            "type": "Pods",
            "pods": {"metric": {"name": QUEUE}, "target": {"type": "AverageValue", "averageValue": value}},
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": plan.meta(),
        "spec": {
            "scaleTargetRef": {"apiVersion": api, "kind": kind, "name": plan.name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [metric],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 30}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def disruption_budget(plan: Plan) -> Document:
    """Whoever empties a node takes one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": plan.meta(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": plan.chosen}},
    }


def service_account(plan: Plan) -> Document:
    """An account of its own, without a token: the data plane asks Kubernetes nothing."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": plan.meta(),
        "automountServiceAccountToken": False,
    }


def service_monitor(plan: Plan) -> Document:
    """Prometheus Operator: the job is called fairlead, as the alert rules expect."""
    entry = "metrics-key" if plan.routes else "key"
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": plan.meta(),
        "spec": {
            "jobLabel": "app.kubernetes.io/part-of",
            "selector": {"matchLabels": plan.chosen},
            "endpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": "15s",
                    "authorization": {"type": "Bearer", "credentials": {"name": plan.secret, "key": entry}},
                }
            ],
        },
    }


def alert_rules() -> list[Document]:
    """The groups of the product's own alert rules."""
    text = files("fairlead.runtime.serve.observing").joinpath("files", "fairlead-alerts.yml").read_text("utf-8")
    groups: list[Document] = yaml.safe_load(text)["groups"]
    return groups


def prometheus_rule(plan: Plan) -> Document:
    """Prometheus Operator: the same alert rules as everywhere."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": plan.meta(),
        "spec": {"groups": alert_rules()},
    }


def adapter_rules() -> Document:
    """For the Prometheus adapter, where replicas follow the queue: the metric that the autoscaler asks for."""
    series = f'{QUEUE}{{namespace!="",pod!=""}}'
    return {
        "rules": {
            "custom": [
                {
                    "seriesQuery": series,
                    "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
                    "name": {"as": QUEUE},
                    "metricsQuery": "sum(avg_over_time(<<.Series>>{<<.LabelMatchers>>}[30s])) by (<<.GroupBy>>)",
                }
            ]
        }
    }


def project_map(plan: Plan) -> Document:
    """What the collector has to know of the project, and nothing else of it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": plan.meta(f"{plan.name}-project"),
        "data": {"fairlead.toml": project_text(plan.exported.settings)},
    }


def project_text(settings: Settings) -> str:
    """A project file with the model's name and how records are kept."""
    model, capture = settings.model, settings.capture
    said: dict[str, Any] = {"name": model.name, "task": model.task, "target": model.target}
    lines = ["[model]", *(f"{key} = {_quoted(value)}" for key, value in said.items() if value)]
    return "\n".join([*lines, "", "[capture]", f"keep_days = {capture.keep_days}", ""])


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
