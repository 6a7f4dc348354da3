"""A remote MLflow server as registry and artifact store, both ways: ours used by its tools, others' served by us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from tests.conftest import ROOT, Program, environment, eventually
from tests.journeys.cli import make_project
from tests.journeys.mlflow_server import CALM, MlflowServer, free_port, server_python

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

THEIRS = """
import sys
import mlflow, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

mlflow.set_tracking_uri(sys.argv[1])
rows = pd.read_csv(sys.argv[2])
columns = ["income", "kind"]
parts = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), ["income"]),
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]),
)
model = make_pipeline(parts, LogisticRegression()).fit(rows[columns], rows["repaid"])
for written in ({"serialization_format": "skops", "skops_trusted_types": ["numpy.dtype"]},
                {"serialization_format": "cloudpickle"}):
    with mlflow.start_run():
        mlflow.sklearn.log_model(model, name="model", registered_model_name="theirs", pip_requirements=[], **written)
mlflow.MlflowClient().set_registered_model_alias("theirs", "agreed", "2")
print(pd.DataFrame(model.predict_proba(rows[columns].head(20)), columns=model.classes_).to_json(orient="records"))
"""
"""What somebody else runs, with the full MLflow and without us: their model, registered in two forms."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def deployed(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A project whose registry is the server, with its first version deployed."""
    folder = make_project(tmp_path_factory.mktemp("ours") / "loans")
    registry = f'\n[registry]\nmlflow = "{server.url}"\n'
    settings = folder / "fairlead.toml"
    settings.write_text(settings.read_text() + registry)
    program = Program(folder)
    for verb in ("train", "evaluate", "register", "deploy"):
        program.json(verb)
    program.json("register", "--sync")
    return program


def client(server: MlflowServer) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


def asked(url: str) -> dict[str, str]:
    return {**environment(), **CALM, "MLFLOW_TRACKING_URI": url}


@pytest.mark.verified(
    "registries",
    "MLflow server",
    how="run",
    by="mlflow 3 server on SQLite: version, alias, lineage and report found there",
)
def test_a_version_is_in_the_servers_registry_with_lineage_alias_and_artifacts(
    server: MlflowServer, deployed: Program
) -> None:
    found = client(server).get_model_version_by_alias("loans", "champion")
    assert found.tags["fairlead.bundle"] == deployed.json("register")["bundle"]
    assert found.tags["fairlead.version"] == "1"
    assert len(found.tags["fairlead.data"]) == 64
    run = client(server).get_run(found.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert run.data.metrics["roc_auc"] > 0.7
    assert {a.path for a in client(server).list_artifacts(found.run_id)} == {"model", "report"}
    assert not (deployed.folder / ".fairlead" / "mlflow.db").exists()


@pytest.mark.verified(
    "registries", "MLflow's tools on our versions", how="run", by="mlflow.pyfunc.load_model and `mlflow models predict`"
)
def test_mlflows_own_tools_answer_as_the_sealed_model_does(server: MlflowServer, deployed: Program) -> None:
    rows = pd.read_csv(deployed.folder / "loans.csv").head(30)[["income", "kind"]]
    rows.to_csv(deployed.folder / "asked.csv", index=False)
    deployed.json("score", "asked.csv", "expected.csv")
    expected = pd.read_csv(deployed.folder / "expected.csv")
    code = """
        import sys, mlflow, pandas as pd
        said = mlflow.pyfunc.load_model("models:/loans@champion").predict(pd.read_csv("asked.csv"))
        said.to_csv("loaded.csv", index=False)
    """
    quiet = {"capture_output": True, "text": True, "cwd": deployed.folder, "env": asked(server.url), "timeout": 120}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, **quiet)
    loaded = pd.read_csv(deployed.folder / "loaded.csv")
    words = ["-m", "mlflow", "models", "predict", "-m", "models:/loans@champion", "--env-manager", "local"]
    said = subprocess.run([sys.executable, *words, "-t", "csv", "-i", "asked.csv"], check=True, **quiet).stdout
    predicted = pd.DataFrame(json.loads(said.strip().splitlines()[-1])["predictions"])
    for answer in (loaded, predicted):
        assert answer["label"].tolist() == expected["label"].tolist()
        assert (answer["yes"] - expected["yes"]).abs().max() < 1e-12


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the full MLflow with our base install beside it, and nothing else of ours."""
    uv, folder = Path(sys.executable).with_name("uv"), tmp_path_factory.mktemp("beside") / "env"
    python = folder / "bin" / "python"
    made = ["venv", "-q", "--python", sys.executable, str(folder)]
    locks = [str(ROOT / "requirements" / f"{lock}.txt") for lock in ("server-mlflow", "base")]
    # One after the other: where both name a version, ours counts, and MLflow takes it.
    for words in (made, *(["pip", "install", "-q", "--python", str(python), "-r", lock] for lock in locks),
                  ["pip", "check", "-q", "--python", str(python)]):  # fmt: skip
        done = subprocess.run([uv, *words], capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr
    return python


@pytest.mark.verified(
    "registries",
    "MLflow's model server on our versions",
    how="run",
    by="`mlflow models serve` in MLflow's own environment",
)
def test_mlflows_server_answers_with_our_version_in_an_environment_of_its_own(
    server: MlflowServer, deployed: Program, beside: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(deployed.folder / "loans.csv").head(30)[["income", "kind"]]
    rows.to_csv(deployed.folder / "thirty.csv", index=False)
    deployed.json("score", "thirty.csv", "scored.csv")
    expected = pd.read_csv(deployed.folder / "scored.csv")
    port = free_port()
    words = ["-m", "mlflow", "models", "serve", "-m", "models:/loans@champion", "--env-manager", "local",
             "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    with (tmp_path / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [str(beside), *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=tmp_path,
            env={**asked(server.url), "PYTHONPATH": str(ROOT / "src"), "PATH": f"{beside.parent}:{os.environ['PATH']}"},
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def well() -> bool:
        assert process.poll() is None, (tmp_path / "serve.log").read_text()
        try:
            return httpx.get(f"{url}/ping", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(well, 120, "mlflow models serve to answer")
        split = json.loads(rows.to_json(orient="split"))
        answer = httpx.post(f"{url}/invocations", json={"dataframe_split": {k: split[k] for k in ("columns", "data")}})
        assert answer.status_code == 200, answer.text
        predicted = pd.DataFrame(answer.json()["predictions"])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    assert predicted["label"].tolist() == expected["label"].tolist()
    assert (predicted["yes"] - expected["yes"]).abs().max() < 1e-12


@pytest.mark.verified(
    "registries",
    "models of others in MLflow",
    how="run",
    by="sklearn flavour as skops and as cloudpickle, sealed and equal",
)
def test_models_that_others_registered_are_sealed_and_answer_the_same(
    server: MlflowServer, deployed: Program, tmp_path: Path
) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    words = [str(server_python()), "theirs.py", server.url, str(deployed.folder / "loans.csv")]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env={**environment(), **CALM}, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = json.loads(done.stdout.strip().splitlines()[-1])
    sealed = deployed.json("bundle", "models:/theirs/1", "--sample", "loans.csv")
    assert sealed["form"] == "linear"
    assert "audited its types" in sealed["did"]
    refused = deployed.run("bundle", "models:/theirs/2", "--sample", "loans.csv", expect=2)
    assert "--trust" in refused.stderr
    trusted = deployed.json("bundle", "models:/theirs@agreed", "--sample", "loans.csv", "--trust")
    assert "in a process of its own" in trusted["did"]
    assert trusted["bundle"] == sealed["bundle"]
    assert not [p for p in (Path(sealed["path"]) / "model").rglob("*") if p.suffix in {".pkl", ".joblib", ".skops"}]
    pd.read_csv(deployed.folder / "loans.csv").head(20).to_csv(deployed.folder / "twenty.csv", index=False)
    deployed.json("score", "twenty.csv", "answers.csv", "--bundle", sealed["bundle"])
    answers = pd.read_csv(deployed.folder / "answers.csv")
    assert (answers["yes"] - pd.DataFrame(expected)["yes"]).abs().max() < 1e-9
    unknown = deployed.run("bundle", "models:/nobody/1", "--sample", "loans.csv", expect=2)
    assert "knows no such model" in unknown.stderr


BOOSTED = """
import sys
import lightgbm, mlflow, pandas as pd, xgboost

mlflow.set_tracking_uri(sys.argv[1])
rows = pd.read_csv(sys.argv[2]).dropna()
columns, target = rows[["income"]], (rows["repaid"] == "yes").astype(int)


class Own(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["income"] > 12.0).astype(int)


told = {"registered_model_name": "theirs-" + sys.argv[3], "name": "model", "pip_requirements": []}
with mlflow.start_run():
    if sys.argv[3] == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=20, max_depth=3).fit(columns, target)
        mlflow.xgboost.log_model(model, **told)
    elif sys.argv[3] == "lightgbm":
        model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(columns, target)
        mlflow.lightgbm.log_model(model, **told)
    else:
        model = Own()
        mlflow.pyfunc.log_model(python_model=model, **told)
asked = columns.head(20)
said = model.predict(None, asked) if sys.argv[3] == "pyfunc" else model.predict_proba(asked)[:, 1]
print(list(map(float, said)))
"""
"""Models of three more flavours; each prints what it says of the first 20 rows."""


@pytest.mark.verified(
    "registries", "XGBoost, LightGBM and pyfunc in MLflow", how="run",
    by="logged by their flavours, sealed from the server, served, asked over HTTP: equal",
)  # fmt: skip
@pytest.mark.parametrize("flavour", ["xgboost", "lightgbm", "pyfunc"])
def test_models_of_other_flavours_are_sealed_and_served(
    server: MlflowServer, deployed: Program, tmp_path: Path, flavour: str
) -> None:
    (tmp_path / "boosted.py").write_text(BOOSTED)
    words = [sys.executable, "boosted.py", server.url, str(deployed.folder / "loans.csv"), flavour]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env={**environment(), **CALM}, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = json.loads(done.stdout.strip().splitlines()[-1])
    native = flavour == "pyfunc"
    program = Program(make_project(tmp_path / "ours"))
    settings = program.folder / "fairlead.toml"
    text = settings.read_text()
    if native:
        text = text.replace("[model]", '[model]\ntrust = "native"', 1)
    settings.write_text(f'{text}\n[registry]\nmlflow = "{server.url}"\n')
    rows = pd.read_csv(program.folder / "loans.csv").dropna()[["income"]]
    rows.to_csv(program.folder / "incomes.csv", index=False)
    trust = ["--trust"] if native else []
    sealed = program.json("bundle", f"models:/theirs-{flavour}/1", "--sample", "incomes.csv", *trust)
    assert sealed["form"] == ("native" if native else flavour)
    asked = [{"income": float(income)} for income in rows["income"].head(20)]
    words = ["serve", "--bundle", sealed["path"], "--port", "0", *(["--trust-native"] if native else [])]
    process = program.start(*words)
    log = program.folder / "serve.log"
    try:
        eventually(lambda: "ready: " in log.read_text() or process.poll() is not None, 60, "the ready line")
        url = next(line.split()[1] for line in log.read_text().splitlines() if line.startswith("ready: "))
        answer = httpx.post(f"{url}/predict", json=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        said = answer.json()["predictions"]
    finally:
        process.terminate()
        process.wait(30)
    given = [float(one["label"]) if native else one["probabilities"]["1"] for one in said]
    assert given == pytest.approx(expected, abs=1e-5 if flavour == "xgboost" else 1e-9)


THEIR_GRAPH = """
import sys
import mlflow, pandas as pd, skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

mlflow.set_tracking_uri(sys.argv[1])
rows = pd.read_csv(sys.argv[2]).dropna()
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[["income"]].to_numpy(), rows["repaid"])
graph = skl2onnx.convert_sklearn(
    model, initial_types=[("income", FloatTensorType([None, 1]))], target_opset={"": 21, "ai.onnx.ml": 3}
)
with mlflow.start_run():
    mlflow.onnx.log_model(graph, name="model", registered_model_name="graphs", pip_requirements=[])
"""


@pytest.mark.verified(
    "registries", "ONNX models in MLflow", how="run", by="ONNX flavour by mlflow.onnx, sealed as its graph"
)
def test_an_onnx_model_that_others_registered_is_sealed_as_its_graph(
    server: MlflowServer, deployed: Program, tmp_path: Path
) -> None:
    (tmp_path / "graph.py").write_text(THEIR_GRAPH)
    words = [sys.executable, "graph.py", server.url, str(deployed.folder / "loans.csv")]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env={**environment(), **CALM}, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = pd.read_csv(deployed.folder / "loans.csv").dropna()[["loan", "income", "repaid"]]
    rows.to_csv(deployed.folder / "incomes.csv", index=False)
    sealed = deployed.json("bundle", "models:/graphs/1", "--sample", "incomes.csv")
    assert sealed["form"] == "onnx"
    assert "ONNX graph" in sealed["did"]
    assert sealed["parity"]["flipped"] == 0


@pytest.mark.verified(
    "registries", "MLflow server down", how="run", by="killed while we register and answer; caught up when it is back"
)
def test_a_server_that_is_gone_holds_nothing_up_and_is_caught_up_with(server: MlflowServer, deployed: Program) -> None:
    settings = deployed.folder / "fairlead.toml"
    settings.write_text(settings.read_text().replace("seed = 0", "seed = 7") + "\n[gate]\nno_worse_than = false\n")
    second = deployed.json("train", "--data", "loans.csv")
    deployed.run("evaluate", "--json")
    server.stop()
    try:
        registered = deployed.json("register")
        assert registered["bundle"] == second["bundle"]
        assert "the MLflow projection waits" in registered["warnings"][0]
        assert server.url not in registered["warnings"][0]
        assert deployed.json("deploy", str(registered["version"]))["model"] == "loans"
        assert deployed.json("score", "loans.csv", "meanwhile.csv")["rows"] == 400
        refused = deployed.run("bundle", "models:/theirs/1", "--sample", "loans.csv", expect=1)
        assert "does not answer" in refused.stderr
    finally:
        server.start()
    assert deployed.json("register", "--sync")["warnings"] == []
    found = client(server).get_model_version_by_alias("loans", "champion")
    assert found.tags["fairlead.bundle"] == second["bundle"]
    assert len(client(server).search_model_versions("name = 'loans'")) == 2
