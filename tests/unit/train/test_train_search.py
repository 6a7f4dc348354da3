"""The search: pruned, in parallel, resumed, repeated and nested; the same for a seed in every way it may be run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import RemoteError
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train import train
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.material import material_of
from fairlead.lab.train.parallel import Workers
from fairlead.lab.train.pruning import Pruner


def rows(count: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size, noise = random.normal(size=count), random.normal(size=count)
    bought = np.where(random.random(count) < 1 / (1 + np.exp(-2 * size)), "yes", "no")
    return pd.DataFrame({"size": size, "noise": noise, "visits": random.integers(0, 50, count), "bought": bought})


def settings(**chosen: Any) -> Settings:
    rules = {"learners": ("logistic", "decision_tree"), "trials": 8, "folds": 4, "calibrate": False, **chosen}
    model = ModelSettings(name="shop", task="classification", target="bought", positive="yes")
    return Settings(model=model, train=TrainSettings(**rules))  # type: ignore[arg-type]


def told(training: Any) -> Any:
    board = [{k: v for k, v in row.items() if k != "seconds"} for row in training.leaderboard]
    made = [{k: v for k, v in row.items() if k != "seconds"} for row in training.searched]
    return board, made, training.metrics


@pytest.mark.parametrize(
    "prune", [False, pytest.param("median", marks=pytest.mark.long), pytest.param("halving", marks=pytest.mark.long)]
)
def test_two_processes_find_what_one_finds(prune: Any) -> None:
    table = rows()
    assert told(train(table, settings(prune=prune, parallel=2))) == told(train(table, settings(prune=prune)))


def test_every_trial_is_told_in_order_and_pruned_ones_stopped_early() -> None:
    found = train(rows(), settings(trials=24, prune="median"))
    assert [one["number"] for one in found.searched] == list(range(24))
    pruned = [one for one in found.searched if one["pruned"]]
    assert pruned
    assert all(1 <= len(one["folds"]) < 4 for one in pruned)
    assert all(len(one["folds"]) == 4 for one in found.searched if not one["pruned"])
    assert not {one["number"] for one in pruned} & {0, 1}
    best = min((one for one in found.searched if not one["pruned"]), key=lambda one: one["score"])
    assert found.leaderboard[0]["score"] == best["score"]
    whole = train(rows(), settings(trials=24))
    assert sum(len(one["folds"]) for one in found.searched) < sum(len(one["folds"]) for one in whole.searched)


@pytest.mark.parametrize("kind", ["median", "halving"])
def test_a_pruner_ends_what_is_worse_and_lets_the_best_go_on(kind: Any) -> None:
    def asked(score: float) -> bool:
        pruner.begin()
        seen: list[float] = []
        for _ in range(4):
            seen.append(score)
            if pruner.hopeless(seen):
                pruner.end(seen, True)
                return True
        pruner.end(seen, False)
        return False

    pruner = Pruner(kind)
    for score in (0.50, 0.51, 0.52):
        asked(score)
    assert asked(0.9)
    assert not asked(0.4)


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train_search import rows, settings
from fairlead.lab.train import train

def main():
    train(rows(), settings(trials=20, prune="median", parallel=2), home=Path(sys.argv[2]))

main()
"""


@pytest.mark.long
def test_a_killed_parallel_search_with_pruning_goes_on_to_the_same_end(tmp_path: Path) -> None:
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path)], env=environ)
    try:
        while not (found := list(tmp_path.glob("searches/*/trials.jsonl"))) or found[0].read_bytes().count(b"\n") < 5:
            assert child.poll() is None, "it ended before it could be killed"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = found[0].read_bytes().count(b"\n")
    asked = settings(trials=20, prune="median", parallel=2)
    again = train(rows(), asked, home=tmp_path)
    assert told(again) == told(train(rows(), asked))
    lines = [json.loads(line) for line in found[0].read_bytes().splitlines()]
    assert len(lines) >= kept
    assert len({line["trial"] for line in lines}) == len(lines), "what the journal had was not fitted again"


def test_other_costs_settle_anew_and_search_no_more(tmp_path: Path) -> None:
    first = train(rows(), settings(trials=4), home=tmp_path)
    (journal,) = tmp_path.glob("searches/*/trials.jsonl")
    kept = journal.read_bytes()
    again = train(rows(), settings(trials=4, costs={"false_positive": 1.0, "false_negative": 9.0}), home=tmp_path)
    assert [path.read_bytes() for path in tmp_path.glob("searches/*/trials.jsonl")] == [kept]
    assert told(again)[:2] == told(first)[:2]
    assert again.candidate.signature.threshold < first.candidate.signature.threshold
    train(rows(), settings(trials=4, prune="median"), home=tmp_path)
    assert len(list(tmp_path.glob("searches/*/trials.jsonl"))) == 2


@pytest.mark.long
def test_a_script_without_a_main_guard_may_search_in_parallel(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_train_search import rows, settings\nfrom fairlead.lab.train import train\n"
        "print(train(rows(120), settings(trials=2, folds=2, parallel=2)).trials)\n"
    )
    run = [sys.executable, str(tmp_path / "own.py"), str(Path(__file__).parent)]
    assert subprocess.run(run, capture_output=True, text=True, check=True, timeout=120).stdout.split() == ["2"]


class Fatal:
    """A learner that ends its process."""

    name, tasks, complexity = "fatal", ("classification",), 1

    def build(self, *_: Any) -> Any:
        os._exit(9)


class Wrong(Fatal):
    def build(self, *_: Any) -> Any:
        raise ValueError("no such thing")


def test_a_worker_that_ends_and_a_learner_that_raises_are_told() -> None:
    material = material_of(rows(60), settings())
    bench = Bench(material, folds_of(material, 2, 0))
    with pytest.raises(RemoteError, match="ended before its work was done"), Workers(bench, 0, 1) as workers:
        workers.submit(0, Fatal(), {}).result()
    with pytest.raises(ValueError, match="no such thing"), Workers(bench, 0, 1) as workers:
        workers.submit(0, Wrong(), {}).result()


def test_repeats_deal_all_rows_again_and_judge_each_once_in_the_first() -> None:
    material = material_of(rows(), settings())
    folds = folds_of(material, 4, 0, 3)
    assert len(folds) == 12
    for first in range(0, 12, 4):
        assert sorted(np.concatenate([f.judge for f in folds[first : first + 4]])) == list(range(300))
    assert [f.judge.tolist() for f in folds[:4]] == [f.judge.tolist() for f in folds_of(material, 4, 0)]
    assert folds[0].judge.tolist() != folds[4].judge.tolist()
    found = train(rows(), settings(trials=2, repeats=3))
    chosen = next(row for row in found.leaderboard if row["chosen"])
    assert len(chosen["folds"]) == 12
    assert chosen["se"] == pytest.approx(np.std(chosen["folds"], ddof=1) / 2)
    assert len(found.folds) == 4


def test_the_simplest_is_chosen_where_it_is_asked_for() -> None:
    table = rows(400, seed=3)
    best = train(table, settings(learners=("logistic", "random_forest"), trials=2))
    simple = train(table, settings(learners=("random_forest", "logistic"), trials=2, choose="simplest"))
    named = next(row["name"] for row in best.leaderboard if row["simplest_within_one_se"])
    chosen = next(row for row in simple.leaderboard if row["chosen"])
    assert chosen["name"] == named == simple.candidate.lineage.learner
    assert chosen["simplest_within_one_se"]


def test_nested_judges_the_search_on_rows_it_had_not_seen() -> None:
    random = np.random.default_rng(5)
    noise = pd.DataFrame(random.normal(size=(160, 8)), columns=[f"x{i}" for i in range(8)])
    noise["bought"] = random.choice(["yes", "no"], 160)
    asked = settings(learners=("decision_tree",), trials=4, folds=4, nested=True)
    whole = train(noise, asked)
    found = whole.decisions
    assert found is not None
    assert found.search is not None
    search = found.search
    assert len(search.folds) == 4
    assert search.honest.value == pytest.approx(np.mean([line["score"] for line in search.folds]))
    assert search.naive == pytest.approx(
        min(row["score"] for row in train(noise, asked).leaderboard if not row["baseline"])
    )
    assert search.optimism == pytest.approx(search.honest.value - search.naive)
    assert search.honest.low < search.honest.value < search.honest.high
    assert any("nested" in line for line in found.lines())


@pytest.mark.long
def test_of_many_settings_on_noise_the_naive_score_flatters_and_the_nested_one_does_not() -> None:
    naive, honest = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        noise = pd.DataFrame(random.normal(size=(120, 6)), columns=[f"x{i}" for i in range(6)])
        noise["bought"] = random.choice(["yes", "no"], 120)
        found = train(noise, settings(learners=("decision_tree",), trials=15, folds=4, nested=True)).decisions
        assert found is not None
        assert found.search is not None
        naive.append(found.search.naive)
        honest.append(found.search.honest.value)
    assert np.mean(honest) > np.mean(naive)
    assert np.mean(honest) >= np.log(2) - 0.01
