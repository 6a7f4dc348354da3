"""Every variant of the port `store`: whole or absent, as it was put, whoever dies on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import environment
from tests.ports import hadoop_cluster
from tests.ports.object_stores import AZURITE_KEY, Proxy, azurite, google, moto

from fairlead.contract.errors import (
    ObjectDamaged,
    ObjectExists,
    ObjectNotFound,
    ObjectTooLarge,
    StoreFailed,
    UsageError,
)
from fairlead.contract.plugins import names
from fairlead.contract.stores import Store, StoreTerms, check_name, walk
from fairlead.ops.stores import store_of
from fairlead.ops.stores.checking import Bytes

PART = 5 << 20
TERMS = StoreTerms(part_bytes=PART, timeout_s=10.0, attempts=3)


class Place:
    """Where one kind of store is: the address of a place in it, and what lies between us and its server."""

    def __init__(self, kind: str, address: str, proxy: Proxy | None = None) -> None:
        self.kind, self.address, self.proxy = kind, address, proxy
        self._count = 0

    def fresh(self, terms: StoreTerms = TERMS) -> Store:
        """A store at an address where nothing is yet."""
        self._count += 1
        return store_of(self.last, terms)

    @property
    def last(self) -> str:
        """Where the last one is."""
        return f"{self.address}/{self._count}"


@contextlib.contextmanager
def _s3(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    import boto3

    with moto() as (port, environ):
        proxy = Proxy(port)
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        yield Place("s3", "s3://kept/port", proxy)
        proxy.close()


@contextlib.contextmanager
def _az(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    from azure.storage.blob import BlobServiceClient

    with azurite(folder) as port:
        proxy = Proxy(port)
        said = (f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
                f"BlobEndpoint=http://127.0.0.1:{proxy.port}/devstoreaccount1;")  # fmt: skip
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
        BlobServiceClient.from_connection_string(said).create_container("kept")
        yield Place("az", "az://kept/port", proxy)
        proxy.close()


@contextlib.contextmanager
def _gs(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    from google.cloud import storage

    with google(folder) as port:
        proxy = Proxy(port)
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{proxy.port}")
        storage.Client().create_bucket("kept")
        yield Place("gs", "gs://kept/port", proxy)
        proxy.close()


@contextlib.contextmanager
def _hdfs(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    with hadoop_cluster.running() as cluster:
        yield Place("hdfs", f"{cluster.address}/port")


@contextlib.contextmanager
def _file(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield Place("file", str(folder))


PLACES = {"file": _file, "s3": _s3, "az": _az, "gs": _gs, "hdfs": _hdfs}
SLOW = ("az", "gs", "hdfs")  # their servers come from npm, Debian or take long to start
KINDS = [pytest.param(kind, marks=[pytest.mark.long] if kind in SLOW else []) for kind in PLACES]


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A running server of that kind."""
    kind = str(request.param)
    with pytest.MonkeyPatch.context() as patch, PLACES[kind](tmp_path_factory.mktemp(kind), patch) as found:
        yield found


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    made = place.fresh()
    yield made
    made.close()


def test_every_variant_is_tried_here() -> None:
    assert set(PLACES) == set(names("store"))


def test_an_object_is_what_was_put(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"a,b\n1,2\n")
    first = store.put("records/churn/2026-01-02/03/part 0.parquet", tmp_path / "in")
    assert (first.bytes, first.sha256) == (8, Bytes(b"a,b\n1,2\n").sha256())
    assert store.stat(first.name) == first
    assert store.exists(first.name)
    got = store.get(first.name, tmp_path / "deep" / "out", sha256=first.sha256)
    assert (got.sha256, (tmp_path / "deep" / "out").read_bytes()) == (first.sha256, b"a,b\n1,2\n")
    second = store.put(first.name, b"")
    assert store.read(first.name) == b""
    assert second.etag != first.etag
    assert [one.name for one in store.list()] == [first.name]
    assert store.delete(first.name)
    assert not store.delete(first.name)
    assert store.stat(first.name) is None
    assert not store.exists(first.name)
    assert store.list() == ()


def test_how_an_object_lies_there_is_told(store: Store) -> None:
    assert store.facts("a/b") is None
    began = time.time()
    store.put("a/b", b"x")
    found = store.facts("a/b")
    assert found is not None
    assert began - 2.0 <= found.at <= time.time() + 2.0, "by the store's clock, to the second"
    assert (found.encrypt, found.key) in (("", ""), ("AES256", ""))


def test_what_is_not_there_is_said(store: Store, tmp_path: Path) -> None:
    for act in (lambda: store.read("none/such"), lambda: store.get("none/such", tmp_path / "x")):
        with pytest.raises(ObjectNotFound, match="none/such"):
            act()
    assert list(tmp_path.iterdir()) == []
    assert store.list("none/") == ()


def test_names_come_in_order_and_a_page_at_a_time(store: Store) -> None:
    told = sorted(["a-b", "a/b", "a/c/d", "a/c/é", "a0", "b/x", "z", "a/+ ?#&=~"])
    for name in reversed(told):
        store.put(name, name.encode())
    assert [one.name for one in store.list()] == told
    assert [one.name for one in store.list(limit=3)] == told[:3]
    assert [one.name for one in store.list(after=told[2], limit=2)] == told[3:5]
    assert [one.name for one in walk(store, page=2)] == told
    assert [one.name for one in store.list("a/")] == [name for name in told if name.startswith("a/")]
    assert [one.name for one in store.list("a/c")] == ["a/c/d", "a/c/é"]
    assert [one.bytes for one in store.list("z")] == [1]
    assert store.read("a/+ ?#&=~") == b"a/+ ?#&=~"


def test_bytes_of_another_hash_are_not_handed_out(place: Place, store: Store, tmp_path: Path) -> None:
    kept = store.put("model/tail.onnx", b"as it was sealed")
    if place.kind == "file":
        Path(place.last, "model", "tail.onnx").write_bytes(b"as it was forged")
    else:
        store._write("model/tail.onnx", Bytes(b"as it was forged"), kept.sha256, False)  # type: ignore[attr-defined]
    with pytest.raises(ObjectDamaged, match=r"model/tail\.onnx"):
        store.read("model/tail.onnx")
    with pytest.raises(ObjectDamaged):
        store.get("model/tail.onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_hash_that_the_caller_knows_is_held(store: Store) -> None:
    wrong = "0" * 64
    with pytest.raises(ObjectDamaged):
        store.put("a", b"bytes", sha256=wrong)
    assert not store.exists("a")
    store.put("a", b"bytes")
    with pytest.raises(ObjectDamaged):
        store.read("a", sha256=wrong)


def test_only_if_there_is_none(store: Store) -> None:
    store.put("lock", b"first", if_absent=True)
    with pytest.raises(ObjectExists, match="lock"):
        store.put("lock", b"second", if_absent=True)
    assert store.read("lock") == b"first"


def test_what_is_too_large_to_read_is_not_read(store: Store) -> None:
    store.put("large", b"x" * 5000)
    with pytest.raises(ObjectTooLarge, match="5,000 bytes"):
        store.read("large", limit=4999)
    assert len(store.read("large", limit=5000)) == 5000


KILLED = """
import sys
from pathlib import Path
from fairlead.contract.stores import StoreTerms
from fairlead.ops.stores import store_of, checking

whole, hashed = checking.Bytes.blocks, [True] * (sys.argv[5] == "file")

def stall(self, start=0, count=None):
    for block in whole(self, start, count):
        if hashed and start >= int(sys.argv[4]):
            print("here", flush=True)
            sys.stdin.read()
        start += len(block)
        yield block
    hashed.append(True)

checking.Bytes.blocks = stall
terms = StoreTerms(part_bytes=int(sys.argv[3]), timeout_s=10.0)
store_of(sys.argv[1], terms).put("large", Path(sys.argv[2]))
"""


def killed(place: Place, path: Path, at: int) -> None:
    """A process that puts the file and is killed with -9 when it has come to that byte."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, place.last, str(path), str(PART), str(at), place.kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"here\n", process.stderr.read().decode()[-2000:]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)


@pytest.mark.verified(
    "stores",
    "S3, Azure Blob, GCS: an upload goes on after a kill",
    how="emulated",
    by="moto's server, Azurite, gcp-storage-emulator: kill -9, parts that are there not sent again",
)
def test_a_killed_writer_leaves_what_was_there_and_the_next_goes_on(place: Place, store: Store, tmp_path: Path) -> None:
    size = 2 * PART + (3 << 20)
    (tmp_path / "large").write_bytes(os.urandom(size))
    store.put("large", b"of before")
    killed(place, tmp_path / "large", 2 * PART + (1 if place.kind in ("file", "hdfs") else 0))
    assert store.read("large") == b"of before"
    assert [one.name for one in store.list()] == ["large"]
    before = place.proxy.sent if place.proxy else 0
    stored = store.put("large", tmp_path / "large")
    if place.proxy:
        # Two of three parts were there.
        assert place.proxy.sent - before < size - 2 * PART + (1 << 19)
    assert store.get("large", tmp_path / "back").sha256 == stored.sha256 == Bytes(tmp_path / "large").sha256()
    assert [one.name for one in store.list()] == ["large"]


def test_other_bytes_under_a_name_that_was_half_uploaded(place: Place, store: Store, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(os.urandom(2 * PART + 1))
    (tmp_path / "two").write_bytes(os.urandom(2 * PART + 1))
    killed(place, tmp_path / "one", PART)
    assert store.list() == ()
    store.put("large", tmp_path / "two")
    store.get("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.verified(
    "stores",
    "S3, Azure Blob, GCS: a read goes on where it broke",
    how="emulated",
    by="moto's server, Azurite, gcp-storage-emulator behind a proxy that cuts a connection",
)
def test_a_read_that_is_cut_goes_on(place: Place, store: Store, tmp_path: Path) -> None:
    if place.proxy is None:
        pytest.skip(f"{place.kind}: no connection to cut here")
    body = os.urandom(9 << 20)
    store.put("large", body)
    place.proxy.cut_once_after(3 << 20)
    stored = store.get("large", tmp_path / "out")
    assert place.proxy.has_cut
    assert (tmp_path / "out").read_bytes() == body
    assert stored.bytes == len(body)


def test_two_writers_at_once_leave_one_whole_object(store: Store, tmp_path: Path) -> None:
    import threading

    bodies = [bytes([number]) * 200_000 for number in range(4)]
    done: list[Exception | None] = []

    def write(body: bytes) -> None:
        try:
            for _ in range(3):
                store.put("same", body)
            done.append(None)
        except Exception as error:
            done.append(error)

    threads = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert done == [None] * 4
    assert store.read("same") in bodies


def test_objects_of_one_folder_come_and_go_at_once(store: Store) -> None:
    import threading

    failed: list[Exception] = []

    def come_and_go(number: int) -> None:
        try:
            for turn in range(25):
                store.put(f"objects/{turn % 3}/{number}", b"x" * 1000)
                assert store.delete(f"objects/{turn % 3}/{number}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []
    assert store.list("objects/") == ()


def test_a_store_that_is_gone_is_said_in_time(place: Place) -> None:
    gone: dict[str, Callable[[], Store]] = {
        "s3": lambda: store_of("s3://nobody-made-this", TERMS),
        "az": lambda: store_of("az://nobody-made-this", TERMS),
        "gs": lambda: store_of("gs://nobody-made-this", TERMS),
        "hdfs": lambda: store_of("hdfs://127.0.0.1:9/x", TERMS),
    }
    if place.kind not in gone:
        pytest.skip("a folder is made")
    begun = time.monotonic()
    with pytest.raises(StoreFailed, match=r"no (bucket|container)|does not answer"):
        gone[place.kind]().put("x", b"")
    assert time.monotonic() - begun < 30


@given(st.text(max_size=40))
def test_a_name_that_is_taken_never_leaves_the_store(name: str) -> None:
    with contextlib.suppress(UsageError):
        taken = check_name(name)
        assert (Path("/root/of") / taken).resolve() == Path("/root/of") / taken


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/./b", ".fairlead-store/lock", "a\\b", "a:b", "50%", "a\n", "x" * 901]
)
def test_names_that_no_store_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        store_of(str(tmp_path)).put(name, b"")


@pytest.mark.parametrize(
    ("address", "said"),
    [("ftp://x/y", "unknown kind of store ftp"), ("s3://", "no bucket"), ("s3://${NO_SUCH_NAME}/x", "NO_SUCH_NAME")],
)
def test_addresses_that_name_no_store(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        store_of(address)
