"""Bundles in a real MLflow database: found again, never twice, and answering as the sealed model does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import BundleRefused, NotLeader, RemoteError, VersionNotFound
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.train import train
from fairlead.ops.registry import Registry, prepare
from fairlead.ops.registry.projection import _lineage
from fairlead.ops.registry.pyfunc import _load_pyfunc
from fairlead.ops.registry.trials import worth_writing, write_trials
from fairlead.runtime.bundle import SigningKey, load

SETTINGS = Settings(
    model=ModelSettings(name="shop", task="classification", target="bought", positive="yes"),
    train=TrainSettings(learners=("logistic",), trials=1),
)


def rows(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.normal(size=300)
    size[::20] = np.nan
    colour = random.choice(["red", "green", None], 300)
    bought = np.where(np.nan_to_num(size) + (colour == "red") + random.normal(size=300) > 0.5, "yes", "no")
    return pd.DataFrame({"size": size, "colour": colour, "bought": bought})


class Sealed:
    """A bundle on disk with the key that it verifies with."""

    def __init__(self, folder: Path, seed: int) -> None:
        key = SigningKey.create(folder / "key")
        self.folder, self.signer = folder / "bundle", key.public
        self.folder.mkdir()
        self.id = write_bundle(train(rows(seed), SETTINGS).candidate, self.folder, key)

    def register(self, registry: Registry, **more: Any) -> int:
        return registry.register("shop", self.folder, bundle=self.id, signer=self.signer, **more)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return Sealed(tmp_path_factory.mktemp("first"), 0)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return Sealed(tmp_path_factory.mktemp("second"), 1)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def registry(empty: Path, tmp_path: Path) -> Registry:
    shutil.copy(empty, tmp_path / "mlflow.db")
    return Registry(tmp_path)


def test_a_bundle_is_registered_once_however_often_it_is_asked(
    registry: Registry, first: Sealed, second: Sealed
) -> None:
    assert first.register(registry, metrics={"roc_auc": 0.8, "note": "kept out"}, version=7) == 1
    assert second.register(registry) == 2
    assert first.register(registry) == 1
    assert [(v.number, v.bundle) for v in registry.versions("shop")] == [(1, first.id), (2, second.id)]
    assert registry.versions("unknown") == []


def test_lineage_metrics_and_report_are_found_with_mlflows_own_tools(
    registry: Registry, first: Sealed, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("<p>evidence</p>")
    first.register(registry, metrics={"roc_auc": 0.8}, report=tmp_path / "report", version=7)
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    version = client.get_model_version("shop", "1")
    run = client.get_run(version.run_id)
    assert run.data.metrics == {"roc_auc": 0.8}
    assert run.data.params["learner"] == "logistic"
    assert run.data.tags["fairlead.bundle"] == version.tags["fairlead.bundle"] == first.id
    assert version.tags["fairlead.version"] == "7"
    assert len(version.tags["fairlead.data"]) == 64
    assert version.tags["fairlead.git.clean"] == "false"
    assert run.info.status == "FINISHED"
    assert [a.path for a in client.list_artifacts(version.run_id, "report")] == ["report/report.html"]
    assert str(tmp_path) in run.info.artifact_uri


def test_trials_are_child_runs_of_their_training_each_once(registry: Registry, first: Sealed) -> None:
    from mlflow.tracking import MlflowClient

    trials = [
        {"number": n, "learner": "logistic", "parameters": {"C": 0.1 * n}, "score": 0.5 - 0.1 * n, "folds": [0.4, 0.6],
         "seconds": 0.2, "pruned": n == 2} for n in range(4)
    ]  # fmt: skip
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    registry._run("shop", first.id, _lineage(first.folder), {})
    experiment = client.get_experiment_by_name("shop").experiment_id
    (parent,) = client.search_runs([experiment])
    # A crash between the making of a child and its numbers.
    begun = client.create_run(experiment, tags={"mlflow.parentRunId": parent.info.run_id, "fairlead.trial": "1"})
    first.register(registry, trials=trials, metric="log_loss")
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    by_number = {run.data.tags["fairlead.trial"]: run for run in found}
    assert len(found) == len(by_number) == 4
    assert by_number["1"].info.run_id == begun.info.run_id
    assert {n: run.info.status for n, run in by_number.items()} == {
        "0": "FINISHED", "1": "FINISHED", "2": "KILLED", "3": "FINISHED",
    }  # fmt: skip
    one = by_number["3"]
    assert one.data.params == {"learner": "logistic", "C": str(0.1 * 3)}
    assert one.data.metrics["log_loss"] == pytest.approx(0.2)
    assert len(client.get_metric_history(one.info.run_id, "log_loss.fold")) == 2
    write_trials(client, experiment, parent.info.run_id, trials, "log_loss")
    assert len(client.search_runs([experiment])) == 5


def test_of_a_long_search_the_best_whole_trials_are_written() -> None:
    trials = [{"number": n, "score": float(n % 50), "pruned": n % 2 == 0} for n in range(400)]
    kept = worth_writing(trials, 60)
    assert len(kept) == 60
    assert not any(one["pruned"] for one in kept)
    assert [one["number"] for one in kept] == sorted(one["number"] for one in kept)
    assert max(one["score"] for one in kept) <= 15


def test_pyfunc_answers_as_the_sealed_model_does(registry: Registry, first: Sealed) -> None:
    import mlflow

    first.register(registry)
    registry.set_alias("shop", "champion", first.id)
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_registry_uri(registry.uri)
    loaded = mlflow.pyfunc.load_model("models:/shop@champion")
    asked = rows(5)
    answers = loaded.predict(asked)
    native = load(first.folder, (first.signer,)).predict(asked[["size", "colour"]])
    assert answers["label"].tolist() == [a["label"] for a in native]
    assert answers["yes"].tolist() == [a["probabilities"]["yes"] for a in native]
    assert answers.index.equals(asked.index)
    assert loaded.predict([{"size": 1.0, "colour": "red"}]).shape == (1, 3)


def test_a_registered_bundle_that_was_changed_is_refused(first: Sealed, tmp_path: Path) -> None:
    shutil.copytree(first.folder, tmp_path / "bundle")
    (tmp_path / "signer.pub").write_text(first.signer)
    assert _load_pyfunc(str(tmp_path / "bundle")).model.id == first.id
    card = tmp_path / "bundle" / "model_card.md"
    card.write_text(card.read_text() + "!")
    with pytest.raises(BundleRefused):
        _load_pyfunc(str(tmp_path / "bundle"))


def test_an_alias_moved_by_hand_is_seen_and_put_back(registry: Registry, first: Sealed, second: Sealed) -> None:
    from mlflow.tracking import MlflowClient

    first.register(registry)
    second.register(registry)
    registry.sync_aliases("shop", {"champion": first.id, "challenger": second.id})
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    client.set_registered_model_alias("shop", "champion", "2")
    client.set_registered_model_alias("shop", "mine", "1")
    assert registry.aliases("shop") == {"challenger": second.id, "champion": second.id, "mine": first.id}
    registry.sync_aliases("shop", {"champion": first.id})
    registry.drop_alias("shop", "challenger")
    registry.drop_alias("shop", "challenger")
    assert registry.aliases("shop") == {"champion": first.id, "mine": first.id}
    assert registry.aliases("unknown") == {}


def test_a_crash_after_any_step_leaves_what_the_next_call_completes(registry: Registry, first: Sealed) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    experiment = client.create_experiment("shop", artifact_location=(registry.home / "mlflow-artifacts").as_uri())
    client.create_run(experiment, tags={"fairlead.bundle": first.id})
    client.create_registered_model("shop")
    assert first.register(registry, metrics={"roc_auc": 0.8}) == 1
    (run,) = client.search_runs([experiment])
    assert run.data.metrics == {"roc_auc": 0.8}
    assert run.info.status == "FINISHED"


def test_a_bundle_that_is_not_registered_has_no_alias(registry: Registry, first: Sealed) -> None:
    with pytest.raises(VersionNotFound, match="not among"):
        registry.set_alias("shop", "champion", first.id)


def test_a_server_that_does_not_answer_is_a_remote_error_without_its_address(
    first: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RemoteError, match="MLflow did not do its part") as caught:
        first.register(Registry(tmp_path, "http://127.0.0.1:9"))
    assert "127.0.0.1" not in str(caught.value)
    assert not (tmp_path / "mlflow.db").exists()


def test_two_processes_that_prepare_at_once_make_one_whole_database(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; from fairlead.ops.registry import prepare; prepare(sys.argv[1])"]
    makers = [subprocess.Popen([*words, str(tmp_path)]) for _ in range(2)]
    assert [maker.wait(timeout=120) for maker in makers] == [0, 0]
    assert Registry(tmp_path).versions("shop") == []
    assert sorted(os.listdir(tmp_path)) == [".mlflow.db.lock", "mlflow.db"]
    assert (tmp_path / "mlflow.db").stat().st_mode & 0o777 == 0o600


def test_naming_the_room_loads_no_mlflow() -> None:
    code = "import sys; from fairlead.ops.registry import Registry; Registry('x'); assert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_written_once_the_fence_is_up(empty: Path, tmp_path: Path, first: Sealed) -> None:
    """Wherever a leader whose time is over was stopped: not one write after that, and reading goes on."""
    shutil.copy(empty, tmp_path / "mlflow.db")
    whole = Registry(tmp_path)
    left = 0

    def fence() -> None:
        nonlocal left
        if left == 0:
            raise NotLeader("its term is over")
        left -= 1

    fenced = Registry(tmp_path, fence=fence)
    for writes in range(40):
        left = writes
        try:
            assert first.register(fenced) == 1
            break
        except NotLeader:
            assert left == 0, "it ended at the first write that it may not make"
            assert whole.versions("shop") == fenced.versions("shop") == []
    assert 3 < writes < 39
    left = 0
    with pytest.raises(NotLeader):
        fenced.set_alias("shop", "champion", first.id)
    with pytest.raises(NotLeader):
        fenced.sync_aliases("shop", {"champion": first.id})
    assert fenced.aliases("shop") == {}
    assert first.register(fenced) == 1, "what is there is found, and nothing is written for that"
