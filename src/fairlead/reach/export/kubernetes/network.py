"""Who may ask and whom the pods may ask: the ports, DNS, and what the settings name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fairlead.reach.export.kubernetes.collecting import store_of_records
from fairlead.reach.export.kubernetes.documents import Document
from fairlead.reach.export.kubernetes.pod import Plan

_PORTS = {"https": 443, "http": 80, "grpc": 4317}
_NAMENODE, _DATANODE = 9870, 9864
_METADATA = "169.254.169.254/32"


def network_policy(plan: Plan, callers: tuple[str, ...], monitoring: str) -> Document:
    """callers: namespaces that may ask, besides the pod's own; "*" for all. monitoring: where Prometheus lives."""
    ports: list[Document] = [{"protocol": "TCP", "port": "http"}]
    if plan.grpc:
        ports.append({"protocol": "TCP", "port": "grpc"})
    asking: list[Document] = [{"podSelector": {}}, *(_namespace(one) for one in callers if one != "*")]
    into: list[Document] = [{"ports": ports} if "*" in callers else {"from": asking, "ports": ports}]
    if monitoring and "*" not in callers:
        into.append({"from": [_namespace(monitoring)], "ports": [{"protocol": "TCP", "port": "http"}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": plan.meta(),
        "spec": {
            "podSelector": {"matchLabels": plan.chosen},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": into,
            "egress": [_names(), *(_out(url) for url in reached(plan))],
        },
    }


def reached(plan: Plan) -> list[str]:
    """Every address that a pod asks by itself, sorted."""
    settings = plan.exported.settings
    kept = store_of_records(settings) if plan.collector else ""
    named = (plan.routes, settings.telemetry.otlp, settings.telemetry.events, settings.access.jwks, kept)
    return sorted({url for url in named if "://" in url})


def _names() -> Document:
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": ports}  # fmt: skip


def _out(url: str) -> Document:
    """One address: a service of the cluster by its namespace, a number as itself, any other name by its port alone,
    as policies know no names; never the clouds' metadata service."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    ports = [{"protocol": "TCP", "port": parts.port or _PORTS.get(parts.scheme, 443)}]
    anywhere = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [_METADATA]}}]}
    if parts.scheme in {"hdfs", "webhdfs"}:
        # The NameNode sends whoever asks on to the DataNodes.
        numbers = (parts.port or _NAMENODE, _DATANODE)
        return {**anywhere, "ports": [{"protocol": "TCP", "port": number} for number in numbers]}
    if parts.scheme not in _PORTS:
        return {**anywhere, "ports": [{"protocol": "TCP", "port": 443}]}
    words = host.split(".")
    if len(words) >= 3 and words[2] == "svc":
        return {"to": [_namespace(words[1])], "ports": ports}
    if "." not in host and ":" not in host:
        return {"to": [{"podSelector": {}}], "ports": ports}
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return {**anywhere, "ports": ports}
    return {"to": [{"ipBlock": {"cidr": f"{host}/{number.max_prefixlen}"}}], "ports": ports}


def _namespace(name: str) -> Document:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
