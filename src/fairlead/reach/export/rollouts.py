"""Target `rollouts`: an Argo Rollout whose steps wait for the verdict of the running product."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from fairlead.contract.errors import UsageError
from fairlead.reach.export.exported import Exported, Option
from fairlead.reach.export.kubernetes import parts
from fairlead.reach.export.kubernetes.collecting import pod_with_collector, project_map
from fairlead.reach.export.kubernetes.documents import Document, write_files, written
from fairlead.reach.export.kubernetes.network import network_policy
from fairlead.reach.export.kubernetes.pod import Plan, scratch, secrets_of
from fairlead.reach.export.kubernetes.target import (
    Kubernetes,
    class_of,
    counts,
    neighbours,
    plan_of,
    size_of,
    unnamed,
)

TEMPLATE = "model-quality"
_ADDRESS = re.compile(r"https?://[^\s/?#{}]+")

_INTERVAL = re.compile(r"[1-9][0-9]{0,4}[smh]")


class Rollouts:
    """An Argo Rollout in the steps of the project, and the AnalysisTemplate that asks for the verdict.

    The image is that of `fairlead export docker`; the verdict is that of the challenger that the control plane tries.
    """

    name: ClassVar[str] = "rollouts"
    options: ClassVar[Mapping[str, Option]] = {
        "control": Option("http://fairlead.fairlead.svc:8080", "where the product runs that watches and judges"),
        **{
            name: Kubernetes.options[name]
            for name in ("routes", "routes-keys", "replicas", "most", "scale", "collector", "loadtest", "callers",
                         "monitoring", "collector-secret", "pull-secrets", "monitor-labels")
        },
        "storage": Option("20Gi", "volume for the records of all pods"),
        "storage-class": Option("", "its class, which must allow many writers; default: the cluster's"),
        "interval": Option("1m", "time between two looks at the verdict"),
    }  # fmt: skip

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """Everything as a Kustomize folder. Raises UsageError."""
        told = exported.options
        if not _ADDRESS.fullmatch(told["control"]):
            raise UsageError(f"--set control={told['control']!r}: give an address, as https://control.example.org.")
        if not _INTERVAL.fullmatch(told["interval"]):
            raise UsageError(f"--set interval={told['interval']!r}: a time, as 30s, 1m or 2h.")
        plan = _shared(plan_of(exported))
        least, most = counts(told)
        documents: dict[str, list[Document]] = {
            "serviceaccount.yaml": [parts.service_account(plan)],
            "services.yaml": parts.services(plan)[:1],
            "records.yaml": [parts.records_claim(plan, size_of(told["storage"]), class_of(told))],
            "rollout.yaml": [rollout_of(plan)],
            "analysis.yaml": [analysis_template(plan, told["control"], told["interval"])],
            "autoscaler.yaml": [parts.autoscaler(plan, least, most, told["scale"], "Rollout")],
            "disruption.yaml": [parts.disruption_budget(plan)],
            "network.yaml": [network_policy(plan, *neighbours(told))],
            "servicemonitor.yaml": [parts.service_monitor(plan)],
            "alerts.yaml": [parts.prometheus_rule(plan)],
        }
        if plan.collector:
            documents["project.yaml"] = [project_map(plan)]
        files = {
            name: written(many, plan.sizes.says if name == "rollout.yaml" else "") for name, many in documents.items()
        }
        kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        files["kustomization.yaml"] = written([{**kustomization, "resources": sorted(documents)}])
        return write_files(to, files)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What has to run beside it."""
        plan = plan_of(exported)
        entries = ["routes-token", "metrics-key"] if plan.routes else ["key"]
        entries += [one.entry for one in secrets_of(plan)]
        return (
            plan.sizes.says,
            *unnamed(exported),
            f"Each step waits for the verdict at {exported.options['control']}/analysis: try this version there, too "
            f"({_deploy(plan)} --canary 5%, or --shadow), so that there is one.",
            f"The Secret {plan.secret} needs the entries {', '.join(entries)}, and analysis: a key that may ask for "
            "metrics there.",
        )


def _deploy(plan: Plan) -> str:
    version = None if plan.routes else plan.exported.version
    return "fairlead deploy" if version is None else f"fairlead deploy {version}"


def _shared(plan: Plan) -> Plan:
    """A Rollout has no volume claims of its own: records go to one volume, what waits in the spool to the pod's."""
    from msgspec.structs import replace

    return replace(plan, records="shared")


def rollout_of(plan: Plan) -> Document:
    """Steps of [rollout], each of which ends with the verdict."""
    shares = [round(100 * share) for share in plan.exported.settings.rollout.steps]
    args = [{"name": "model", "value": plan.exported.model}]
    if not plan.routes:
        args.append({"name": "bundle", "value": plan.exported.bundle})
    look = {"analysis": {"templates": [{"templateName": f"{plan.name}-{TEMPLATE}"}], "args": args}}
    steps: list[Document] = []
    for share in dict.fromkeys(max(1, share) for share in shares):
        steps += [{"setWeight": share}, look]
    template = pod_with_collector(plan)
    template["spec"]["volumes"] = [scratch(plan.exported, least=4), *template["spec"].get("volumes", [])]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": plan.meta(),
        "spec": {
            "minReadySeconds": 5,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": plan.chosen},
            "template": template,
            "strategy": {"canary": {"maxSurge": "25%", "maxUnavailable": 0, "steps": steps}},
        },
    }


def analysis_template(plan: Plan, control: str, interval: str) -> Document:
    """The verdict of the running product: pass goes on, fail goes back, anything else pauses and asks again.

    Where the image holds the bundle, it is asked about that one: the verdict of a rollout before is none of it.
    """
    asked = "/analysis?model={{args.model}}" + ("" if plan.routes else "&bundle={{args.bundle}}")
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": plan.meta(f"{plan.name}-{TEMPLATE}"),
        "spec": {
            "args": [
                {"name": "model"},
                *([] if plan.routes else [{"name": "bundle"}]),
                {"name": "key", "valueFrom": {"secretKeyRef": {"name": plan.secret, "key": "analysis"}}},
            ],
            "metrics": [
                {
                    "name": "verdict",
                    "interval": interval,
                    "count": 30,
                    "successCondition": 'result.verdict == "pass"',
                    "failureCondition": 'result.verdict == "fail"',
                    "failureLimit": 0,
                    "inconclusiveLimit": 10,
                    "provider": {
                        "web": {
                            "url": control + asked,
                            "headers": [{"key": "Authorization", "value": "Bearer {{args.key}}"}],
                            "timeoutSeconds": 20,
                            "jsonPath": "{$.data}",
                        }
                    },
                }
            ],
        },
    }
