"""A sealed model judged by Spark's executors: what adds up is equal, areas are within the bound that is told."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from pyarrow import csv
from tests.conftest import Program
from tests.journeys.spark_servers import spark_home

from fairlead.contract.engines import EngineSettings
from fairlead.lab.evaluate.folded import judge_on
from fairlead.lab.stats.measures import metrics
from fairlead.lab.tables import columns_of, target_of
from fairlead.lab.tables.engines import engine_of
from fairlead.ops.flow import making
from fairlead.ops.flow.workspace import Workspace

pytestmark = pytest.mark.long


@pytest.mark.verified("engines", "Spark 4, evaluation", how="run", by="folded metrics: 1e-12, areas within their bound")
@pytest.mark.parametrize("which", ["churn", "bike"])
def test_metrics_of_spark_are_those_of_a_pass_here(
    program: Program, churn_csv: Path, bike_csv: Path, which: str
) -> None:
    spark_home()
    table, target = (churn_csv, "Churn") if which == "churn" else (bike_csv, "cnt")
    program.run("init", "--data", str(table), "--target", target)
    file = program.folder / "fairlead.toml"
    learner = 'folds = 2\nlearners = ["hist_gradient_boosting"]'
    file.write_text(file.read_text().replace("trials = 30", "trials = 1").replace("folds = 5", learner))
    program.run("train")
    rows = program.folder / "rows.parquet"
    parquet.write_table(csv.read_csv(table), rows, row_group_size=2_000)
    ws = Workspace.find(program.folder)
    bundle = making.resolve_bundle(ws, None)
    model = ws.load(bundle)
    found = parquet.read_table(rows)
    scores = model.score_columns(columns_of(found, model.signature, zone=model.signature.timezone, text="codes"))
    exact = metrics(model.signature.task, target_of(found, model.signature), scores, model.signature)
    judged = []
    for settings in (EngineSettings(), EngineSettings(name="spark", master="local[2]")):
        engine = engine_of(settings)
        try:
            judged.append(judge_on(engine, model, ws.store.path(bundle), ws.trusted, rows, draws=50))
        finally:
            engine.close()
    for one in judged:
        assert one.rows == found.num_rows
        assert set(one.metrics) >= set(exact)
        for name, value in exact.items():
            off = abs(one.metrics[name].value - value)
            assert off <= one.off_by.get(name, 0.0) + 1e-12 * max(1.0, abs(value)) * 10, (name, off)
    here, there = judged
    for name, told in here.metrics.items():
        assert there.metrics[name].low == pytest.approx(told.low, rel=1e-9, abs=1e-12), name
        assert there.metrics[name].high == pytest.approx(told.high, rel=1e-9, abs=1e-12), name
