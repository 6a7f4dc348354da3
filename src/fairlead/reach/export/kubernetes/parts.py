"""The documents of a base, one function each."""

from __future__ import annotations

from importlib.resources import files

import yaml

from fairlead.reach.export.kubernetes.collecting import pod_with_collector
from fairlead.reach.export.kubernetes.documents import Document
from fairlead.reach.export.kubernetes.pod import PORT, SERVER, Plan

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
            "template": pod_with_collector(plan),
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
    # Of the server alone: what the collector takes beside it says nothing of the load.
    cpu = {"name": "cpu", "container": SERVER, "target": {"type": "Utilization", "averageUtilization": 70}}
    metric: Document = {"type": "ContainerResource", "containerResource": cpu}
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
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": plan.chosen},
            # A pod that does not answer anyway must not keep a node from being emptied.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service_account(plan: Plan) -> Document:
    """An account of its own, without a token: the data plane asks Kubernetes nothing."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": plan.meta(),
        "automountServiceAccountToken": False,
        **({"imagePullSecrets": [{"name": one} for one in plan.pulls]} if plan.pulls else {}),
    }


def service_monitor(plan: Plan) -> Document:
    """Prometheus Operator: the job is called fairlead, as the alert rules expect."""
    entry = "metrics-key" if plan.routes else "key"
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _watched(plan),
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


def _watched(plan: Plan) -> Document:
    """metadata of what Prometheus looks for, with the labels that it chooses by."""
    meta = plan.meta()
    return {**meta, "labels": {**meta["labels"], **plan.watched}}


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
        "metadata": _watched(plan),
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
