"""`export kubernetes`: strictly valid by the schemas of four versions, deterministic, held to our policies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import exporting_samples
import msgspec
import pytest
import yaml

from fairlead.contract.errors import ConfigInvalid, SourceUnreadable, UsageError
from fairlead.contract.routes import Route
from fairlead.contract.settings import CaptureSettings, ServeSettings, TelemetrySettings
from fairlead.contract.stores import StoresSettings
from fairlead.reach.export import Exported
from fairlead.reach.export.kubernetes.target import Kubernetes, plan_of
from fairlead.reach.export.policies import violations

VERSIONS = ("1.29.0", "1.31.0", "1.34.0", "1.37.0")
OF_OPERATORS = {"ServiceMonitor", "PrometheusRule"}
FORMS: dict[str, dict[str, str]] = {
    "plain": {},
    "routes": {"routes": "https://control.ops.svc.cluster.local:8443/routes", "records": "shared"},
    "queue": {"scale": "queue", "collector": "off", "callers": "web,batch", "storage-class": "fast"},
}
TOLD = TelemetrySettings(otlp="http://10.1.2.3:4318", events="https://sink.example.org/events")


def written(folder: Path, **options: str) -> dict[str, list[dict[str, Any]]]:
    """The documents of every YAML file, by path."""
    to = folder / "out"
    shutil.rmtree(to, ignore_errors=True)
    paths = Kubernetes().write(exporting_samples.exported(folder, Kubernetes, TOLD, **options), to)
    return {
        path.relative_to(to).as_posix(): [one for one in yaml.safe_load_all(path.read_text()) if one]
        for path in paths
        if path.suffix == ".yaml"
    }


def base(folder: Path, **options: str) -> list[dict[str, Any]]:
    found = written(folder, **options)
    return [
        one for path, many in found.items() if path.startswith("base/") and "kustomization" not in path for one in many
    ]


def the(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [one for one in documents if one["kind"] == kind]
    return found


@pytest.mark.verified("kubernetes", "Kubernetes 1.29, 1.31, 1.34, 1.37", how="validated",
                      by="kubernetes-validate, strict, every document of three forms")  # fmt: skip
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_document_is_strictly_valid(tmp_path: Path, form: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make dev")
    seen = 0
    for path, documents in written(tmp_path, **FORMS[form]).items():
        for one in documents:
            if one.get("kind") in OF_OPERATORS | {"Kustomization"} or "kind" not in one:
                continue
            validate.validate(one, version, strict=True)
            seen += 1
            assert path
    assert seen >= 9


def test_strict_validation_notices_a_word_that_is_none(tmp_path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make dev")
    wrong = the(base(tmp_path), "StatefulSet")
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("form", FORMS)
def test_no_policy_is_broken(tmp_path: Path, form: str) -> None:
    assert violations(base(tmp_path, **FORMS[form])) == []


@pytest.mark.parametrize("form", FORMS)
def test_the_same_version_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shown = exporting_samples.exported(tmp_path / name, Kubernetes, TOLD, **FORMS[form])
        paths = Kubernetes().write(shown, tmp_path / name / "out")
        both.append({path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in paths})
    assert both[0] == both[1]
    assert not any(str(tmp_path).encode() in data for data in both[0].values())


def test_a_pod_keeps_its_name_and_volume_and_takes_no_rights(tmp_path: Path) -> None:
    documents = base(tmp_path)
    spec = the(documents, "StatefulSet")["spec"]
    pod = spec["template"]["spec"]
    (server,), (collector,) = pod["containers"], pod["initContainers"]
    assert "replicas" not in spec, "they are the autoscaler's"
    assert spec["volumeClaimTemplates"][0]["metadata"]["name"] == "home"
    assert server["volumeMounts"][0]["mountPath"] == collector["volumeMounts"][0]["mountPath"] == "/var/lib/fairlead"
    assert collector["restartPolicy"] == "Always", "a sidecar: it ends after the server"
    (key,) = [one for one in server["env"] if one["name"] == "FAIRLEAD_KEY"]
    assert key["valueFrom"]["secretKeyRef"] == {"name": "churn-2-keys", "key": "key"}
    assert "--require-key" in server["args"]
    probes = {name: server[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert set(probes.values()) == {"/v2/health/live", "/v2/health/ready"}
    assert probes["livenessProbe"] == "/v2/health/live"
    assert not the(documents, "ServiceAccount")["automountServiceAccountToken"]
    assert {one["topologyKey"] for one in pod["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname", "topology.kubernetes.io/zone",
    }  # fmt: skip


def test_routes_by_url_are_asked_with_the_key_that_is_trusted(tmp_path: Path) -> None:
    documents = base(tmp_path, **FORMS["routes"])
    (server,) = the(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    words = " ".join(server["args"])
    assert "--routes https://control.ops.svc.cluster.local:8443/routes --routes-key " in words
    assert re.search(r"--routes-key [0-9a-f]{64}", words)
    assert "--insecure" not in words
    assert {one["name"] for one in server["env"]} == {"OMP_NUM_THREADS", "FAIRLEAD_ROUTES_TOKEN"}
    claim = the(documents, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert [one.get("subPath") for one in server["volumeMounts"]] == [None, "records", "labels"]


def test_the_network_is_what_the_settings_name(tmp_path: Path) -> None:
    policy = the(base(tmp_path, **FORMS["routes"], callers="web"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {str(port["port"]) for rule in policy["ingress"] for port in rule["ports"]} == {"http", "grpc"}
    told = [(str(rule["to"]), rule["ports"][0]["port"]) for rule in policy["egress"]]
    assert [port for _, port in told] == [53, 4318, 8443, 443]
    assert "10.1.2.3/32" in told[1][0]
    assert "ops" in told[2][0]
    assert "169.254.169.254/32" in told[3][0], "a name outside: any address but the clouds' metadata"
    plain = the(base(tmp_path, callers="*"), "NetworkPolicy")["spec"]["ingress"]
    assert [list(rule) for rule in plain] == [["ports"]]


def test_replicas_follow_cpu_or_the_queue(tmp_path: Path) -> None:
    by_cpu = the(base(tmp_path), "HorizontalPodAutoscaler")["spec"]
    of_server = by_cpu["metrics"][0]["containerResource"]
    assert (of_server["name"], of_server["container"]) == ("cpu", "server"), "the collector's turn is no load"
    found = written(tmp_path, scale="queue", most="30")
    by_queue = found["base/autoscaler.yaml"][0]["spec"]
    name = by_queue["metrics"][0]["pods"]["metric"]["name"]
    (rule,) = found["prometheus-adapter-values.yaml"][0]["rules"]["custom"]
    assert name == rule["name"]["as"] == "fairlead_requests_in_flight"
    from fairlead.runtime.serve.observing.families import FAMILIES

    assert name in FAMILIES, "the page of metrics has it"
    assert (by_queue["minReplicas"], by_queue["maxReplicas"]) == (2, 30)


def test_sizes_are_measured_where_there_is_a_load_test_and_said_to_be_defaults_where_not(tmp_path: Path) -> None:
    plain = the(base(tmp_path), "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert plain["requests"]["cpu"] == "250m"
    assert "not measured" in (tmp_path / "out/base/statefulset.yaml").read_text().splitlines()[0]
    result = {"per_replica": {"requests_per_s": 5200.0, "cpu_cores": 0.81, "memory_bytes": 150 << 20, "p99_s": 0.004}}
    (tmp_path / "load.json").write_text(json.dumps(result))
    sized = the(base(tmp_path, loadtest="load.json"), "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert sized["resources"] == {
        "requests": {"cpu": "850m", "memory": "160Mi"},
        "limits": {"cpu": "1700m", "memory": "240Mi"},
    }
    head = (tmp_path / "out/base/statefulset.yaml").read_text().splitlines()[0]
    assert "5,200 requests a second" in head
    assert "within 4 ms" in head
    with pytest.raises(SourceUnreadable, match=r"none\.json"):
        written(tmp_path, loadtest="none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ConfigInvalid, match="no result of a load test"):
        written(tmp_path, loadtest="bad.json")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"routes": "control"}, "give a URL"),
        ({"routes": "https://c.example/routes", "routes-keys": "abc"}, "64 hex"),
        ({"replicas": "5", "most": "2"}, "more than most"),
        ({"replicas": "none"}, "whole numbers"),
        ({"storage": "4 GB"}, "as 500Mi"),
        ({"namespace": "Fair Lead"}, "lower case"),
        ({"callers": "web;rm"}, "no name"),
        ({"storage": "500Mi"}, "need 1Gi"),
        ({"collector-secret": "a,b"}, "one name"),
        ({"monitor-labels": "release"}, "as release=prometheus"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(tmp_path: Path, options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        written(tmp_path, **options)


def test_alert_rules_are_the_products_own_and_promtool_takes_them(tmp_path: Path) -> None:
    rule = the(base(tmp_path), "PrometheusRule")
    names = {one["alert"] for group in rule["spec"]["groups"] for one in group["rules"]}
    assert {"FairleadDown", "FairleadRoutesSourceLost", "FairleadIncident"} <= names
    monitor = the(base(tmp_path), "ServiceMonitor")
    label = monitor["spec"]["jobLabel"]
    service = next(one for one in base(tmp_path) if one["kind"] == "Service")
    assert service["metadata"]["labels"][label] == "fairlead", "the job that the rules ask for"
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian package prometheus) is missing: make test-deps")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule["spec"]))
    command = [found, "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(names)} rules found" in done.stdout


def test_the_collector_is_told_what_it_needs_of_the_project_and_no_more(tmp_path: Path) -> None:
    from fairlead.ops.project import Project

    text = the(base(tmp_path), "ConfigMap")["data"]["fairlead.toml"]
    (tmp_path / "project").mkdir()
    (tmp_path / "project/fairlead.toml").write_text(text)
    told = Project.find(tmp_path / "project").settings
    assert (told.model.name, told.capture.keep_days) == ("Churn.2", 90)
    assert "alerts" not in text
    documents = base(tmp_path, collector="off")
    assert "initContainers" not in the(documents, "StatefulSet")["spec"]["template"]["spec"]
    assert not [one for one in documents if one["kind"] == "ConfigMap"]


def stored(folder: Path, **model: Any) -> Exported:
    """A version of a project that redacts, encrypts and sends its records to a bucket."""
    plain = exporting_samples.exported(folder, Kubernetes, TOLD)
    settings = msgspec.structs.replace(
        plain.settings,
        model=msgspec.structs.replace(plain.settings.model, **model),
        capture=CaptureSettings(redact=("plan",), encrypt="file:/of/this/machine", keep_days=30),
        stores=StoresSettings(records="s3://lake/records", encrypt="aws:kms"),
        serve=ServeSettings(timeout_s=60.0),
    )
    route = Route(model="Churn.2", variants=(), redact=("plan",))
    return msgspec.structs.replace(plain, settings=settings, route=route, encrypted="file:/of/this/machine")


def test_what_keeps_records_reaches_server_and_collector(tmp_path: Path) -> None:
    from fairlead.ops.project import Project

    exported = stored(tmp_path)
    given = {"collector-secret": "lake", "pull-secrets": "registry", "monitor-labels": "release=prometheus"}
    exported = msgspec.structs.replace(exported, options={**exported.options, **given})
    paths = Kubernetes().write(exported, tmp_path / "out")
    documents = [
        one for path in paths if path.suffix == ".yaml" and path.name != "kustomization.yaml"
        for one in yaml.safe_load_all(path.read_text()) if one
    ]  # fmt: skip
    pod = the(documents, "StatefulSet")["spec"]["template"]["spec"]
    (server,), (collector,) = pod["containers"], pod["initContainers"]
    of = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in server["env"] if "valueFrom" in one}
    assert {name: one["key"] for name, one in of.items()} == {
        "FAIRLEAD_KEY": "key", "FAIRLEAD_REDACT_KEY": "redact-key", "FAIRLEAD_RECORDS_KEY": "records-key",
    }  # fmt: skip
    assert {one["name"] for one in collector["env"]} == {"FAIRLEAD_HOME", "TMPDIR", "FAIRLEAD_RECORDS_KEY"}
    assert collector["envFrom"] == [{"secretRef": {"name": "lake"}}]
    assert pod["terminationGracePeriodSeconds"] >= 5 + 61, "what was asked last may take its time limit"
    assert the(documents, "ServiceAccount")["imagePullSecrets"] == [{"name": "registry"}]
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert the(documents, kind)["metadata"]["labels"]["release"] == "prometheus"
    (tmp_path / "project").mkdir()
    (tmp_path / "project/fairlead.toml").write_text(the(documents, "ConfigMap")["data"]["fairlead.toml"])
    told = Project.find(tmp_path / "project").settings
    assert (told.stores.records, told.stores.encrypt) == ("s3://lake/records", "aws:kms")
    assert told.capture.encrypt == "env:FAIRLEAD_RECORDS_KEY"
    assert told.serve.routes, "what other pods sent is not fetched"
    out = the(documents, "NetworkPolicy")["spec"]["egress"]
    assert 443 in [rule["ports"][0]["port"] for rule in out if "ipBlock" in rule["to"][0]]
    assert "fairlead[studio,clouds]==" in (tmp_path / "out/collector/Dockerfile").read_text()
    readme = (tmp_path / "out/README.md").read_text()
    assert "--from-file=redact-key=.fairlead/keys/redact.key" in readme
    assert "/of/this/machine" not in "".join(path.read_text() for path in paths)
    assert violations(documents) == []


def test_a_control_plane_brings_the_key_of_the_hash_itself(tmp_path: Path) -> None:
    exported = stored(tmp_path)
    given = {**exported.options, "routes": "https://control.example.org/routes"}
    paths = Kubernetes().write(msgspec.structs.replace(exported, options=given), tmp_path / "out")
    (text,) = [path.read_text() for path in paths if path.name == "statefulset.yaml"]
    assert "FAIRLEAD_REDACT_KEY" not in text
    assert "FAIRLEAD_RECORDS_KEY" in text


def test_the_collector_of_a_forecast_takes_its_project(tmp_path: Path) -> None:
    from fairlead.ops.project import Project
    from fairlead.reach.export.kubernetes.collecting import project_text

    exported = stored(tmp_path, task="forecasting", time=("day", "hour"), series='the "shop"', horizon=24, every="1h")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/fairlead.toml").write_text(project_text(plan_of(exported)))
    told = Project.find(tmp_path / "project").settings.model
    assert (told.time, told.series, told.horizon, told.every) == (("day", "hour"), 'the "shop"', 24, "1h")


@pytest.mark.verified("kubernetes", "Kustomize", how="run", by="kubectl kustomize of both overlays, three forms")
@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_kubectl_builds_each_overlay(tmp_path: Path, form: str, overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: make test-deps")
    written(tmp_path, **FORMS[form])
    command = [kubectl, "kustomize", str(tmp_path / "out/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    documents = [one for one in yaml.safe_load_all(done.stdout) if one]
    where = {"staging": "fairlead-staging", "production": "fairlead"}[overlay]
    assert {one["metadata"]["namespace"] for one in documents if one["kind"] != "Namespace"} == {where}
    scaler = the(documents, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == ((1, 2) if overlay == "staging" else (2, 10))
    assert violations(documents) == []
    space = the(documents, "Namespace")["metadata"]["labels"]
    assert space["pod-security.kubernetes.io/enforce"] == "restricted"
