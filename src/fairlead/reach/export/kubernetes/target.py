"""Target `kubernetes`: a Kustomize base of the data plane with overlays for staging and production."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from fairlead.contract.errors import UsageError
from fairlead.reach.export.exported import Exported, Option, checked_image
from fairlead.reach.export.kubernetes import parts
from fairlead.reach.export.kubernetes.collecting import collector_image, collector_name, project_map, store_of_records
from fairlead.reach.export.kubernetes.documents import Document, write_files, written
from fairlead.reach.export.kubernetes.network import network_policy
from fairlead.reach.export.kubernetes.pod import Plan, secrets_of
from fairlead.reach.export.kubernetes.sizing import sizes_of

_SIZE = re.compile(r"[1-9][0-9]{0,5}(Mi|Gi|Ti)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}=[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY = re.compile(r"[0-9a-f]{64}")


class Kubernetes:
    """A StatefulSet of the data plane with all that belongs to it, as a Kustomize base with two overlays.

    The image is that of `fairlead export docker`.
    """

    name: ClassVar[str] = "kubernetes"
    options: ClassVar[Mapping[str, Option]] = {
        "namespace": Option("fairlead", "namespace of production; staging has -staging after it"),
        "routes": Option("", "URL of a control plane's routes (`fairlead routes`); default: the image's own bundle"),
        "routes-keys": Option("", "hex public keys that sign them, with commas; default: those the project trusts"),
        "replicas": Option("2", "fewest replicas"),
        "most": Option("10", "most replicas"),
        "scale": Option("cpu", "what replicas follow", ("cpu", "queue")),
        "storage": Option("4Gi", "volume of each pod: spool, records, last good routes"),
        "storage-class": Option("", "its class; default: the cluster's"),
        "records": Option("pod", "where records lie: on each pod's volume, or on one for all", ("pod", "shared")),
        "collector": Option("", "image of the collector, off for none; default: beside that of --image"),
        "loadtest": Option("", "result of `fairlead loadtest`, from which sizes are taken"),
        "callers": Option("", "namespaces that may ask, with commas; * for all; default: its own alone"),
        "monitoring": Option("monitoring", "namespace of Prometheus"),
        "monitor-labels": Option("", "labels that Prometheus chooses monitors and rules by, as release=prometheus"),
        "collector-secret": Option("", "Secret whose entries the collector gets as variables, to reach [stores]"),
        "pull-secrets": Option("", "Secrets that images are pulled with, with commas"),
    }  # fmt: skip

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """base/, overlays/ and a README. Raises UsageError for an option that makes no sense."""
        plan, told = plan_of(exported), exported.options
        least, most = counts(told)
        head = plan.sizes.says
        _require_room(plan, told["storage"])
        storage, kind = size_of(told["storage"]), class_of(told)
        stateful = parts.stateful_set(plan, storage, kind)
        base: dict[str, list[Document]] = {
            "serviceaccount.yaml": [parts.service_account(plan)],
            "services.yaml": parts.services(plan),
            "statefulset.yaml": [stateful],
            "autoscaler.yaml": [parts.autoscaler(plan, least, most, told["scale"])],
            "disruption.yaml": [parts.disruption_budget(plan)],
            "network.yaml": [network_policy(plan, *neighbours(told))],
            "servicemonitor.yaml": [parts.service_monitor(plan)],
            "alerts.yaml": [parts.prometheus_rule(plan)],
        }
        if plan.collector:
            base["project.yaml"] = [project_map(plan)]
        if plan.records == "shared":
            base["records.yaml"] = [parts.records_claim(plan, storage, kind)]
        files = {
            f"base/{name}": written(documents, head if name == "statefulset.yaml" else "")
            for name, documents in base.items()
        }
        files["base/kustomization.yaml"] = written([_kustomization(sorted(base))])
        files |= overlays(plan, told["namespace"], least, most)
        if told["scale"] == "queue":
            says = "Values of the Prometheus adapter's chart: they make the metric that autoscaler.yaml asks for."
            files["prometheus-adapter-values.yaml"] = written([parts.adapter_rules()], says)
        if plan.collector:
            files["collector/Dockerfile"] = collector_image(exported, plan.collector).encode()
        files["README.md"] = readme(plan, told["namespace"]).encode()
        return write_files(to, files)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What a person does next."""
        plan = plan_of(exported)
        return (
            plan.sizes.says,
            *unnamed(exported),
            f"README.md says what comes next: images, the Secret {plan.secret} in the namespace "
            f"{exported.options['namespace']} (or {exported.options['namespace']}-staging), kubectl apply -k.",
        )


def plan_of(exported: Exported) -> Plan:
    """What the options mean. Raises UsageError."""
    told = exported.options
    routes = told.get("routes", "")
    if routes and not re.fullmatch(r"https?://[^\s/]+/\S*", routes):
        raise UsageError(f"--set routes={routes!r}: give a URL, as https://control.example.org/routes.")
    keys = _words(told.get("routes-keys", "")) or exported.trusted
    if routes and not all(_KEY.fullmatch(key) for key in keys):
        raise UsageError("--set routes-keys: public keys have 64 hex characters (`fairlead routes --key` prints one).")
    collector = told.get("collector", "") or collector_name(exported)
    return Plan(
        exported=exported,
        sizes=sizes_of(exported, told.get("loadtest", "")),
        routes=routes,
        keys=tuple(keys) if routes else (),
        collector="" if collector == "off" else checked_image(collector, "--set collector"),
        records=told.get("records", "pod"),
        credentials=name_in(told, "collector-secret"),
        pulls=names_in(told, "pull-secrets"),
        watched=_labels(told.get("monitor-labels", "")),
    )


def unnamed(exported: Exported) -> tuple[str, ...]:
    """What to know of an image that nobody named: no registry has it."""
    if exported.image.partition("/")[0] != "fairlead":
        return ()
    return (
        f"The image {exported.image} names no registry, so clusters would look for it on Docker Hub: push it to yours "
        "and export again with --image REGISTRY/NAME:TAG.",
    )


def counts(told: Mapping[str, str]) -> tuple[int, int]:
    """Fewest and most replicas. Raises UsageError."""
    given = told["replicas"], told["most"]
    if not all(one.isascii() and one.isdigit() and 1 <= int(one) <= 1000 for one in given):
        raise UsageError("--set replicas and most: whole numbers from 1 to 1000.")
    least, most = int(given[0]), int(given[1])
    if least > most:
        raise UsageError(f"--set replicas={least} is more than most={most}.")
    return least, most


def size_of(text: str) -> str:
    """The size of a volume. Raises UsageError."""
    if not _SIZE.fullmatch(text):
        raise UsageError(f"--set storage={text!r}: write a size as 500Mi or 4Gi.")
    return text


def _require_room(plan: Plan, storage: str) -> None:
    """Raises UsageError where the spools at their bound would not fit on the volume."""
    settings = plan.exported.settings
    workers, bound = settings.serve.workers, settings.capture.max_spool_mb
    size = int(size_of(storage)[:-2]) * {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}[storage[-2:]]
    if size < workers * bound:
        raise UsageError(
            f"--set storage={storage}: {workers} workers whose spools may hold {bound:,.0f} MB each ([capture] "
            f"max_spool_mb) need {math.ceil(workers * bound / 1024)}Gi and room for records."
        )


def _labels(text: str) -> dict[str, str]:
    found = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        if not _LABEL.fullmatch(one):
            raise UsageError(f"--set monitor-labels={text!r}: write labels as release=prometheus, with commas between.")
        found[one.partition("=")[0]] = one.partition("=")[2]
    return found


def class_of(told: Mapping[str, str]) -> str:
    """The class of volumes, "" for the cluster's. Raises UsageError."""
    return name_in(told, "storage-class")


def neighbours(told: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """The namespaces that may ask, and that of Prometheus. Raises UsageError."""
    return names_in(told, "callers", _NAMESPACE), name_in(told, "monitoring", _NAMESPACE)


def name_in(told: Mapping[str, str], option: str, fits: re.Pattern[str] = _NAME) -> str:
    """The one name of an option, or "". Raises UsageError."""
    found = names_in(told, option, fits)
    if len(found) > 1:
        raise UsageError(f"--set {option}: one name.")
    return found[0] if found else ""


def names_in(told: Mapping[str, str], option: str, fits: re.Pattern[str] = _NAME) -> tuple[str, ...]:
    """The names of an option, with commas between; * in one of namespaces. Raises UsageError."""
    found = _words(told.get(option, ""))
    wrong = [one for one in found if not fits.fullmatch(one) and not (one == "*" and option == "callers")]
    if wrong:
        raise UsageError(
            f"--set {option}: {wrong[0]!r} is no name that Kubernetes takes: lower case, digits and dashes."
        )
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _kustomization(resources: list[str]) -> Document:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}


def overlays(plan: Plan, namespace: str, least: int, most: int) -> dict[str, bytes]:
    """staging: as small as it can be; production: as the base is. Each in a namespace that admits no less than this."""
    if not _NAMESPACE.fullmatch(namespace) or len(namespace) > 55:
        raise UsageError(f"--set namespace={namespace!r}: lower case, digits and dashes, 55 characters at most.")
    found = {}
    for name, where, bounds in (
        ("staging", f"{namespace}-staging", (1, min(2, most))),
        ("production", namespace, (least, most)),
    ):
        change = [
            {"op": "replace", "path": "/spec/minReplicas", "value": bounds[0]},
            {"op": "replace", "path": "/spec/maxReplicas", "value": bounds[1]},
        ]
        target = {"group": "autoscaling", "version": "v2", "kind": "HorizontalPodAutoscaler", "name": plan.name}
        document = {
            **_kustomization(["../../base", "namespace.yaml"]),
            "namespace": where,
            "patches": [{"target": target, "patch": written([change]).decode()}],  # type: ignore[list-item]
        }
        admitted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where, "labels": admitted}}
        found[f"overlays/{name}/kustomization.yaml"] = written([document])
        found[f"overlays/{name}/namespace.yaml"] = written([space])
    return found


def readme(plan: Plan, namespace: str) -> str:
    """What to do with these files."""
    entries = ["key"] if not plan.routes else ["routes-token", "metrics-key"]
    made = [f'--from-literal={entry}="$(openssl rand -hex 32)"' for entry in entries]
    made += [f"--from-file={one.entry}={one.file}" for one in secrets_of(plan)]
    literals = " \\\n      ".join(made)
    about = (
        f"Routes come from {plan.routes}; `routes-token` is the FAIRLEAD_ROUTES_TOKEN of that side, and "
        "`metrics-key` a key that `fairlead keys create --name prometheus --verb metrics` made there."
        if plan.routes
        else "Each pod answers with the bundle in its image; `key` is what callers say as `Authorization: Bearer …`."
    )
    keys = "".join(f"\n\n{_ABOUT[one.entry]}" for one in secrets_of(plan))
    if (store := store_of_records(plan.exported.settings)) and plan.collector:
        given = f"the entries of the Secret `{plan.credentials}`" if plan.credentials else "the pods' service account"
        keys += f"\n\nCollectors send records to `{store}` and sign in there by {given}."
    image = plan.exported.image
    built = (
        "" if "@" in image else f"    docker build -t {image} ../docker        # of `fairlead export docker`; push it\n"
    )
    beside = f"    docker build -t {plan.collector} collector     # push it, too\n" if plan.collector else ""
    return f"""\
# {plan.exported.model} on Kubernetes

In this folder:

{built}{beside}
In the project's folder, as it has the keys (staging has the namespace `{namespace}-staging` and a Secret of its own):

    kubectl create namespace {namespace}
    kubectl -n {namespace} create secret generic {plan.secret} \\
      {literals}

In this folder again; `overlays/production` is for `{namespace}`, `overlays/staging` for `{namespace}-staging`:

    kubectl apply -k overlays/production

{about}{keys}

{plan.sizes.says}

| file | what |
|---|---|
| `base/statefulset.yaml` | the pods: server, collector, volumes for the spool |
| `base/services.yaml` | `{plan.name}` is what callers ask; `{plan.name}-pods` gives each pod its name |
| `base/autoscaler.yaml`, `base/disruption.yaml` | how many there are, and how many may be missing |
| `base/network.yaml` | who may ask, and whom the pods may ask |
| `base/servicemonitor.yaml`, `base/alerts.yaml` | for the Prometheus Operator; or take them out |
| `overlays/` | staging and production: namespaces that refuse pods with more rights than these need |
"""


_ABOUT = {
    "redact-key": "`redact-key` is the project's own, so that what it redacts has the same hash in all records.",
    "records-key": "`records-key` is the key of `[capture] encrypt`; records cannot be read without it.",
}
