"""`train` as a whole: the same for a seed, resumable after kill -9, honest about its limits and its lineage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid, UnknownPlugin, UsageError
from fairlead.contract.settings import DataSettings, ModelSettings, MonitorSettings, Settings, TrainSettings
from fairlead.lab.train import candidate_of, fit_once, score_pipeline, train

HOUR = 3600


def rows(count: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.normal(size=count)
    colour = random.choice(["red", "green", "blue"], count)
    odds = 1.5 * size + 2.5 * (colour == "red") - 0.8
    bought = np.where(random.random(count) < 1 / (1 + np.exp(-odds)), "yes", "no")
    size[::29] = np.nan
    return pd.DataFrame({"size": size, "colour": colour, "visits": random.integers(0, 50, count), "bought": bought})


def hourly(days: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    at = pd.date_range("2024-01-01", periods=days * 24, freq="h")
    warm = 10 + 8 * np.sin(np.arange(len(at)) / 24 * 2 * np.pi) + random.normal(size=len(at))
    return pd.DataFrame({"at": at.astype(str), "warm": warm, "sold": 5 * warm + random.normal(scale=4, size=len(at))})


def settings(**chosen: Any) -> Settings:
    rules = {"learners": ("logistic",), "trials": 1, "folds": 4, **chosen}
    model = ModelSettings(name="shop", task="classification", target="bought", positive="yes")
    return Settings(model=model, train=TrainSettings(**rules))  # type: ignore[arg-type]


def by_time(**chosen: Any) -> Settings:
    rules = {"learners": ("ridge",), "trials": 1, "folds": 4, **chosen}
    model = ModelSettings(name="sales", task="regression", target="sold", time="at")
    return Settings(model=model, train=TrainSettings(**rules), monitor=MonitorSettings(window="7d"))  # type: ignore[arg-type]


def told(training: Any) -> Any:
    """All that may not depend on how fast a machine is."""
    board = [{k: v for k, v in row.items() if k != "seconds"} for row in training.leaderboard]
    candidate = training.candidate
    scores = score_pipeline(candidate.pipeline, candidate.columns, candidate.signature)
    lineage = msgspec.to_builtins(candidate.lineage)
    return board, training.metrics, msgspec.json.encode(candidate.reference), scores.tobytes(), lineage


def test_same_seed_same_training_and_another_seed_another() -> None:
    asked = settings(learners=("logistic", "random_forest"), trials=4, seed=4)
    table = rows()
    assert told(train(table, asked)) == told(train(table, asked))
    other = train(table, msgspec.structs.replace(asked, train=msgspec.structs.replace(asked.train, seed=5)))
    assert told(other)[0] != told(train(table, asked))[0]


def test_leaderboard_has_learners_baseline_and_names_the_simplest_that_is_as_good() -> None:
    found = train(rows(), settings(learners=("logistic", "hist_gradient_boosting"), trials=2))
    names = [row["name"] for row in found.leaderboard]
    assert set(names) == {"logistic", "hist_gradient_boosting", "most_frequent"}
    assert [row["score"] for row in found.leaderboard] == sorted(row["score"] for row in found.leaderboard)
    chosen = [row for row in found.leaderboard if row["chosen"]]
    simplest = [row for row in found.leaderboard if row["simplest_within_one_se"]]
    assert len(chosen) == len(simplest) == 1
    assert simplest[0]["name"] == "logistic"
    assert simplest[0]["score"] <= chosen[0]["score"] + chosen[0]["se"]
    assert all(len(row["folds"]) == 4 for row in found.leaderboard)
    assert chosen[0]["name"] == found.candidate.lineage.learner


def test_the_score_of_a_fold_is_sklearns_log_loss_of_a_pipeline_that_saw_the_other_folds_alone() -> None:
    from sklearn.metrics import log_loss

    from fairlead.lab.train import fit, material_of
    from fairlead.lab.train.folding import folds_of
    from fairlead.lab.train.material import split_holdout

    asked, table = settings(), rows()
    found = train(table, asked)
    material = material_of(table, asked)
    material = material.take(split_holdout(material, asked.data.holdout, asked.train.seed)[0])
    for fold, score in zip(folds_of(material, 4, 0), found.leaderboard[0]["folds"], strict=True):
        pipeline = fit(material, "logistic", {"C": 1.0}, rows=fold.fit)
        said = pipeline.predict_proba(material.frame.iloc[fold.judge])[:, 1]
        assert score == pytest.approx(log_loss((material.truth[fold.judge] == "yes").astype(int), said), abs=1e-9)


def test_holdout_and_training_rows_are_all_rows_and_share_none() -> None:
    table = rows().assign(n=np.arange(400))
    found = train(table, settings())
    kept = set(found.holdout["n"])
    learned = set(found.candidate.columns["n"].astype(int))
    assert not kept & learned
    assert kept | learned == set(range(400))
    assert found.candidate.lineage.rows == len(learned)


def test_seconds_cut_a_search_short_and_the_training_says_so() -> None:
    found = train(rows(), settings(trials=50, seconds=1e-6))
    assert found.cut_short
    assert found.trials == 1
    assert not train(rows(), settings(trials=2)).cut_short


CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_train_whole import rows, settings
from fairlead.lab.train import train
asked = settings(learners=("logistic", "random_forest"), trials=8)
train(rows(), asked, home=sys.argv[2], progress=lambda text, done=None: print(text, flush=True))
"""


def test_a_search_killed_in_the_middle_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("trial 5 of 8: ") and "fold 2" in line:
            os.kill(child.pid, signal.SIGKILL)
            break
    else:
        pytest.fail("the search ended before it could be killed")
    child.stdout.close()
    assert child.wait(timeout=20) == -signal.SIGKILL
    (journal,) = tmp_path.glob("searches/*/trials.jsonl")
    kept = len(journal.read_text().splitlines())
    assert 4 <= kept < 8  # a busy machine may let it finish the fifth before the kill arrives
    # As a kill in the middle of a write leaves it.
    with journal.open("a") as file:
        file.write('{"trial": "[\\"logistic\\"')
    asked = settings(learners=("logistic", "random_forest"), trials=8)
    fitted: list[str] = []
    resumed = train(rows(), asked, home=tmp_path, progress=lambda text, done=None: fitted.append(text))
    first = next(text for text in fitted if text.startswith("trial "))
    assert first.startswith(f"trial {kept + 1} of 8")
    assert told(resumed) == told(train(rows(), asked))
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 8


def test_by_time_the_newest_is_kept_and_eight_windows_are_promised() -> None:
    found = train(hourly(100), by_time())
    reference = found.candidate.reference
    assert pd.to_datetime(found.holdout["at"]).min().timestamp() > found.candidate.lineage.trained_to
    assert len(reference.held_out) >= 8
    for before, after in zip(reference.held_out, reference.held_out[1:], strict=False):
        assert before.end == pytest.approx(after.start)
    assert all(w.rows == 168 for w in reference.held_out)
    assert reference.held_out[-1].end == pytest.approx(found.candidate.lineage.trained_to, abs=1)
    assert 0.05 < np.mean([w.loss for w in reference.held_out]) < 0.6
    assert {row["name"] for row in found.leaderboard} == {"ridge", "mean", "last_value"}
    judged = [line["judged_from"] for line in found.folds]
    assert judged == sorted(judged)
    assert reference.profile.rows == found.candidate.lineage.rows
    assert len(reference.blocks) >= 60


def test_too_little_time_promises_less_rather_than_inventing_windows() -> None:
    found = train(hourly(20), by_time())
    assert len(found.candidate.reference.held_out) <= 1


def test_small_windows_of_rows_have_blocks_as_small() -> None:
    small = msgspec.structs.replace(settings(), monitor=MonitorSettings(window="40rows"))
    reference = train(rows(), small).candidate.reference
    assert [block.rows for block in reference.blocks] == [40] * 8


def test_losses_promised_without_time_are_those_of_rows_not_learned_from() -> None:
    random = np.random.default_rng(0)
    noise = pd.DataFrame({f"x{i}": random.normal(size=1200) for i in range(5)})
    noise["bought"] = random.choice(["yes", "no"], 1200)
    found = train(noise, settings(learners=("random_forest",)))
    # A forest remembers rows it learned from: in-sample its loss on pure noise would be far below a coin's 0.25.
    assert [w.rows for w in found.candidate.reference.held_out] == [500]
    assert found.candidate.reference.held_out[0].loss > 0.24


def test_a_number_target_takes_its_clip_from_rows_not_learned_from() -> None:
    found = train(hourly(100), by_time())
    assert 6 < found.candidate.reference.loss_clip < 30


def test_lineage_names_data_commit_and_whether_the_tree_was_clean(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "fairlead.toml").write_text("# a project\n")
    git("add", ".")
    git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "first")
    clean = train(rows(), settings(), root=tmp_path).candidate.lineage
    (tmp_path / "fairlead.toml").write_text("# changed\n")
    dirty = train(rows(seed=1), settings(), root=tmp_path).candidate.lineage
    assert len(clean.commit) == 40
    assert (clean.clean, dirty.clean) == (True, False)
    assert clean.data != dirty.data
    assert clean.config == dirty.config
    assert {"python", "scikit-learn", "numpy"} <= set(clean.versions)
    assert train(rows(), settings()).candidate.lineage.commit == ""


def test_where_the_table_lies_is_no_part_of_the_configuration() -> None:
    here = msgspec.structs.replace(settings(), data=DataSettings(train="here.csv"))
    there = msgspec.structs.replace(settings(), data=DataSettings(train="/there/rows.csv"))
    assert train(rows(), here).candidate.lineage == train(rows(), there).candidate.lineage


def test_a_learner_that_cannot_do_the_task_is_named_with_those_that_can() -> None:
    with pytest.raises(ConfigInvalid, match=r"ridge cannot do classification\. Learners that can: logistic"):
        train(rows(), settings(learners=("ridge",)))
    with pytest.raises(UnknownPlugin, match="unknown learner"):
        train(rows(), settings(learners=("oracle",)))


def test_fit_once_with_a_signature_takes_the_same_columns() -> None:
    found = train(rows(), settings())
    signature = found.candidate.signature
    again = fit_once(rows(80, seed=3), settings(), "logistic", {"C": 1.0}, signature=signature)
    scores = score_pipeline(again, found.candidate.columns, signature)
    assert scores.shape == (found.candidate.lineage.rows, 2)
    assert scores.sum(axis=1) == pytest.approx(1.0)


ENTRYPOINT = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

def fit(table, settings):
    table = table.dropna()
    prepare = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("passthrough", ["visits"]))
    target = table[settings.model.target] == settings.model.positive
    return make_pipeline(prepare, LogisticRegression()).fit(table[["colour", "visits"]], target)
"""


def test_an_entrypoint_is_judged_on_folds_it_did_not_learn_from(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ENTRYPOINT)
    found = train(rows(), settings(entrypoint="train.py:fit"), root=tmp_path)
    assert found.candidate.signature.names == ("colour", "visits")
    # The estimator knows its classes as False and True; the project's words are kept.
    assert found.candidate.signature.classes == ("no", "yes")
    assert found.candidate.signature.positive == "yes"
    assert found.leaderboard[0]["name"] == "train.py:fit"
    assert 0.5 < found.metrics["roc_auc"] < 0.75
    with pytest.raises(ConfigInvalid, match="has no function 'learn'"):
        train(rows(), settings(entrypoint="train.py:learn"), root=tmp_path)
    with pytest.raises(ConfigInvalid, match=r"Write it as train\.py:fit"):
        train(rows(), settings(entrypoint="gone.py:fit"), root=tmp_path)


def test_an_estimator_of_the_users_own_becomes_a_candidate_that_promises_nothing(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(ENTRYPOINT, namespace)
    estimator = namespace["fit"](rows(), settings())
    candidate = candidate_of(estimator, rows(), settings())
    assert candidate.reference.held_out == ()
    assert candidate.signature.classes == ("no", "yes")
    assert candidate.lineage.learner == "sklearn.LogisticRegression"
    assert candidate.reference.profile.rows == 400
    regression = Settings(model=ModelSettings(name="m", task="regression", target="bought"))
    with pytest.raises(UsageError, match="does classification"):
        candidate_of(estimator, rows(), regression)


def test_churn_trains_as_well_as_its_literature(churn_csv: Path) -> None:
    model = ModelSettings(name="churn", task="classification", target="Churn", positive="Churned", id="customerID")
    asked = Settings(model=model, train=TrainSettings(learners=("logistic",), trials=1))
    found = train(str(churn_csv), asked)
    assert "customerID" not in found.candidate.signature.names
    assert len(found.candidate.signature.names) == 19
    assert found.metrics["roc_auc"] == pytest.approx(0.845, abs=0.01)
    assert len(found.holdout) == pytest.approx(0.2 * 7043, abs=3)
    assert len(found.candidate.reference.held_out) == 11
