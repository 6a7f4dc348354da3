"""What people train models for, each from its table to a sealed, judged model that answers: by the program alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from tests.journeys.cli import fairlead

from fairlead import load

HEAD = """\
[model]
name = "{name}"
task = "{task}"
target = "{target}"
{model}
[data]
train = "table.parquet"

[train]
trials = 1
folds = 3
{train}
"""


def project(folder: Path, table: pd.DataFrame, target: str, task: str = "classification", **text: str) -> Path:
    table.to_parquet(folder / "table.parquet")
    words = {"model": "", "train": "", "more": "", **text}
    toml = HEAD.format(name="m", task=task, target=target, **{k: words[k] for k in ("model", "train")}) + words["more"]
    (folder / "fairlead.toml").write_text(toml)
    return folder


def lived(folder: Path, expect: str = "pass") -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Trained, judged, opened: the answers of both verbs and the model as its server has it."""
    trained = fairlead(folder, "train", "--json")
    assert trained.code == 0, trained.err
    judged = fairlead(folder, "evaluate", "--json").json
    assert judged["verdict"] == expect, judged["checks"]
    assert trained.json["parity"]["flipped"] == 0
    return trained.json, judged, load(folder / ".fairlead" / "bundles" / trained.json["bundle"])


def payments(rows: int = 3000) -> pd.DataFrame:
    """Payments of which one in forty is a fraud."""
    random = np.random.default_rng(3)
    amount, hour = random.lognormal(3, 1, rows), random.integers(0, 24, rows)
    abroad = random.random(rows) < 0.1
    pull = -6.0 + 0.9 * (np.log(amount) - 3) + 2.5 * abroad + 1.5 * (hour < 5)
    fraud = random.random(rows) < 1 / (1 + np.exp(-pull))
    kind = random.choice(["shop", "web", "cash"], rows)
    return pd.DataFrame({"amount": amount, "hour": hour, "abroad": abroad, "kind": kind, "fraud": fraud})


def test_a_rare_class_with_a_cost_of_each_error(tmp_path: Path) -> None:
    table = payments()
    table["fraud"] = np.where(table["fraud"], "yes", "no")
    text = 'learners = ["logistic"]\ncosts = {false_positive = 1, false_negative = 25}'
    folder = project(tmp_path, table, "fraud", model='positive = "yes"', train=text)
    _, judged, model = lived(folder)
    assert 0.0 < model.threshold < 0.3
    rows = table.drop(columns="fraud")
    flagged = np.array([a["label"] == "yes" for a in model.predict(rows)])
    sure = np.array([a["probabilities"]["yes"] > 0.5 for a in model.predict(rows)])
    truth = (table["fraud"] == "yes").to_numpy()
    cost = [25 * (truth & ~said).sum() + (said & ~truth).sum() for said in (flagged, sure)]
    assert cost[0] < 0.9 * cost[1]
    assert judged["metrics"]["roc_auc"] > 0.75


WORDS = {
    "billing": "invoice paid twice refund charge card amount bill wrong money",
    "technical": "server down error crash slow timeout screen login broken",
    "delivery": "parcel late lost address courier box arrived damaged tracking",
}


def tickets(rows: int = 360) -> pd.DataFrame:
    random = np.random.default_rng(4)
    common = ["please", "help", "the", "my", "is", "and", "not", "we", "have", "today"]
    team = random.choice(list(WORDS), rows)
    texts = [
        " ".join(random.permutation([*random.choice(WORDS[t].split(), 4), *random.choice(common, 6)])) for t in team
    ]
    priority = random.choice(["low", "high"], rows)
    return pd.DataFrame({"text": texts, "priority": priority, "team": team})


def test_tickets_are_routed_by_their_words(tmp_path: Path) -> None:
    folder = project(
        tmp_path, tickets(), "team", train='learners = ["logistic"]',
        more='\n[preparation.columns.text]\ntext = "tfidf"\n',
    )  # fmt: skip
    _, judged, model = lived(folder)
    assert judged["metrics"]["accuracy"] > 0.9
    answer = model.predict([{"text": "The PARCEL is lost, tracking says arrived", "priority": "low"}])[0]
    assert answer["label"] == "delivery"


BUNDLED = {
    "breast_cancer": ("classification", "logistic", "accuracy", 0.9),
    "wine": ("classification", "random_forest", "accuracy", 0.8),
    "iris": ("classification", "naive_bayes", "accuracy", 0.8),
    "diabetes": ("regression", "ridge", "r2", 0.2),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_the_tables_that_come_with_sklearn(name: str, tmp_path: Path) -> None:
    task, learner, metric, least = BUNDLED[name]
    made = getattr(datasets, f"load_{name}")(as_frame=True)
    table = made.frame.rename(columns=lambda c: str(c).replace(" ", "_"))
    if task == "classification":
        table["target"] = [str(made.target_names[t]) for t in table["target"]]
    positive = 'positive = "malignant"' if name == "breast_cancer" else ""
    folder = project(tmp_path, table, "target", task, model=positive, train=f'learners = ["{learner}"]')
    _, judged, model = lived(folder)
    assert judged["metrics"][metric] > least
    assert len(model.predict(table.drop(columns="target").head(3))) == 3
