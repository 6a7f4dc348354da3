"""Tables of other places: fetched once, under the hash of their bytes, against a real S3 server of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables import open_table
from fairlead.lab.tables.addresses import address_of, shown_of

CSV = b"a,b\n1,x\n2,y\n"


@pytest.fixture
def folder() -> str:
    """A folder of fsspec's memory of its own."""
    return f"memory://{uuid.uuid4().hex}"


def put(address: str, data: bytes) -> None:
    with fsspec.open(address, "wb") as file:
        file.write(data)


def times_fetched(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (home / "fetched").glob("*/t.csv")}


def test_a_table_is_fetched_once_and_lies_under_its_hash(folder, tmp_path):
    put(f"{folder}/t.csv", CSV)
    table = open_table(f"{folder}/t.csv", home=tmp_path)
    assert table.frame()["b"].tolist() == ["x", "y"]
    assert table.hash == hashlib.sha256(CSV).hexdigest()
    assert (tmp_path / "fetched" / table.hash / "t.csv").read_bytes() == CSV
    before = times_fetched(tmp_path)
    open_table(f"{folder}/t.csv", home=tmp_path)
    assert times_fetched(tmp_path) == before


def test_what_changed_there_is_fetched_again(folder, tmp_path):
    put(f"{folder}/t.csv", CSV)
    first = open_table(f"{folder}/t.csv", home=tmp_path)
    put(f"{folder}/t.csv", b"a,b\n1,x\n2,z\n")
    second = open_table(f"{folder}/t.csv", home=tmp_path)
    assert second.frame()["b"].tolist() == ["x", "z"]
    assert second.hash != first.hash


def test_a_copy_that_was_cut_short_is_fetched_again(folder, tmp_path):
    put(f"{folder}/t.csv", CSV)
    table = open_table(f"{folder}/t.csv", home=tmp_path)
    (tmp_path / "fetched" / table.hash / "t.csv").write_bytes(CSV[:5])
    assert open_table(f"{folder}/t.csv", home=tmp_path).rows == 2


def test_the_cache_is_bounded(folder, tmp_path):
    for number in range(24):
        for old in (tmp_path / "fetched").glob("*/"):
            os.utime(old, (0, 0))
        put(f"{folder}/t{number}.csv", CSV + str(number).encode() + b",z\n")
        open_table(f"{folder}/t{number}.csv", home=tmp_path)
    assert len(list((tmp_path / "fetched").glob("*.json"))) == 20
    assert len([p for p in (tmp_path / "fetched").iterdir() if p.is_dir()]) == 20


def test_without_a_home_the_copy_goes_with_the_table(folder):
    put(f"{folder}/t.csv", CSV)
    table = open_table(f"{folder}/t.csv")
    copy = Path(table.source)
    assert table.rows == 2
    assert copy.exists()
    del table
    assert not copy.exists()


def test_file_addresses_are_paths(tmp_path):
    (tmp_path / "t.csv").write_bytes(CSV)
    assert open_table(f"file://{tmp_path}/t.csv").rows == 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("memory://nowhere/t.csv", "no such file"),
        ("nonsense://a/t.csv", "unknown kind of address nonsense://"),
        ("file:///nowhere/t.csv", r"^t\.csv: no such file"),
    ],
)
def test_what_cannot_be_fetched_says_why(address, words, tmp_path):
    with pytest.raises(SourceUnreadable, match=words):
        open_table(address, home=tmp_path)
    with pytest.raises(UsageError, match="no variable FAIRLEAD_TEST_NONE"):
        open_table("s3://${FAIRLEAD_TEST_NONE}/t.csv", home=tmp_path)


def test_a_folder_is_no_table(folder, tmp_path):
    put(f"{folder}/in/t.csv", CSV)
    with pytest.raises(SourceUnreadable, match="a folder, not a file"):
        open_table(f"{folder}/in", home=tmp_path)


@pytest.fixture(scope="module")
def s3():
    """A real S3 server of moto on a free port, with a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden-word",
            "AWS_DEFAULT_REGION": "us-east-1", "BUCKET": "tables",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="tables")
        yield boto3.client("s3")
    server.stop()


def test_s3_by_etag(s3, tmp_path):
    s3.put_object(Bucket="tables", Key="in/t.csv", Body=CSV)
    table = open_table("s3://${BUCKET}/in/t.csv", home=tmp_path)
    assert table.frame()["a"].tolist() == [1, 2]
    (note,) = (tmp_path / "fetched").glob("*.json")
    assert json.loads(note.read_text())["marks"]["ETag"] == s3.head_object(Bucket="tables", Key="in/t.csv")["ETag"]
    before = times_fetched(tmp_path)
    open_table("s3://${BUCKET}/in/t.csv", home=tmp_path)
    assert times_fetched(tmp_path) == before
    s3.put_object(Bucket="tables", Key="in/t.csv", Body=CSV + b"3,z\n")
    assert open_table("s3://${BUCKET}/in/t.csv", home=tmp_path).rows == 3


def test_s3_parquet_and_what_is_not_there(s3, tmp_path):
    out = pa.BufferOutputStream()
    parquet.write_table(pa.table({"a": [1, 2, 3]}), out)
    s3.put_object(Bucket="tables", Key="t.parquet", Body=out.getvalue().to_pybytes())
    assert open_table("s3://tables/t.parquet", home=tmp_path).rows == 3
    with pytest.raises(SourceUnreadable, match=r"s3://tables/none.csv: no such file") as caught:
        open_table("s3://tables/none.csv", home=tmp_path)
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pa$$@db:5432/shop", "postgresql://me:***@db:5432/shop"),
        ("postgresql://me:${PW}@db/shop?sslmode=${MODE}", "postgresql://me:${PW}@db/shop?sslmode=${MODE}"),
        ("s3://key:secret@bucket/t.csv", "s3://key:***@bucket/t.csv"),
        ("https://x/t.csv?sig=abc&sv=1", "https://x/t.csv?sig=***&sv=***"),
        ("postgresql://me:half${PW}@db/shop", "postgresql://me:***@db/shop"),
        ("${DATABASE_URL}", "${DATABASE_URL}"),
        ("data/a b.csv", "data/a b.csv"),
        ("sqlite:///x.db", "sqlite:///x.db"),
    ],
)
def test_an_address_is_shown_without_its_secrets(text, shown):
    assert shown_of(text) == shown


def test_the_environment_fills_in_and_passwords_are_quoted():
    known = {"PW": "p@ss/w:rd", "HOST": "db"}
    address = address_of("postgresql://me:${PW}@${HOST}/shop", known)
    assert address.text == "postgresql://me:p%40ss%2Fw%3Ard@db/shop"
    assert address.scrubbed("no entry for p@ss/w:rd (p%40ss%2Fw%3Ard)") == "no entry for *** (***)"
    whole = address_of("${URL}", {"URL": "postgresql://me:deep-secret@db/shop"})
    assert whole.is_database
    assert "deep-secret" not in whole.shown + whole.scrubbed("FATAL: deep-secret")
