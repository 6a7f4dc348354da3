"""What every pod that we write is held to, as pure functions over documents of Kubernetes.

The rules are those of the restricted Pod Security Standard, and what keeps a service up besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

Document = Mapping[str, Any]
_SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)($|_)")
RUNTIMES = {"ServingRuntime", "ClusterServingRuntime"}
OWNERS = {"StatefulSet", "Deployment", "DaemonSet", "Rollout", "Job"}


class Violation(msgspec.Struct, frozen=True):
    """kind, name: of the document. rule: its short name. says: what is wrong, and where."""

    kind: str
    name: str
    rule: str
    says: str


Check = Callable[[Document, Document], Iterator[str]]


def violations(documents: Sequence[Document]) -> list[Violation]:
    """Every rule that is broken, in the order of the documents; none is the answer that is wanted."""
    found: list[Violation] = []
    for one in documents:
        template = pod_in(one)
        if template is None:
            found += [Violation(one["kind"], one["metadata"]["name"], "secret", w) for w in _values_of_secrets(one)]
            continue
        spec = template.get("spec") or {}
        for rule, check in RULES.items():
            # A ServingRuntime is half a pod: the InferenceService that takes it says whether there is a token.
            if rule != "token" or one["kind"] not in RUNTIMES:
                found += [Violation(one["kind"], one["metadata"]["name"], rule, says) for says in check(spec, spec)]
        for container in containers(spec):
            for rule, check in CONTAINER_RULES.items():
                said = check(container, spec)
                found += [
                    Violation(one["kind"], one["metadata"]["name"], rule, f"{container.get('name')}: {says}")
                    for says in said
                ]
        found += [Violation(one["kind"], one["metadata"]["name"], rule, says) for rule, says in _alone(one, documents)]
    return found


def pod_in(document: Document) -> Document | None:
    """The pod template of a document that owns pods; of an InferenceService its predictor; None for any other."""
    kind = document.get("kind")
    if kind in OWNERS:
        found: Document = document["spec"]["template"]
        return found
    if kind == "Pod":
        return document
    if kind == "InferenceService":
        predictor = document["spec"]["predictor"]
        return {"spec": predictor} if "containers" in predictor else None
    return {"spec": document["spec"]} if kind in RUNTIMES else None


def containers(spec: Document) -> list[Document]:
    """All containers of a pod: those that prepare, those beside, those that answer."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _no_root(container: Document, spec: Document) -> Iterator[str]:
    own, pod = container.get("securityContext") or {}, spec.get("securityContext") or {}
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "may run as root: runAsNonRoot is not true"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield "runs as user 0"


def _limits(container: Document, spec: Document) -> Iterator[str]:
    resources = container.get("resources") or {}
    for side in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if not (resources.get(side) or {}).get(what):
                yield f"no {what} in resources.{side}"


def _tag(container: Document, spec: Document) -> Iterator[str]:
    image = str(container.get("image") or "")
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag == "latest" or not (tag or digest):
        yield f"image {image!r} may be another one tomorrow: it needs a tag that is not latest"


def _read_only(container: Document, spec: Document) -> Iterator[str]:
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written"


def _capabilities(container: Document, spec: Document) -> Iterator[str]:
    held = (container.get("securityContext") or {}).get("capabilities") or {}
    if held.get("drop") != ["ALL"] or held.get("add"):
        yield "capabilities are not all dropped"


def _escalation(container: Document, spec: Document) -> Iterator[str]:
    own = container.get("securityContext") or {}
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "may gain privileges"


def _seccomp(container: Document, spec: Document) -> Iterator[str]:
    own, pod = container.get("securityContext") or {}, spec.get("securityContext") or {}
    profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    if profile.get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "no seccomp profile"


def _secrets(container: Document, spec: Document) -> Iterator[str]:
    for one in container.get("env") or ():
        if _SECRET.search(str(one.get("name"))) and "value" in one:
            yield f"{one['name']} is written out: it belongs into a Secret"


def _probed(container: Document, spec: Document) -> Iterator[str]:
    """What answers says how it is; sidecars and what prepares do not answer."""
    if container not in list(spec.get("containers") or ()):
        return
    for probe in ("readinessProbe", "livenessProbe"):
        if probe not in container:
            yield f"no {probe}"


def _token(spec: Document, _: Document) -> Iterator[str]:
    if spec.get("automountServiceAccountToken") is not False:
        yield "pods get a token of Kubernetes that they do not need"


def _host(spec: Document, _: Document) -> Iterator[str]:
    for word in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(word):
            yield f"{word} is on"
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"volume {volume.get('name')} is a path of the node"
    for container in containers(spec):
        if any("hostPort" in port for port in container.get("ports") or ()):
            yield f"{container.get('name')}: a port of the node"


def _values_of_secrets(document: Document) -> Iterator[str]:
    if document.get("kind") == "Secret" and (document.get("data") or document.get("stringData")):
        yield "the values of a Secret are written out"


def _alone(owner: Document, documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """What has to be beside the pods of an owner: a network policy and a disruption budget that mean them."""
    if owner["kind"] not in {"StatefulSet", "Deployment", "Rollout"}:
        return
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    policies = [d["spec"] for d in documents if d.get("kind") == "NetworkPolicy"]
    meant = [p for p in policies if _means(p.get("podSelector") or {}, labels)]
    if not any({"Ingress", "Egress"} <= set(policy.get("policyTypes") or ()) for policy in meant):
        yield "network", "no NetworkPolicy says who may ask its pods and whom they may ask"
    budgets = [d["spec"] for d in documents if d.get("kind") == "PodDisruptionBudget"]
    if not any(_means(budget.get("selector") or {}, labels) for budget in budgets):
        yield "disruption", "no PodDisruptionBudget: emptying nodes may take all its pods at once"


def _means(selector: Document, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and not selector.get("matchExpressions")


RULES: dict[str, Check] = {"token": _token, "host": _host}
CONTAINER_RULES: dict[str, Check] = {
    "root": _no_root,
    "limits": _limits,
    "tag": _tag,
    "read-only": _read_only,
    "capabilities": _capabilities,
    "escalation": _escalation,
    "seccomp": _seccomp,
    "secret": _secrets,
    "probes": _probed,
}
