"""Secrets that stand in settings are for those who read the file: not for `config`."""

from __future__ import annotations

import json
from pathlib import Path

import fairlead

TOML = """
[model]
name = "churn"
task = "classification"
target = "left"

[data]
train = "churn.csv"

[stores]
bundles = "hdfs://me:s3cr3t@namenode:9870/b?token=s3cr3t"
records = "az://kept@acc.blob.core.windows.net/x?sig=s3cr3t"

[registry]
mlflow = "https://me:s3cr3t@mlflow.example.org"

[engine]
name = "spark"
connect = "sc://spark.example.org:15002/;token=s3cr3t;user_id=me"
conf = {"spark.hadoop.fs.s3a.secret.key" = "s3cr3t", "spark.authenticate.secret" = "s3cr3t", "spark.ui.port" = "4g"}
"""


def test_config_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(TOML)
    found = fairlead.open(tmp_path).config()
    assert "s3cr3t" not in json.dumps(found)
    shown = {name: one["value"] for name, one in found["settings"].items()}
    assert shown["stores.bundles"] == "hdfs://me:***@namenode:9870/b?token=***"
    assert shown["registry.mlflow"] == "https://me:***@mlflow.example.org"
    assert shown["engine.connect"] == "sc://spark.example.org:15002/;token=***;user_id=me"
    assert shown["engine.conf"]["spark.ui.port"] == "4g"
    assert shown["serve.host"] == "127.0.0.1"
