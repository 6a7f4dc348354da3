"""Backups on object stores: brought back, followed, promoted, and closed to the home of before."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ports.object_stores import AZURITE_KEY, azurite, moto

from fairlead.contract.errors import Refused
from fairlead.ops.audit import Audit
from fairlead.ops.keep import KeyLock, backup, follow, promote, restore
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey

pytestmark = pytest.mark.long
LOCK = KeyLock("correct horse battery")


def life(address: str, folder: Path) -> None:
    """Everything that a home does with a store."""
    home = Home(folder / "home").ensure()
    key, state, store = SigningKey.create(home.seal_key), State.open(home.state_db), store_of(address)
    (home.tables / "rows").write_bytes(b"rows" * 3_000_000)
    Audit(state, key=key, head=home.root / "audit.head").record("me", "write", "x", "1")
    first = backup(home.root, state, key, store, LOCK)
    assert first.parts > 3
    follow(store, folder / "two", LOCK)
    state.put("n", b"2")
    assert backup(home.root, state, key, store, LOCK, keep=1).stored < 300_000
    back = restore(store, folder / "back", LOCK)
    assert (back.events, back.keys) == (1, True)
    assert (folder / "back" / "tables" / "rows").read_bytes() == b"rows" * 3_000_000
    assert promote(store, folder / "two", LOCK).epoch == 2
    with State.open(folder / "two" / "state.db") as other:
        assert other.get("n") == b"2"
    with pytest.raises(Refused, match="another home took over"):
        backup(home.root, state, key, store, LOCK)
    state.close()
    store.close()


@pytest.mark.verified("keep", "backup to S3", how="emulated", by="moto: backup, restore, follow, promote, fence")
def test_on_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    with moto() as (port, environ):
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        life("s3://kept/home", tmp_path)


@pytest.mark.verified(
    "keep", "backup to Azure Blob", how="emulated", by="Azurite: backup, restore, follow, promote, fence"
)
def test_on_azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.storage.blob import BlobServiceClient

    (tmp_path / "azurite").mkdir()
    with azurite(tmp_path / "azurite") as port:
        said = (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        )
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
        BlobServiceClient.from_connection_string(said).create_container("kept")
        life("az://kept/home", tmp_path)
