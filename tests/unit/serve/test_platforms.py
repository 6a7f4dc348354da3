"""What platforms ask of a container: variables, addresses, the model's folder, and the entry of an image."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.contract.errors import UsageError
from fairlead.contract.routes import Limits
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.bundle import SigningKey, seal
from fairlead.runtime.serve.platforms import applied, bundle_of, detected, platform
from fairlead.runtime.serve.server import ServeOptions

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from bundle_samples import LINEAGE, files, write_files

BARE = {name: value for name, value in os.environ.items() if not name.startswith(("SAGEMAKER", "AIP_", "AZUREML"))}


def test_sagemaker_says_where_how_many_and_how_long() -> None:
    plain = platform("sagemaker", {})
    assert (plain.host, plain.port, plain.timeout_s, plain.workers) == ("0.0.0.0", 8080, 60.0, None)
    assert plain.aliases == {"/invocations": "sagemaker"}
    assert plain.model == Path("/opt/ml/model")
    told = platform(
        "auto",
        {
            "SAGEMAKER_BIND_TO_PORT": "9001", "SAGEMAKER_MODEL_SERVER_WORKERS": "3", "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0", "SAGEMAKER_SAFE_PORT_RANGE": "9000-9999",
        },
    )  # fmt: skip
    assert (told.name, told.port, told.workers, told.timeout_s, told.max_body_mb) == (
        "sagemaker",
        9001,
        3,
        600.0,
        100.0,
    )


def test_vertex_names_its_routes_or_has_usual_ones() -> None:
    named = platform(
        "auto",
        {
            "AIP_HTTP_PORT": "7080", "AIP_PREDICT_ROUTE": "/p", "AIP_HEALTH_ROUTE": "/h",
            "AIP_STORAGE_URI": "gs://somewhere/model",
        },
    )  # fmt: skip
    assert (named.name, named.port, named.aliases, named.probes) == ("vertex", 7080, {"/p": "vertex"}, ("/h",))
    usual = platform("vertex", {"AIP_ENDPOINT_ID": "1", "AIP_DEPLOYED_MODEL_ID": "2"})
    assert usual.aliases == {"/v1/endpoints/1/deployedModels/2:predict": "vertex"}
    assert usual.probes == ("/v1/endpoints/1/deployedModels/2",)
    with pytest.raises(UsageError, match=r"gs://, which is not fetched from here.*--bundle"):
        bundle_of(named)


def test_azure_and_kserve_have_their_ports_and_folders(tmp_path: Path) -> None:
    azure = platform("auto", {"AZUREML_MODEL_DIR": str(tmp_path), "WORKER_COUNT": "2", "WORKER_TIMEOUT": "30"})
    assert (azure.name, azure.port, azure.workers, azure.timeout_s) == ("azureml", 5001, 2, 30.0)
    assert (azure.aliases, azure.probes, azure.model) == ({"/score": "azureml"}, ("/",), tmp_path)
    kserve = platform("kserve", {"PORT": "8085"})
    assert (kserve.port, kserve.model) == (8085, Path("/mnt/models"))


@pytest.mark.parametrize(
    ("name", "environ", "says"),
    [
        ("sagemaker", {"SAGEMAKER_BIND_TO_PORT": "99999"}, "SAGEMAKER_BIND_TO_PORT must be a whole number"),
        ("sagemaker", {"SAGEMAKER_MODEL_SERVER_WORKERS": "many"}, "SAGEMAKER_MODEL_SERVER_WORKERS"),
        ("vertex", {"AIP_PREDICT_ROUTE": "predict"}, "must be a path"),
        ("vertex", {"AIP_HEALTH_ROUTE": "/a\nb"}, "must be a path"),
        ("heroku", {}, "unknown platform 'heroku'. Known: azureml, container, kserve, sagemaker, vertex, auto"),
        ("auto", {}, "no platform shows"),
    ],
)
def test_what_cannot_be_right_is_refused(name: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        platform(name, environ)


def test_a_persons_machine_is_not_taken_for_a_platform() -> None:
    # Its variables name accounts and runs; a server that listened on every address for them would be open to all.
    assert detected({"SAGEMAKER_ROLE": "r", "AZUREML_RUN_ID": "x", "AIP_STORAGE_URI": "", "STUDIO": "1"}) == ""


def test_the_operators_words_go_before_the_platforms() -> None:
    options = ServeOptions(home=Path("home"), aliases={"/x": "v1"}, limits=Limits(max_queue=7))
    found = platform("sagemaker", {"SAGEMAKER_MODEL_SERVER_WORKERS": "4"})
    made = applied(options, found)
    assert (made.host, made.port, made.workers, made.server.platform) == ("0.0.0.0", 8080, 4, "sagemaker")
    assert made.aliases == {"/x": "v1", "/invocations": "sagemaker"}
    assert (made.limits.max_queue, made.limits.max_body_bytes) == (7, 25 * 1024 * 1024)
    assert made.bundle is None
    mine = applied(options, found, host="127.0.0.1", port=0, workers=1)
    assert (mine.host, mine.port, mine.workers) == ("127.0.0.1", 0, 1)
    assert mine.server == ServeSettings(platform="sagemaker")


def make_bundle(folder: Path, key: SigningKey) -> Path:
    write_files(folder, files())
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    return folder


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.create(tmp_path / "keys" / "seal.key")


def test_the_bundle_is_found_in_the_models_folder_and_must_be_one(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "model"
    found = platform("sagemaker", {"SM_MODEL_DIR": str(folder)})
    with pytest.raises(UsageError, match="no bundle"):
        bundle_of(found)
    inner = make_bundle(folder / "a" / "b", key)
    assert bundle_of(found) == inner
    make_bundle(folder / "c", key)
    with pytest.raises(UsageError, match="2 bundles"):
        bundle_of(found)


@contextlib.contextmanager
def started(
    *words: str, module: str = "fairlead.runtime.serve", cwd: Path | None = None, **environ: str
) -> Iterator[str]:
    """The entry of an image, until the end; its URL."""
    program = [sys.executable, "-m", module, *words]
    process = subprocess.Popen(
        program,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**BARE, "OMP_NUM_THREADS": "1", **environ},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: "), process.stderr and process.stderr.read()
        yield line.removeprefix("ready: ").split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process.communicate()


def call(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    asked = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as failed:
        return failed.code, failed.read()


ROW = {"age": 50, "plan": "pro", "code": 2}


def test_the_entry_of_an_image_serves_sagemaker(tmp_path: Path, key: SigningKey) -> None:
    make_bundle(tmp_path / "model", key)
    with started("serve", "--port", "0", SM_MODEL_DIR=str(tmp_path / "model"), SAGEMAKER_BATCH="false") as url:
        assert call(f"{url}/ping") == (200, b"\n")
        assert call(f"{url}/invocations", b"50,pro,2\n", Content_Type="text/csv", Accept="text/csv") == (200, b"yes\n")
        assert json.loads(call(f"{url}/execution-parameters")[1])["BatchStrategy"] == "MULTI_RECORD"


def test_the_entry_of_an_image_serves_vertex_and_azure(tmp_path: Path, key: SigningKey) -> None:
    make_bundle(tmp_path / "model" / "churn", key)
    words = ("--port", "0", "--trust", key.public)
    vertex = {"AIP_PREDICT_ROUTE": "/predict", "AIP_HEALTH_ROUTE": "/", "AIP_STORAGE_URI": str(tmp_path / "model")}
    with started(*words, **vertex) as url:
        assert call(f"{url}/")[0] == 200
        assert call(f"{url}/predict", json.dumps({"instances": [ROW]}).encode()) == (200, b'{"predictions":["yes"]}')
    with started(*words, AZUREML_MODEL_DIR=str(tmp_path / "model")) as url:
        assert call(f"{url}/")[0] == 200
        body = {"input_data": {"columns": [*ROW], "index": [0], "data": [[*ROW.values()]]}}
        assert call(f"{url}/score", json.dumps(body).encode(), Content_Type="application/json") == (200, b'["yes"]')


def test_the_entry_says_what_is_missing(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "fairlead.runtime.serve", "serve"]
    done = subprocess.run(
        program, capture_output=True, text=True, env={**BARE, "SM_MODEL_DIR": str(tmp_path)}, timeout=300, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        "no bundle (a folder with manifest.json and seal.sig) in the model folder of sagemaker"
    )


def test_the_verb_serves_what_a_platform_mounted(tmp_path: Path, key: SigningKey) -> None:
    make_bundle(tmp_path / "model", key)
    words = ("serve", "--platform", "sagemaker", "--port", "0", "--host", "127.0.0.1")
    with started(*words, module="fairlead", cwd=tmp_path, SM_MODEL_DIR=str(tmp_path / "model")) as url:
        assert url.startswith("http://127.0.0.1:")
        assert call(f"{url}/ping")[0] == 200
        body = json.dumps({"instances": [ROW]}).encode()
        assert call(f"{url}/invocations", body, Content_Type="application/json") == (200, b'{"predictions":["yes"]}')
