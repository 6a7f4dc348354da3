"""docs/how-to pages of stores, state and backups: their commands, against the programs that they speak of."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sys
from pathlib import Path
from socket import gethostname

import pytest
import requests
from tests.conftest import Program, eventually
from tests.docs.conftest import LEARNERS, QUICK
from tests.docs.reader import Reader
from tests.journeys.test_churn_loop import typed
from tests.journeys.test_object_stores import azure, gcs, s3, serve_some
from tests.ports import postgres_server
from tests.ports.hadoop_cluster import running as hadoop

import fairlead

pytestmark = pytest.mark.long


def first_rows(table: Path, count: int) -> list[dict[str, str]]:
    """So many rows of a CSV file."""
    with table.open() as file:
        return [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]


@pytest.mark.parametrize("kind", ["s3", "azure", "google"])
def test_object_stores(kind: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = {
        "s3": lambda: s3(monkeypatch), "azure": lambda: azure(tmp_path / "azure", monkeypatch),
        "google": lambda: gcs(tmp_path / "google", monkeypatch),
    }  # fmt: skip
    with stores[kind]() as address:
        reader = Reader("object-stores", shop, {"s3://BUCKET/churn": address})
        rows = first_rows(shop / "churn.csv", 300)
        reader.before["fairlead collect --json"] = lambda: serve_some(Program(shop), rows, "page")
        reader.follow_all()
        assert fairlead.open(shop).workspace.mirror.reconcile().stored_rows == 300


def test_hadoop(tmp_path: Path, churn_csv: Path) -> None:
    with hadoop() as cluster:
        folder = tmp_path / "churn"
        folder.mkdir()
        for name, file in {"churn.csv": churn_csv, "new.csv": churn_csv}.items():
            where = f"{cluster.web}/webhdfs/v1/tables/{name}?op=CREATE&user.name=fairlead&replication=2"
            told = requests.put(where, allow_redirects=False, timeout=30)
            requests.put(told.headers["location"], data=file.read_bytes(), timeout=60).raise_for_status()
        reader = Reader("hadoop", folder, {"hdfs://namenode:9870": cluster.address})

        def shorten() -> None:
            text = (folder / "fairlead.toml").read_text().replace("[train]\n", f"[train]\n{LEARNERS}\n", 1)
            for long, short in QUICK.items():
                text = text.replace(long, short)
            (folder / "fairlead.toml").write_text(text)

        reader.before["fairlead train"] = shorten
        reader.follow_all()
        assert len((folder / "answers.csv").read_text().splitlines()) == 7044
        listed = requests.get(f"{cluster.web}/webhdfs/v1/fairlead/bundles?op=LISTSTATUS", timeout=10).json()
        assert listed["FileStatuses"]["FileStatus"], "the bundle went there when it was sealed"


def test_postgres(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server.running() as server:
        address = f"postgresql://fairlead@/fairlead?host={server.folder}&port={server.port}"
        binaries = Path(postgres_server.program("createdb")).parent
        reader = Reader(
            "postgres", shop, {"postgresql://fairlead@db.example:5432/fairlead": address, "alpha": gethostname()},
            STATE_PASSWORD="not asked over the socket", PGHOST=str(server.folder), PGPORT=str(server.port),
            PGUSER="fairlead", PATH=f"{binaries}:{os.environ['PATH']}",
        )  # fmt: skip
        reader.environ["PATH"] = f"{Path(sys.executable).parent}:{reader.environ['PATH']}"

        monkeypatch.setenv("STATE_PASSWORD", "not asked over the socket")

        def deploy() -> None:
            for verb in ("train", "evaluate", "register", "deploy"):
                Program(shop).run(verb)

        def led() -> bool:
            return bool(Program(shop).json("status")["leader"])

        reader.before["fairlead watch"] = deploy
        reader.before["fairlead status"] = lambda: eventually(led, within_s=60, what="a leader")
        reader.follow_all()


def test_backup(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    with s3(monkeypatch):
        boto3.client("s3").create_bucket(Bucket="backups")
        reader = Reader("backup", shop, {"'…'": "'twelve characters at least'", "/mnt/backups": str(tmp_path / "mnt")})
        bring_back = "fairlead restore s3://backups/shop --passphrase env:PASSPHRASE"
        follow, promote = f"{bring_back} --follow --every 5", f"{bring_back} --promote"
        gone = tmp_path / "gone"

        def second() -> None:
            reader.go(tmp_path / "second")
            shutil.copy(shop / "fairlead.toml", tmp_path / "second")

        def lost() -> None:
            reader.stop("fairlead backup", signal.SIGKILL)
            assert reader.stop("fairlead restore") in (0, 130)

        reader.before = {
            bring_back: lambda: (shop / ".fairlead").rename(gone), follow: second, promote: lost,
        }  # fmt: skip
        rows = [typed(row) for row in first_rows(shop / "churn.csv", 20)]
        answered = fairlead.open(shop).workspace
        before = answered.load(next((shop / ".fairlead" / "bundles").iterdir()).name).predict(rows)
        reader.follow_all()
        theirs = fairlead.open(tmp_path / "second")
        assert theirs.status()["models"][0]["deployed"]
        (bundle,) = (tmp_path / "second" / ".fairlead" / "bundles").iterdir()
        assert theirs.workspace.load(bundle.name).predict(rows) == before
