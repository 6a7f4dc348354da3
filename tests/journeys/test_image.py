"""`fairlead export docker`: built by buildah twice, run read-only without rights, started as each platform does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import pytest
from tests.conftest import eventually
from tests.journeys import test_native_models as native_models
from tests.journeys.cli import fairlead
from tests.journeys.contained import Answer, Buildah, Container, require_programs, started
from tests.journeys.python_base import make_rootfs
from tests.unit.export.sealed_loans import loans

pytestmark = pytest.mark.long

BASE = "localhost/python-base:3.11"
MOST_BYTES = 400_000_000
ROW = '{"income": 13.6175, "kind": "car"}'
HEALTHY = ("/opt/fairlead/bin/python", "-m", "fairlead.runtime.serve", "--healthy", "--home", "/var/lib/fairlead")


class Built(NamedTuple):
    """An image, built twice."""

    project: Path
    buildah: Buildah
    digests: tuple[str, str]
    size: int
    config: dict[str, Any]
    root: Path


def wheels(folder: Path, *asked: str) -> Path:
    """Wheels as `pip download` fetches them."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(folder), *asked],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"the locked wheels cannot be fetched here: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """buildah with the base image in its store."""
    require_programs()
    folder = tmp_path_factory.mktemp("buildah")
    buildah = Buildah(folder)
    buildah.base(make_rootfs(folder / "root"), BASE)
    yield buildah
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def built(workshop: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The image of a small model, from locked wheels, without a network."""
    folder = tmp_path_factory.mktemp("image")
    project = loans(folder / "loans")
    lock = Path(__file__).resolve().parents[2] / "requirements" / "base.txt"
    found = wheels(folder / "wheels", "--require-hashes", "-r", str(lock))
    ended = fairlead(project, "export", "docker", "--set", f"wheels={found}", "--json")
    assert ended.code == 0, ended.err
    context = project / "export" / "docker"
    first = workshop.build(context, "localhost/loans:one", BASE)
    second = workshop.build(context, "localhost/loans:two", BASE)
    config = workshop.inspect("localhost/loans:two")["OCIv1"]["config"]
    return Built(
        project, workshop, (first, second), workshop.size("localhost/loans:two"), config,
        workshop.mounted("localhost/loans:two"),
    )  # fmt: skip


def running(container: Container) -> Container:
    """Once it said that it is ready."""

    def looked() -> bool:
        assert container.process.poll() is None, container.said()
        return "ready: " in container.said()

    eventually(looked, 30, "the ready line")
    return container


@pytest.mark.verified(
    "images", "buildah", how="run", by="buildah bud --isolation chroot, twice: one digest, under 400 MB"
)
def test_two_builds_have_one_digest_and_what_is_in_it_is_small_and_plain(built: Built) -> None:
    assert built.digests[0] == built.digests[1]
    assert built.size < MOST_BYTES, f"{built.size / 1e6:.0f} MB"
    names = {path.name for path in built.root.rglob("*")}
    assert not names & {"pip", "pip3", "ensurepip", "gcc", "cc", "ld", "as", "make", "setuptools", "curl"}
    floors = {p.name for p in (built.root / "opt/fairlead/lib/python3.11/site-packages/fairlead").iterdir()}
    assert floors - {"__pycache__"} == {"__init__.py", "contract", "runtime"}
    for library in ("sklearn", "pandas", "mlflow", "scipy", "torch"):
        assert library not in names
    assert built.config["Labels"]["fairlead.bundle"] == json.loads(
        (built.project / "export" / "docker" / "fairlead-export.json").read_text()
    )["bundle"]  # fmt: skip
    assert built.config["User"] == "65532:65532"
    print(f"image: {built.size / 1e6:.0f} MB with the base, digest {built.digests[0]}")


@pytest.mark.verified(
    "images",
    "container",
    how="run",
    by="image in namespaces of its own, read-only root, uid 65532: asked over a socket",
)
def test_it_answers_from_a_read_only_root_without_rights_and_keeps_its_records(built: Built, tmp_path: Path) -> None:
    begun = time.perf_counter()
    with started(built.root, built.config, tmp_path / "volume") as container:
        running(container)
        print(f"ready after {time.perf_counter() - begun:.2f} s")
        answer = container.ask(8080, "/predict/loans", ROW, Content_Type="application/json")
        assert answer is not None
        assert answer.code == 200, answer.body
        assert answer.json["predictions"][0]["label"] == "no"
        assert container.run(*HEALTHY).returncode == 0
        status = Path(f"/proc/{container.process.pid}/status").read_text()
        assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.M)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
        assert re.search(r"^CapEff:\t0+$", status, re.M)
        tried = container.run(
            "/bin/sh", "-c", "for f in /x /opt/x /tmp/x /opt/bundle/x; do : > $f && echo $f; done; true"
        )
        assert tried.stdout == "", "something outside the volume can be written"
        container.process.send_signal(signal.SIGTERM)
        assert container.process.wait(10) == 0, container.said()
    assert "warning" not in container.said().lower()
    assert "telemetry" not in container.said()
    frames = [p for p in (tmp_path / "volume" / "spool").rglob("*") if p.is_file() and p.stat().st_size > 0]
    assert frames, "what was answered lies on the volume"
    assert {p.relative_to(tmp_path / "volume").parts[0] for p in (tmp_path / "volume").iterdir()} <= {
        "run", "spool", "tmp", "routes.json", "bundles", "records", "labels", "keys",
    }  # fmt: skip


def test_a_stopped_or_wedged_server_is_not_well(built: Built, tmp_path: Path) -> None:
    with started(built.root, built.config, tmp_path / "volume") as container:
        running(container)
        assert container.run(*HEALTHY).returncode == 0
        children = Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text().split()
        for child in (str(container.process.pid), *children):
            os.kill(int(child), signal.SIGSTOP)
        try:
            assert container.run(*HEALTHY).returncode == 1
        finally:
            for child in (*children, str(container.process.pid)):
                os.kill(int(child), signal.SIGCONT)
        eventually(lambda: container.run(*HEALTHY).returncode == 0, 10, "well again")


def test_a_volume_it_may_not_write_is_said_at_once(built: Built, tmp_path: Path) -> None:
    with started(built.root, built.config, tmp_path / "volume", words=("--home", "/opt/closed")) as container:
        assert container.process.wait(20) == 2
    assert "cannot be written by 65532:65532" in container.said()
    assert "mount a volume" in container.said()


PLATFORMS = {
    "sagemaker": (("serve",), {}, 8080, "/ping", "/invocations", "text/csv", "income,kind\n13.6175,car\n"),
    "sagemaker-port": (
        ("serve",), {"SAGEMAKER_BIND_TO_PORT": "8123"}, 8123, "/ping", "/invocations", "application/json",
        '{"instances": [' + ROW + "]}",
    ),
    "vertex": (
        (),
        {"AIP_HTTP_PORT": "8085", "AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": "/ask", "AIP_STORAGE_URI": ""},
        8085, "/health", "/ask", "application/json", '{"instances": [' + ROW + "]}",
    ),
    "azureml": (
        (), {"AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/loans/1"}, 5001, "/", "/score", "application/json",
        '{"input_data": {"columns": ["income", "kind"], "index": [0], "data": [[13.6175, "car"]]}}',
    ),
    "kserve-v1": (
        (), {"PORT": "8090", "K_SERVICE": "loans"}, 8090, "/v1/models/loans", "/v1/models/loans:predict",
        "application/json", '{"instances": [' + ROW + "]}",
    ),
    "kserve-v2": (
        (), {}, 8080, "/v2/health/ready", "/v2/models/loans/infer", "application/json",
        '{"inputs": [{"name": "income", "shape": [1], "datatype": "FP64", "data": [13.6175]}, '
        '{"name": "kind", "shape": [1], "datatype": "BYTES", "data": ["car"]}]}',
    ),
}  # fmt: skip


SYSTEMS = {"sagemaker": "SageMaker", "vertex": "Vertex AI", "azureml": "Azure ML", "kserve": "KServe custom container"}


def started_as(name: str) -> Any:
    """A case with its row of the table of evidence."""
    system = SYSTEMS[name.partition("-")[0]]
    by = "the image started its way: variables, port, health, prediction; without the platform itself"
    return pytest.param(name, marks=pytest.mark.verified("images", system, how="emulated", by=by))


@pytest.mark.parametrize("platform", [started_as(name) for name in PLATFORMS])
def test_the_same_image_is_what_each_platform_starts(platform: str, built: Built, tmp_path: Path) -> None:
    words, environ, port, health, predict, media, body = PLATFORMS[platform]
    with started(built.root, built.config, tmp_path / "volume", words, **environ) as container:
        running(container)
        begun = time.perf_counter()
        probe = container.ask(port, health)
        assert probe is not None
        assert probe.code == 200, probe.body
        assert time.perf_counter() - begun < 2.0
        answer = container.ask(port, predict, body, Content_Type=media)
        assert answer is not None
        assert answer.code == 200, answer.body
        assert "no" in answer.body or "0.99" in answer.body
        print(f"{platform}: {answer.body.strip()[:160]}")
        container.process.send_signal(signal.SIGTERM)
        assert container.process.wait(30) == 0


TWO = "13.6175,car\n20.0,house\n"
MORE = "the image started its way: limits, batches, formats and probes that its contract names"


@pytest.mark.verified("images", "SageMaker", how="emulated", by=MORE)
def test_sagemaker_transforms_batches_within_the_limits_that_it_sets(built: Built, tmp_path: Path) -> None:
    told = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "4", "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
            "SAGEMAKER_SAFE_PORT_RANGE": "9000-9999"}  # fmt: skip
    with started(built.root, built.config, tmp_path / "volume", ("serve",), **told) as container:
        running(container)
        terms = asked(container, 8080, "/execution-parameters")
        assert terms.json == {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}
        for body in (TWO, "income,kind\n" + TWO):
            begun = time.perf_counter()
            answer = asked(container, 8080, "/invocations", body, Content_Type="text/csv", Accept="text/csv")
            assert time.perf_counter() - begun < 60
            assert (answer.body, answer.headers["content-type"].split(";")[0]) == ("no\nno\n", "text/csv")
        lines = "\n".join('{"income": 13.6175, "kind": "car"}' for _ in range(3))
        kind = "application/jsonlines"
        answer = asked(container, 8080, "/invocations", lines, Content_Type=kind, Accept=kind)
        assert [json.loads(line)["predicted_label"] for line in answer.body.splitlines()] == ["no"] * 3
        unknown = {"X_Amzn_SageMaker_Custom_Attributes": "a=b", "X_Amzn_SageMaker_Inference_Id": "77"}
        asked(container, 8080, "/invocations", TWO, Content_Type="text/csv", **unknown)
        answer = container.ask(8080, "/invocations", f"@{2 << 20}", Content_Type="text/csv")
        assert answer is not None
        assert answer.code == 413
        workers = [json.loads(one.read_text()) for one in (tmp_path / "volume" / "run").glob("worker-*.json")]
        assert len([one for one in workers if not one.get("role")]) == 2


@pytest.mark.verified("images", "Vertex AI", how="emulated", by=MORE)
def test_vertex_asks_at_its_usual_routes_and_sends_parameters(built: Built, tmp_path: Path) -> None:
    told = {"AIP_MODE": "PREDICTION", "AIP_HTTP_PORT": "8080", "AIP_ENDPOINT_ID": "12", "AIP_DEPLOYED_MODEL_ID": "34",
            "AIP_STORAGE_URI": "gs://bucket/model"}  # fmt: skip
    with started(built.root, built.config, tmp_path / "volume", **told) as container:
        running(container)
        route = "/v1/endpoints/12/deployedModels/34"
        begun = time.perf_counter()
        asked(container, 8080, route)
        assert time.perf_counter() - begun < 10
        body = '{"instances": [' + ROW + "], " + '"parameters": {"confidence": 0.5}}'
        answer = asked(container, 8080, f"{route}:predict", body, Content_Type="application/json")
        assert answer.json == {"predictions": ["no"]}
        rows = ", ".join([ROW] * 45_000)
        most = '{"instances": [' + rows[: 1_500_000 - 20].rpartition("}, ")[0] + "}]}"
        assert 1_400_000 < len(most) <= 1_500_000
        (tmp_path / "volume" / "most.json").write_text(most)
        answer = asked(container, 8080, f"{route}:predict", f"@{tmp_path}/volume/most.json",
                       Content_Type="application/json")  # fmt: skip
        assert len(answer.body) <= 1_500_000
        assert set(answer.json["predictions"]) == {"no"}


@pytest.mark.verified("images", "Azure ML", how="emulated", by=MORE)
def test_azure_ml_asks_for_life_and_readiness_apart(built: Built, tmp_path: Path) -> None:
    told = {"AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/loans/1", "WORKER_COUNT": "2", "WORKER_TIMEOUT": "30"}
    with started(built.root, built.config, tmp_path / "volume", **told) as container:
        running(container)
        for probe in ("/", "/v2/health/live", "/v2/health/ready", "/health/ready"):
            asked(container, 5001, probe)
        body = '{"data": [' + ROW + "]}"
        assert asked(container, 5001, "/score", body, Content_Type="application/json").json == ["no"]
        workers = [json.loads(one.read_text()) for one in (tmp_path / "volume" / "run").glob("worker-*.json")]
        assert len([one for one in workers if not one.get("role")]) == 2


@pytest.mark.verified("images", "KServe custom container", how="emulated", by=MORE)
def test_kserve_finds_both_protocols_and_what_it_scrapes(built: Built, tmp_path: Path) -> None:
    with started(built.root, built.config, tmp_path / "volume", K_SERVICE="loans") as container:
        running(container)
        assert asked(container, 8080, "/v1/models").json == {"models": ["loans"]}
        assert asked(container, 8080, "/v1/models/loans").json == {"name": "loans", "ready": True}
        assert asked(container, 8080, "/v2/health/live").json == {"live": True}
        assert asked(container, 8080, "/v2/models/loans/ready").json == {"name": "loans", "ready": True}
        told = asked(container, 8080, "/v2/models/loans").json
        assert {one["name"] for one in told["inputs"]} == {"income", "kind"}
        asked(container, 8080, "/v1/models/loans:predict", '{"instances": [' + ROW + "]}",
              Content_Type="application/json")  # fmt: skip
        assert 'model_name="loans"' in asked(container, 8080, "/metrics").body


def asked(container: Container, port: int, path: str, body: str = "", **headers: str) -> Answer:
    """What is answered with 200."""
    answer = container.ask(port, path, body, **headers)
    assert answer is not None, container.said()
    assert answer.code == 200, (path, answer.body[:500])
    return answer


@pytest.fixture(scope="module")
def native(workshop: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return native_image(workshop, tmp_path_factory.mktemp("native") / "loans")


def native_image(workshop: Buildah, project: Path) -> Built:
    """The image of a model that no form takes, with its own libraries."""
    project.mkdir()
    (project / "fairlead.toml").write_text(native_models.CONFIG)
    rows = native_models.table()
    rows.to_csv(project / "loans.csv", index=False)
    joblib.dump(native_models.neighbours().fit(rows[native_models.FEATURES], rows["repaid"]), project / "model.joblib")
    for verb in ("bundle model.joblib --sample loans.csv --trust", "evaluate --data loans.csv", "register", "deploy"):
        ended = fairlead(project, *verb.split())
        assert ended.code == 0, ended.err
    refused = fairlead(project, "export", "docker")
    assert refused.code == 2
    asked = re.findall(r"-r (\S+)( --require-hashes)?", refused.err)
    assert len(asked) == 2, refused.err
    for requirements, hashed in asked:
        wheels(project / "wheels", *hashed.split(), "-r", requirements)
    ended = fairlead(project, "export", "docker", "--set", "wheels=wheels", "--json")
    assert ended.code == 0, ended.err
    digest = workshop.build(project / "export" / "docker", "localhost/loans:native", BASE)
    config = workshop.inspect("localhost/loans:native")["OCIv1"]["config"]
    size = workshop.size("localhost/loans:native")
    return Built(project, workshop, (digest, digest), size, config, workshop.mounted("localhost/loans:native"))


@pytest.mark.verified(
    "images", "native models", how="run", by="neighbours with their own libraries in the image, asked"
)
def test_a_model_that_is_not_compiled_answers_from_its_own_libraries(native: Built, tmp_path: Path) -> None:
    print(f"native image: {native.size / 1e6:.0f} MB with the base")
    rows = native_models.table().head(20)
    expected = joblib.load(native.project / "model.joblib").predict(rows[native_models.FEATURES]).tolist()
    with started(native.root, native.config, tmp_path / "volume") as container:
        running(container)
        body = rows[native_models.FEATURES].to_json(orient="records")

        def asked() -> Any:
            answer = container.ask(8080, "/predict/loans", body, Content_Type="application/json")
            return answer if answer is not None and answer.code == 200 else None

        answer = eventually(asked, 60, "the native process")
        assert [one["label"] for one in answer.json["predictions"]] == expected
        container.process.send_signal(signal.SIGTERM)
        assert container.process.wait(20) == 0, container.said()


def test_words_after_the_image_go_to_the_server(built: Built, tmp_path: Path) -> None:
    with started(built.root, built.config, tmp_path / "volume", ("--port", "9000", "--workers", "2")) as container:
        running(container)
        workers = list((tmp_path / "volume" / "run").glob("worker-*.json"))
        assert len([w for w in workers if not json.loads(w.read_text()).get("role")]) == 2
        assert container.ask(9000, "/v2/health/ready") is not None
        assert container.ask(8080, "/v2/health/ready") is None
