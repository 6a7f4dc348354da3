"""docs/how-to pages of brokers, engines and registries: their commands, against the programs that they speak of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Program, environment, eventually
from tests.docs.pages import blocks, pattern
from tests.docs.reader import Reader
from tests.journeys.mlflow_server import CALM, MlflowServer, server_python
from tests.journeys.spark_servers import connect, standalone
from tests.journeys.test_churn_loop import typed
from tests.journeys.test_mlflow_remote import THEIRS
from tests.ports.brokers import Redis

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROWS = 300


def messages(shop: Path) -> list[tuple[str, bytes]]:
    """Rows as messages, with their keys, and one that cannot be answered."""
    rows = pd.read_csv(shop / "churn.csv", dtype=str, keep_default_na=False).head(ROWS).to_dict("records")
    return [*((f"m{n}", json.dumps(typed(row)).encode()) for n, row in enumerate(rows)), ("bad", b"{")]


def test_streams(shop: Path, tmp_path: Path) -> None:
    """The stream that the page starts answers what lies in Redis, the one of folders what lies there."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'fairlead[spark]'")
    redis = Redis(tmp_path / "redis")
    redis.start()
    try:
        sent = messages(shop)
        redis.fill("rows", sent)
        (shop / "incoming").mkdir()
        lines = b"\n".join(body for _, body in sent[:100])
        (shop / "incoming" / "first.jsonl").write_bytes(lines + b"\n")
        reader = Reader("streams", shop, {"redis://localhost:6379": f"redis://127.0.0.1:{redis.port}"})
        for done in reader.follow():
            if "incoming" in done:
                answered = shop / "answered" / "batch-000000000000.jsonl"
                eventually(answered.exists, within_s=120, what="the folder's first batch")
                assert len(answered.read_text().splitlines()) == 100
        assert len(redis.all_of("answers")) == ROWS
        assert len(redis.all_of("answers.dead")) == 1
    finally:
        redis.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A standalone master with two workers and a Connect server, by the names that pages give them."""
    (tmp_path / "spark").mkdir()
    with standalone(tmp_path / "spark") as master, connect(tmp_path / "spark") as server:
        yield {"spark://host:7077": master, "sc://host:15002": server}


def test_spark(shop: Path, cluster: dict[str, str]) -> None:
    labelled = pd.read_csv(shop / "churn.csv")
    labelled.to_parquet(shop / "labelled.parquet", row_group_size=2000)
    table = labelled.drop(columns=["Churn"])
    table.to_parquet(shop / "rows.parquet", row_group_size=2000)
    table.head(3500).to_parquet(shop / "old.parquet", row_group_size=2000)
    table.tail(3500).to_parquet(shop / "new.parquet", row_group_size=2000)
    Program(shop).run("score", "rows.parquet", "here.parquet")
    python = shutil.which("python") or ""
    Reader("spark", shop, {**cluster, '"4g"': '"512m"', "/opt/fairlead/bin/python": python}).follow_all()
    pd.testing.assert_frame_equal(pd.read_parquet(shop / "answers.parquet"), pd.read_parquet(shop / "here.parquet"))


def test_mlflow(shop: Path, tmp_path: Path) -> None:
    server = MlflowServer(tmp_path / "server")
    server.start()
    try:
        rows = pd.read_csv(shop / "churn.csv").head(1000)
        rows.to_csv(shop / "rows.csv", index=False)
        theirs = THEIRS.replace("income", "MonthlyCharges").replace("kind", "Contract").replace("repaid", "Churn")
        (tmp_path / "theirs.py").write_text(theirs)
        words = [str(server_python()), "theirs.py", server.url, str(shop / "rows.csv")]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, env={**environment(), **CALM}, timeout=200)
        reader = Reader("mlflow", shop, {"http://mlflow.example.org:5000": server.url}, **CALM)
        reader.prelude = "import pandas as pd\nrows = pd.read_csv('rows.csv').drop(columns=['Churn'])"
        reader.follow_all()
    finally:
        server.stop()


def test_distributed_training(shop: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'fairlead[spark]'")
    reader = Reader("distributed-training", shop, {"spark://host:7077": "local[2]"})
    reader.follow_all()
    settings = shop / "fairlead.toml"
    assert "spark_logistic" in settings.read_text()
    settings.write_text(
        settings.read_text().replace('"spark_logistic", "spark_forest", "spark_xgboost"', '"spark_logistic"')
    )
    assert Program(shop).json("train")["learner"] == "spark_logistic"


def test_large_tables(shop: Path) -> None:
    """The sentence of the page, of a table that is small and must not take more than a megabyte."""
    reader = Reader("large-tables", shop, {'"auto"': "true", "memory_mb = 2000": "memory_mb = 1"})
    (settings,) = (block for block in blocks("large-tables") if block.language == "toml")
    reader.set(settings.text)
    said = " ".join(Program(shop).run("train").stdout.split())
    (shown,) = (block.text for block in blocks("large-tables") if block.language == "text")
    beginning = " ".join(shown.split()).split(", by Newton")[0]
    assert re.search(pattern(beginning), said), said
