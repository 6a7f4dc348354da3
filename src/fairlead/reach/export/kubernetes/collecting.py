"""The collector beside each pod that answers: what it runs, what it knows of the project, its image."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.stores import StoresSettings
from fairlead.lab.tables.addresses import SCHEME, holds_secret
from fairlead.ops.stores.opening import extra_of
from fairlead.reach.export.alone import encrypting, needed
from fairlead.reach.export.exported import Exported
from fairlead.reach.export.kubernetes.documents import Document
from fairlead.reach.export.kubernetes.pod import (
    COLLECTOR,
    HOME,
    PROJECT,
    USER,
    Plan,
    locked_down,
    mounts_of,
    of_secret,
    pod_of,
)

WATCHED_ELSEWHERE = "image:"
"""As `[serve] routes` of a pod that obeys none: like those that do, it fetches nothing of what the others sent."""
_SECRET = re.compile(r"sig|token|secret|password|key|credential", re.IGNORECASE)
_MODEL = ("name", "task", "target", "positive", "id", "time", "timezone", "group", "item", "series", "horizon", "every")


def collector_of(plan: Plan) -> Document:
    """Brings the spool of its pod into Parquet. A sidecar: it ends after the server, so what was answered last is
    collected, too."""
    env: list[Document] = [{"name": "FAIRLEAD_HOME", "value": HOME}, {"name": "TMPDIR", "value": HOME}]
    env += [of_secret(plan, one.variable, one.entry) for one in needed(plan.exported) if one.entry == "records-key"]
    given = {"envFrom": [{"secretRef": {"name": plan.credentials}}]} if plan.credentials else {}
    return {
        "name": COLLECTOR,
        "image": plan.collector,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "args": ["-C", PROJECT, "collect", "--follow", "--every", "2"],
        "env": env,
        **given,
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "1000m", "memory": "768Mi"},
        },
        "securityContext": locked_down(),
        "volumeMounts": [*mounts_of(plan), {"name": "project", "mountPath": PROJECT, "readOnly": True}],
    }


def pod_with_collector(plan: Plan) -> Document:
    """The pod template of a plan. What its collector is told of the project is hashed in it: the collector reads that
    when it starts, and a ConfigMap alone changes no pod."""
    if not plan.collector:
        return pod_of(plan)
    told = hashlib.sha256(project_text(plan).encode()).hexdigest()[:12]
    return pod_of(plan, [collector_of(plan)], {"fairlead.dev/project": told})


def project_map(plan: Plan) -> Document:
    """What the collector has to know of the project, and nothing else of it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": plan.meta(f"{plan.name}-project"),
        "data": {"fairlead.toml": project_text(plan)},
    }


def project_text(plan: Plan) -> str:
    """A project file with the model's name, how records are kept, and where they are sent."""
    return project_of(plan.exported, plan.routes)


def project_of(exported: Exported, routes: str = "") -> str:
    """`project_text` of a version that obeys the routes at that URL, or those of its image."""
    settings = exported.settings
    plain = ModelSettings(name="plain", task="classification")
    model = {name: getattr(settings.model, name) for name in _MODEL}
    parts = [("model", {k: v for k, v in model.items() if k in {"name", "task"} or v != getattr(plain, k)})]
    kept: dict[str, Any] = {"keep_days": settings.capture.keep_days}
    if source := encrypting(exported):
        kept["encrypt"] = source
    parts.append(("capture", kept))
    if records := store_of_records(settings):
        terms, usual = settings.stores, StoresSettings()
        said = {name: getattr(terms, name) for name in terms.__struct_fields__ if name not in {"bundles", "records"}}
        parts.append(("serve", {"routes": routes or WATCHED_ELSEWHERE}))
        parts.append(("stores", {"records": records, **{k: v for k, v in said.items() if v != getattr(usual, k)}}))
    return "\n".join(_section(name, values) for name, values in parts)


def store_of_records(settings: Settings) -> str:
    """Where records are sent, "" where they stay on the volume: a folder of this machine is nowhere in a cluster.

    Raises ConfigInvalid for an address in which a secret stands: everybody who sees the cluster would read it.
    """
    address = settings.stores.records
    place, _, query = address.partition("?")
    told = [one.partition("=") for one in query.split("&")]
    if holds_secret(place) or any(_SECRET.search(name) and not value.startswith("${") for name, _, value in told):
        raise ConfigInvalid(
            "a secret stands in the address, and would stand in what is exported.",
            key="stores.records",
            cure="Write it as ${NAME}, and put NAME into the Secret of --set collector-secret.",
        )
    return address if SCHEME.match(address) else ""


def _section(name: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _toml(value: Any) -> str:
    # A string of JSON is one of TOML, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def collector_name(exported: Exported) -> str:
    """The image of the collector where nobody named one: beside the image that answers, in the same registry. Its tag
    says what was installed beside the product, so that two kinds of it never share a name."""
    folder = exported.image.rpartition("/")[0] or "fairlead"
    extra = extra_for(exported)
    tag = exported.fairlead.replace("+", "-") + (f"-{extra}" if extra else "")
    return f"{folder}/{'collector' if folder == 'fairlead' else 'fairlead-collector'}:{tag}"


def extra_for(exported: Exported) -> str:
    """What is installed beside the product to reach the store of the project's records; "" where there is none."""
    scheme = store_of_records(exported.settings).partition("://")[0]
    return extra_of(scheme) if scheme else ""


def collector_image(exported: Exported, name: str, extra: str = "", carried: str = "") -> str:
    """The image of the collector: the product with what reads and writes Parquet, and what its store takes.

    extra: taken where the project names no store. carried: lines of what is in it besides.
    """
    extra = extra_for(exported) or extra
    return f"""\
# The collector beside each server: docker build -t {name} collector
FROM docker.io/library/python:3.11-slim-bookworm
RUN pip install --no-cache-dir "fairlead[studio{f",{extra}" if extra else ""}]=={exported.fairlead}" \\
 && install -d -o {USER} -g 0 -m 0770 {HOME}
{carried}USER {USER}:{USER}
ENTRYPOINT ["python", "-m", "fairlead"]
"""
