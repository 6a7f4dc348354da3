"""Training by Spark Connect: what it offers makes bundles like any other, and what it does not is refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program
from tests.journeys.spark_servers import connect, spark_home
from tests.journeys.spark_shell import Shell, shell

pytestmark = pytest.mark.long
ROWS = 400


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, str]]:
    """Verbs on a session of a server's, and its address."""
    spark_home()
    pytest.importorskip("grpc", reason="the extra spark is not installed")
    folder = tmp_path_factory.mktemp("connect")
    with connect(folder) as address, shell(folder, {"name": "spark", "connect": address}) as held:
        yield held, address


@pytest.fixture
def project(program: Program, verbs: tuple[Shell, str]) -> Program:
    """A table that is learned in a second, and a project whose Spark is the server."""
    random = np.random.default_rng(0)
    size, calls = random.normal(size=ROWS), random.poisson(3, ROWS)
    left = np.where(size + 0.5 * calls + random.normal(scale=0.5, size=ROWS) > 1.5, "yes", "no")
    pd.DataFrame({"size": size, "calls": calls, "left": left}).to_csv(program.folder / "rows.csv", index=False)
    program.run("init", "--data", "rows.csv", "--target", "left")
    file = program.folder / "fairlead.toml"
    text = (
        file.read_text().replace("trials = 30", "trials = 2").replace("folds = 5", "folds = 2\nlearners = [LEARNERS]")
    )
    file.write_text(text + f'\n[engine]\nname = "spark"\nconnect = "{verbs[1]}"\n')
    return program


def learners(project: Program, *names: str) -> None:
    file = project.folder / "fairlead.toml"
    file.write_text(file.read_text().replace("LEARNERS", ", ".join(f'"{name}"' for name in names)))


@pytest.mark.verified("engines", "Spark 4, Connect: training", how="run", by="its server: three learners, sealed")
@pytest.mark.parametrize("learner", ["spark_logistic", "spark_forest", "spark_boosting"])
def test_what_spark_ml_fits_by_connect_is_sealed(project: Program, verbs: tuple[Shell, str], learner: str) -> None:
    learners(project, learner)
    made = verbs[0].json(project.folder, "train")
    assert made["learner"] == learner
    assert made["metrics"]["roc_auc"] > 0.8
    assert made["parity"]["flipped"] == 0
    assert made["parity"]["max_difference"] <= 1e-9


def test_trials_by_connect_find_the_model_that_one_process_finds(project: Program, verbs: tuple[Shell, str]) -> None:
    learners(project, "logistic", "naive_bayes")
    there = verbs[0].json(project.folder, "train", "--engine", "spark")
    here = project.json("train", "--engine", "local")
    assert there["bundle"] == here["bundle"]


def test_xgboost_by_connect_is_refused_by_name(project: Program, verbs: tuple[Shell, str]) -> None:
    pytest.importorskip("xgboost", reason="the extra boosting is not installed")
    learners(project, "spark_xgboost")
    told = verbs[0].json(project.folder, "train", expect=2)
    assert "which Spark Connect does not offer" in told["error"]
    assert "spark_boosting" in told["error"]
