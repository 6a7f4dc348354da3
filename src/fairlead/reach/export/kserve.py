"""Target `kserve`: an InferenceService, with the model in its image or in a store, and its canary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fairlead.contract.errors import UsageError
from fairlead.reach.export.alone import needed
from fairlead.reach.export.exported import Exported, Option, checked_image
from fairlead.reach.export.kubernetes.documents import Document, write_files, written
from fairlead.reach.export.kubernetes.pod import HOME, PORT, USER, locked_down, scratch
from fairlead.reach.export.kubernetes.sizing import Sizes, sizes_of
from fairlead.reach.export.kubernetes.target import name_in, unnamed

FORMAT = "fairlead"
MODELS = "/mnt/models"
CONTAINER = "kserve-container"
_COUNT = re.compile(r"[0-9]{1,4}")
_PLACE = re.compile(r"(s3|gs|az|abfs|hdfs|https|pvc|oci)://[^\s]+")

_SINK = re.compile(r"https?://[^\s]+")


class KServe:
    """An InferenceService: the model in its own image, or read from a store by a ServingRuntime of ours.

    The image is that of `fairlead export docker`.
    """

    name: ClassVar[str] = "kserve"
    options: ClassVar[Mapping[str, Option]] = {
        "form": Option("container", "where the model is: in the image, or in a store", ("container", "model")),
        "storage": Option("", "with form=model: address of the bundle's folder, as s3://bucket/churn/3"),
        "mode": Option("Standard", "KServe's deployment mode", ("Standard", "Knative")),
        "replicas": Option("1", "fewest replicas"),
        "most": Option("4", "most replicas"),
        "canary": Option("", "share of requests for this version, in percent, beside the one before"),
        "stable": Option("", "with canary in Standard mode: image or address of the version before"),
        "sink": Option("", "URL that KServe sends requests and answers to (CloudEvents)"),
        "secret": Option("", "name of a Secret whose entry `key` callers must say; default: the gateway admits"),
        "loadtest": Option("", "result of `fairlead loadtest`, from which sizes are taken"),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """inferenceservice.yaml, and servingruntime.yaml for a model in a store. Raises UsageError."""
        told = exported.options
        sizes = sizes_of(exported, told["loadtest"])
        if told["form"] == "model" and not _PLACE.fullmatch(told["storage"]):
            raise UsageError(
                "--set form=model needs --set storage=ADDRESS of the bundle's folder, as s3://bucket/churn/3."
            )
        if told["sink"] and not _SINK.fullmatch(told["sink"]):
            raise UsageError(f"--set sink={told['sink']!r}: give a URL, as http://sink.example.svc/events.")
        name_in(told, "secret")
        files = {"inferenceservice.yaml": written([service_of(exported, sizes)], sizes.says)}
        if told["form"] == "model":
            files["servingruntime.yaml"] = written([runtime_of(exported, sizes)], sizes.says)
        return write_files(to, files)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What KServe does not do by itself."""
        kept = (
            "Records of these pods lie in a volume that goes with them: give --set sink=URL to keep requests and "
            "answers, or run the StatefulSet of `fairlead export kubernetes`."
        )
        told = exported.options
        plain = "The sink gets requests as callers sent them, also what the project redacts in its own records."
        redacts = exported.route is not None and exported.route.redact
        sent = ((plain,) if redacts else ()) if told["sink"] else (kept,)
        entries = ["key", *(one.entry for one in needed(exported))]
        secret = (f"The Secret {told['secret']} needs the entries {', '.join(entries)}.",) if told["secret"] else ()
        return (sizes_of(exported, told["loadtest"]).says, *unnamed(exported), *sent, *secret)


def service_of(exported: Exported, sizes: Sizes) -> Document:
    """The InferenceService. Raises UsageError for a canary that cannot be."""
    told = exported.options
    share, knative = _share(told["canary"]), told["mode"] == "Knative"
    spec: Document = {"predictor": _predictor(exported, sizes)}
    if share and knative:
        # Knative keeps the revision before and gives it the rest.
        spec["predictor"] = {"canaryTrafficPercent": share, **spec["predictor"]}
    elif share:
        if not told["stable"]:
            raise UsageError("--set canary in Standard mode needs --set stable=IMAGE-OR-ADDRESS of the version before.")
        version = exported.bundle[:12] if exported.version is None else f"v{exported.version}"
        canary = {"name": f"{exported.name}-{version}"[:63], **spec["predictor"]}
        spec = {
            "predictor": _predictor(exported, sizes, told["stable"]),
            "canary": [{"trafficPercent": share, "predictor": canary}],
        }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": exported.name,
            "labels": {"app.kubernetes.io/part-of": "fairlead", "app.kubernetes.io/managed-by": "fairlead"},
            "annotations": {
                "serving.kserve.io/deploymentMode": told["mode"],
                "serving.kserve.io/enable-prometheus-scraping": "true",
                "prometheus.kserve.io/port": str(PORT),
                "prometheus.kserve.io/path": "/metrics",
                "fairlead.dev/bundle": exported.bundle,
                "fairlead.dev/signer": exported.signer,
            },
        },
        "spec": spec,
    }


def _predictor(exported: Exported, sizes: Sizes, other: str = "") -> Document:
    """A predictor of this version, or of the one whose image or address is `other`."""
    told = exported.options
    counts = [int(told[name]) if _COUNT.fullmatch(told[name]) else -1 for name in ("replicas", "most")]
    if not 0 <= counts[0] <= counts[1] or counts[1] < 1:
        raise UsageError("--set replicas and most: whole numbers up to 9999, the first not above the second.")
    found: Document = {
        "minReplicas": counts[0],
        "maxReplicas": counts[1],
        "scaleMetric": "cpu",
        "scaleTarget": 70,
        "timeout": int(exported.settings.serve.timeout_s) + 5,
    }
    if told["mode"] == "Knative":
        found |= {"scaleMetric": "concurrency", "scaleTarget": 16}
    if told["sink"]:
        found["logger"] = {"url": told["sink"], "mode": "all"}
    if told["form"] == "model":
        model: Document = {
            "modelFormat": {"name": FORMAT, "version": "1"},
            "protocolVersion": "v2",
            "runtime": f"{exported.name}-runtime",
            "storageUri": other or told["storage"],
        }
        return {**found, "automountServiceAccountToken": False, "model": model}
    image = checked_image(other, "--set stable") if other else exported.image
    return {**found, **pod_spec(exported), "containers": [container(exported, sizes, image, ["--platform", "kserve"])]}


def runtime_of(exported: Exported, sizes: Sizes) -> Document:
    """The ServingRuntime that reads bundles from where KServe puts them; a seal by another key is refused."""
    args = ["--platform", "kserve", "--bundle", MODELS]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {
            "name": f"{exported.name}-runtime",
            "labels": {"app.kubernetes.io/part-of": "fairlead", "app.kubernetes.io/managed-by": "fairlead"},
        },
        "spec": {
            "annotations": {"prometheus.kserve.io/port": str(PORT), "prometheus.kserve.io/path": "/metrics"},
            "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": True, "priority": 1}],
            "protocolVersions": ["v1", "v2"],
            "multiModel": False,
            **{key: value for key, value in pod_spec(exported).items() if key in {"volumes"}},
            "containers": [
                {
                    **container(exported, sizes, exported.image, args),
                    "securityContext": {**locked_down(), "runAsUser": USER, "seccompProfile": _SECCOMP},
                }
            ],
        },
    }


_SECCOMP = {"type": "RuntimeDefault"}


def pod_spec(exported: Exported) -> Document:
    """What is said of the pod besides its container. The group is root's: it may write the volume."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": _SECCOMP,
        },
        "volumes": [scratch(exported, least=2)],
    }


def container(exported: Exported, sizes: Sizes, image: str, args: list[str]) -> Document:
    """The container that KServe routes to."""
    env: list[dict[str, Any]] = [{"name": "OMP_NUM_THREADS", "value": "1"}]
    secret = exported.options["secret"]
    if secret:
        env.append(_of_secret("FAIRLEAD_KEY", secret, "key"))
        env += [_of_secret(one.variable, secret, one.entry) for one in needed(exported)]
    elif exported.encrypted:
        raise UsageError("[capture] encrypt needs --set secret=NAME of a Secret whose entry records-key is the key.")
    return {
        "name": CONTAINER,
        "image": image,
        "args": [*args, "--workers", str(exported.settings.serve.workers)],
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "env": env,
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": PORT}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/v2/health/live", "port": PORT}, "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": sizes.cpu, "memory": sizes.memory},
            "limits": {"cpu": sizes.cpu_limit, "memory": sizes.memory_limit},
        },
        "securityContext": locked_down(),
        "volumeMounts": [{"name": "home", "mountPath": HOME}],
    }


def _of_secret(variable: str, secret: str, entry: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": entry}}}


def _share(text: str) -> int:
    """0 for none. Raises UsageError."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 99):
        raise UsageError("--set canary: a whole number of percent from 1 to 99.")
    return int(text)
