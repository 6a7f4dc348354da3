"""Tables and objects on a real Hadoop cluster, whose DataNodes are killed under reads and writes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually
from tests.ports import hadoop_cluster
from tests.ports.test_port_store import Place, killed

import fairlead
from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.contract.stores import StoreTerms
from fairlead.doors.python import init
from fairlead.lab.tables import open_table
from fairlead.lab.tables.webhdfs import Hadoop
from fairlead.ops.stores import store_of
from fairlead.ops.stores.checking import Bytes

pytestmark = pytest.mark.long
SIZE = 24 << 20  # 96 blocks of the cluster
TERMS = StoreTerms(timeout_s=15.0)


@pytest.fixture(scope="module")
def started() -> Iterator[hadoop_cluster.Cluster]:
    """A NameNode and two DataNodes."""
    with hadoop_cluster.running() as found:
        yield found


@pytest.fixture
def cluster(started: hadoop_cluster.Cluster) -> Iterator[hadoop_cluster.Cluster]:
    """The cluster with both DataNodes alive, whatever a test before did to them."""
    for node in ("data1", "data2"):
        if started.processes[node].poll() is not None:
            started.start(node)
    eventually(lambda: started.answering() == 2, within_s=60, what="both DataNodes")
    return started


def spoken_to(cluster: hadoop_cluster.Cluster, hadoop: Hadoop) -> str:
    """data1 or data2: the one that this client speaks with."""
    return cluster.node_of(f"http://{hadoop.node}/")


@pytest.mark.verified(
    "hadoop",
    "HDFS, a read of which the DataNode dies",
    how="run",
    by="Hadoop 2.7.3, two DataNodes: the one that answers killed -9, read at the other",
)
def test_a_read_goes_on_at_the_other_replica(cluster: hadoop_cluster.Cluster, tmp_path: Path) -> None:
    body = os.urandom(SIZE)
    stored = store_of(f"{cluster.address}/read", TERMS).put("large", body)
    eventually(lambda: cluster.replicas("/read/large") == 2, within_s=60, what="two replicas of each block")
    hadoop = Hadoop(cluster.address.removeprefix("hdfs://"), timeout_s=15.0)
    digest = hashlib.sha256()
    with hadoop.open("/read/large") as file:
        digest.update(file.read(1 << 20))
        first = spoken_to(cluster, hadoop)
        cluster.kill(first)
        while block := file.read(1 << 20):
            digest.update(block)
    assert digest.hexdigest() == stored.sha256
    assert spoken_to(cluster, hadoop) != first
    # The NameNode does not know yet that one is dead; objects are read all the same.
    assert store_of(f"{cluster.address}/read", TERMS).get("large", tmp_path / "x").sha256 == stored.sha256


@pytest.mark.verified(
    "hadoop",
    "HDFS, a write of which the DataNode dies",
    how="run",
    by="Hadoop 2.7.3: DataNode killed -9 mid-write, made again, seen when whole",
)
def test_a_write_is_made_again_and_seen_only_when_whole(
    cluster: hadoop_cluster.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beside = (store_of(f"{cluster.address}/write", TERMS) for _ in range(2))
    (tmp_path / "large").write_bytes(os.urandom(SIZE))
    store.put("large", b"of before")
    eventually(lambda: cluster.replicas("/write/large") == 2, within_s=60, what="two replicas of what was before")
    whole, seen, dead = Bytes.blocks, [], []

    def blocks(self: Bytes, start: int = 0, count: int | None = None) -> Iterator[bytes]:
        for number, block in enumerate(whole(self, start, count)):
            if seen and number == 8 and not dead:
                dead.append(spoken_to(cluster, store._hadoop))
                cluster.kill(dead[0])
                seen.append((beside.read("large"), [one.name for one in beside.list()]))
            yield block
        seen.append(None)

    monkeypatch.setattr(Bytes, "blocks", blocks)
    stored = store.put("large", tmp_path / "large")
    monkeypatch.undo()
    assert len(dead) == 1
    assert (b"of before", ["large"]) in seen
    assert beside.stat("large") == stored
    assert beside.get("large", tmp_path / "back").sha256 == stored.sha256
    assert [one.name for one in beside.list()] == ["large"]


@pytest.mark.verified(
    "hadoop",
    "HDFS, a writer that is killed",
    how="run",
    by="Hadoop 2.7.3: writer killed -9 after 16 of 24 MiB, the rest appended by the next",
)
def test_a_killed_writer_is_gone_on_from(
    cluster: hadoop_cluster.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").write_bytes(os.urandom(SIZE))
    place = Place("hdfs", f"{cluster.address}/resumed")
    store = place.fresh(TERMS)
    killed(place, tmp_path / "large", 16 << 20)
    assert store.list() == ()
    sent: list[tuple[str, int]] = []
    for act in ("append", "create"):
        monkeypatch.setattr(Hadoop, act, spied(getattr(Hadoop, act), sent))
    assert begun(store) > 0
    stored = store.put("large", tmp_path / "large")
    # An attempt may have been too early for its DataNode, which still closed what was left; none began anew.
    assert {name for name, _ in sent} == {"append"}
    assert sent[-1][1] < SIZE // 2 + (4 << 20)
    assert store.get("large", tmp_path / "back").sha256 == stored.sha256


def begun(store: Any) -> int:
    """Bytes that a killed writer left."""
    return sum(one["size"] for one in store._hadoop.listing(store._path(".fairlead-uploads")))


def spied(act: Callable[..., None], sent: list[tuple[str, int]]) -> Callable[..., None]:
    """The same, noting how many bytes are sent."""

    def noting(self: Hadoop, path: str, body: Any) -> None:
        sent.append((act.__name__, len(body)))
        act(self, path, body)

    return noting


@pytest.mark.verified(
    "hadoop",
    "HDFS, tables",
    how="run",
    by='Hadoop 2.7.3: data = "hdfs://..." through init, train, score; one DataNode dead',
)
def test_a_table_on_hdfs_from_init_to_score(cluster: hadoop_cluster.Cluster, churn_csv: Path, tmp_path: Path) -> None:
    address = f"{cluster.address}/tables/churn.csv"
    store_of(f"{cluster.address}/tables", TERMS).put("churn.csv", churn_csv)
    assert open_table(address, home=tmp_path / "home").rows == 7043
    init(address, "Churn", tmp_path / "model")
    toml = (tmp_path / "model" / "fairlead.toml").read_text()
    assert address in toml
    toml = re.sub(r"folds = 5.*", "folds = 2", re.sub(r"trials = 30.*", 'trials = 1\nlearners = ["logistic"]', toml))
    (tmp_path / "model" / "fairlead.toml").write_text(toml)
    project = fairlead.open(tmp_path / "model")
    cluster.kill("data1")
    trained = project.train()
    assert trained["tables"]["train"]["source"] == address
    assert project.score(address, tmp_path / "out.csv")["rows"] == 7043


def test_what_is_wrong_is_said(cluster: hadoop_cluster.Cluster, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="no such file"):
        open_table(f"{cluster.address}/tables/none.csv", home=tmp_path)
    with pytest.raises(UsageError, match="unknown option bloksize"):
        store_of(f"{cluster.address}/x?bloksize=1")
    store = store_of(f"{cluster.address}/own?replication=1&blocksize=65536", TERMS)
    store.put("a", b"x" * 200_000)
    status = store._hadoop._json("get", "GETFILESTATUS", "/own/a")["FileStatus"]
    assert (status["replication"], status["blockSize"]) == (1, 65536)
