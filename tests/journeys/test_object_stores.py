"""A project whose bundles and records lie in an object store: served here, watched and loaded from another home."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.test_churn_loop import post, quick_settings, ready_url, split_table, typed
from tests.ports.hadoop_cluster import running as hadoop
from tests.ports.object_stores import AZURITE_KEY, Proxy, azurite, google, moto

import fairlead
from fairlead.contract.errors import StoreFailed
from fairlead.lab.tables import open_table
from fairlead.ops.stores import StoredBundles, store_of
from fairlead.runtime.capture import Records, reconcile

pytestmark = pytest.mark.long
ROWS = 300


@contextlib.contextmanager
def s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """S3 by moto's server; the address of a bucket in it."""
    import boto3

    with moto() as (port, environ):
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        yield "s3://kept/churn"


@contextlib.contextmanager
def azure(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Azure Blob Storage by Azurite; the address of a container in it."""
    from azure.storage.blob import BlobServiceClient

    with azurite(folder) as port:
        said = (f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
                f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;")  # fmt: skip
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
        BlobServiceClient.from_connection_string(said).create_container("kept")
        yield "az://kept/churn"


@contextlib.contextmanager
def gcs(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Google Cloud Storage by an emulator; the address of a bucket in it."""
    from google.cloud import storage

    with google(folder) as port:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        storage.Client().create_bucket("kept")
        yield "gs://kept/churn"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[dict[str, str]]]:
    """A churn project with a registered version, deployed; no store is named yet."""
    program = Program(tmp_path_factory.mktemp("stored"))
    later = split_table(real_table("telco-churn.csv"), program.folder, ROWS)
    program.json("init", "--data", "train.csv", "--target", "Churn", "--name", "churn")
    quick_settings(program.folder)
    for verb in ("train", "evaluate", "register", "deploy"):
        program.run(verb)
    return program, later


def serve_some(program: Program, rows: list[dict[str, str]], name: str) -> None:
    """Rows answered by a server that is then stopped."""
    log = program.folder / "serve.log"
    log.unlink(missing_ok=True)
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(log), what="the ready line")
        for number, row in enumerate(rows):
            post(f"{url}/predict/churn", typed(row), request=f"{name}{number}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0


def by_configuration_alone(
    trained: tuple[Program, list[dict[str, str]]], address: str, tmp_path: Path, name: str
) -> None:
    """[stores] added to a project: bundles and records get there, another home has the same answers and records."""
    program, later = trained
    toml = program.folder / "fairlead.toml"
    text = re.sub(r"(?ms)^\[stores\]\n.*\Z", "", toml.read_text())
    toml.write_text(f'{text}\n[stores]\nbundles = "{address}/bundles"\nrecords = "{address}/records"\n')
    before = reconcile(program.folder / ".fairlead").captured
    serve_some(program, later, name)
    told = program.json("collect")
    assert told["records"] == ROWS
    assert told["stored"]["bundles"] >= 1
    assert told["stored"]["sent"] >= 1
    ours = fairlead.open(program.folder).workspace
    agreed, books = ours.mirror.reconcile(), reconcile(program.folder / ".fairlead")
    assert agreed.ok
    assert agreed.stored_rows == agreed.rows == books.captured == before + ROWS
    # Another home, which has nothing but the public key and the same lines.
    (tmp_path / "other" / ".fairlead" / "keys").mkdir(parents=True)
    (tmp_path / "other" / "fairlead.toml").write_text(toml.read_text())
    (tmp_path / "other" / ".fairlead" / "keys" / "first.pub").write_text(ours.key.public)
    other = fairlead.open(tmp_path / "other")
    assert other.collect()["stored"]["fetched"] >= 1
    theirs = other.workspace
    assert Records(theirs.home.root, "churn").between(None, None).num_rows == before + ROWS
    assert isinstance(theirs.store, StoredBundles)
    (bundle,) = theirs.store.there()
    rows = [typed(row) for row in later[:50]]
    assert theirs.load(bundle).predict(rows) == ours.load(bundle).predict(rows)
    assert other.inspect(bundle)["attestations"]


@pytest.mark.verified("stores", "Amazon S3, bundles and records", how="emulated",
                      by="moto's server: served, collected, counted, read and loaded by another home")  # fmt: skip
def test_bundles_and_records_on_s3(
    trained: tuple[Program, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3(monkeypatch) as address:
        by_configuration_alone(trained, address, tmp_path, "s3-")


@pytest.mark.verified("stores", "Azure Blob Storage, bundles and records", how="emulated",
                      by="Azurite: served, collected, counted, read and loaded by another home")  # fmt: skip
def test_bundles_and_records_on_azure(
    trained: tuple[Program, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with azure(tmp_path / "azurite", monkeypatch) as address:
        by_configuration_alone(trained, address, tmp_path, "az-")


@pytest.mark.verified("stores", "Google Cloud Storage, bundles and records", how="emulated",
                      by="gcp-storage-emulator: served, collected, counted, loaded by another home")  # fmt: skip
def test_bundles_and_records_on_google(
    trained: tuple[Program, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gcs(tmp_path / "gcs", monkeypatch) as address:
        by_configuration_alone(trained, address, tmp_path, "gs-")


@pytest.mark.verified("hadoop", "HDFS, bundles and records", how="run",
                      by="Hadoop 2.7.3, two DataNodes: served, collected, counted, loaded by another home")  # fmt: skip
def test_bundles_and_records_on_hdfs(trained: tuple[Program, list[dict[str, str]]], tmp_path: Path) -> None:
    with hadoop() as cluster:
        by_configuration_alone(trained, f"{cluster.address}/churn", tmp_path, "hdfs-")


def test_a_store_that_is_away_keeps_nobody_from_collecting(
    trained: tuple[Program, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    program, later = trained
    toml = program.folder / "fairlead.toml"
    text = re.sub(r"(?ms)^\[stores\]\n.*\Z", "", toml.read_text())
    toml.write_text(f'{text}\n[stores]\nrecords = "s3://kept/away"\nattempts = 1\ntimeout_s = 2\n')
    with moto() as (port, environ):
        proxy = Proxy(port)
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        proxy.close()
        serve_some(program, later[:40], "away-")
        before = reconcile(program.folder / ".fairlead").collected
        failed = program.run("collect", expect=1)
        assert "s3://kept/away" in failed.stderr
        assert "does not answer" in failed.stderr
        assert reconcile(program.folder / ".fairlead").collected == before + 40
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        assert program.json("collect")["stored"]["sent"] >= 1
        agreed = fairlead.open(program.folder).workspace.mirror.reconcile()
        assert (agreed.ok, agreed.rows) == (True, reconcile(program.folder / ".fairlead").captured)


@pytest.mark.parametrize("cloud", ["az", "gs"])
def test_tables_of_clouds(cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = azure if cloud == "az" else gcs
    with opened(tmp_path / "cloud", monkeypatch) as address:
        store_of(address).put("t.csv", b"a,b\n1,x\n2,y\n")
        assert open_table(f"{address}/t.csv", home=tmp_path / "home").rows == 2
        with pytest.raises(StoreFailed, match=r"there is no (container|bucket)"):
            store_of(f"{cloud}://none/at-all").list()
