"""Offers put in order for each customer: init, train, judge against what is popular, deploy, ask, feedback, watch."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually
from tests.journeys.cli import fairlead
from tests.journeys.test_churn_loop import post, ready_url

QUICK = """
[train]
learners = ["logistic"]
trials = 1
folds = 3
seconds = 60

[gate]
min = {ndcg_at_3 = 0.5, hit_rate_at_2 = 0.5}
beats = ["baseline", "random"]

[evaluate]
robustness = false
find_slices = false

[serve]
port = 0

[monitor]
window = "120rows"
label_delay = "0s"
"""
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rank.md").read_text()
OFFERS = ("phone", "insurance", "travel", "garden", "games", "wine")


def offers(customers: int, seed: int, first: int = 0) -> pd.DataFrame:
    """Each customer is shown 6 offers; the nearer one is to them, the likelier they buy it. Some are liked by most."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(first, first + customers):
        at = random.uniform(0, 1)
        for number in random.permutation(len(OFFERS)):
            distance = abs(at - number / (len(OFFERS) - 1))
            odds = 2.0 - 7.0 * distance + 0.8 * (number == 2)
            bought = random.random() < 1 / (1 + np.exp(-odds))
            rows.append(
                (f"c{customer:04d}", OFFERS[number], round(distance, 4), round(at, 3), "yes" if bought else "no")
            )
    return pd.DataFrame(rows, columns=["customer", "offer", "distance", "taste", "bought"])


def _line(verb: str) -> list[str]:
    """What docs/how-to/rank.md says to run."""
    found = re.search(rf"fairlead ({verb} [^`\n]+)", PAGE)
    assert found
    return found[1].split()


def said(program: Program, *arguments: str) -> dict[str, Any]:
    """What a verb says, run in this process."""
    ended = fairlead(program.folder, *arguments, "--json")
    assert ended.code == 0, ended.err
    return ended.json


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A project that ranks, trained and judged."""
    made = Program(tmp_path_factory.mktemp("offers"))
    offers(240, 1).to_csv(made.folder / "offers.csv", index=False)
    told = said(made, *_line("init"), "--name", "offers")
    assert {c["name"]: c["role"] for c in told["columns"]}["customer"] == "group"
    path = made.folder / "fairlead.toml"
    text = path.read_text()
    assert 'group = "customer"' in text
    for section in ("train", "gate", "serve", "monitor"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)
    said(made, "train")
    return made


def test_a_ranking_beats_what_is_popular_and_is_watched_by_group(program: Program) -> None:
    judged = said(program, "evaluate")
    checks = {c["name"]: c for c in judged["checks"]}
    assert judged["verdict"] == "pass", judged
    assert "popularity" in checks["beats.baseline"]["why"]
    assert checks["beats.random"]["value"] < checks["beats.baseline"]["value"] < 0
    said(program, "register")
    said(program, "deploy")
    rows = offers(60, 2, first=1000)
    answers = _served(program, rows)
    frame = rows.assign(score=[a["probabilities"]["yes"] for a in answers])
    rows.to_csv(program.folder / "rows.csv", index=False)
    said(program, *_line("score"))
    ranked = pd.read_csv(program.folder / "ranked.csv")
    assert ranked.columns[:2].tolist() == ["customer", "offer"]
    assert ranked.groupby("customer")["rank"].agg(sorted).tolist() == [[1, 2, 3, 4, 5, 6]] * 60
    assert np.allclose(ranked["yes"], frame["score"])
    windows = [w for w in said(program, "watch", "--once")["windows"] if w["state"] == "scored"]
    assert [w["labelled"] for w in windows] == [120] * 3
    first = frame[:120]
    assert windows[0]["metrics"]["ndcg_at_3"] == pytest.approx(_ndcg(first, 3), abs=1e-9)
    assert windows[0]["metrics"]["mrr"] > 0.5
    assert {"ndcg_at_5", "hit_rate_at_1", "roc_auc", "loss"} <= set(windows[0]["metrics"])


def _served(program: Program, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A request a customer, with what became of each offer; the answers in the order of the rows."""
    server = program.start("serve", "--port", "0")
    log: Path = program.folder / "serve.log"
    found: list[dict[str, Any]] = []
    try:
        url = eventually(lambda: ready_url(log), what="the ready line")
        for customer, part in rows.groupby("customer", sort=False):
            asked = part.drop(columns="bought").to_dict("records")
            found += post(f"{url}/predict/offers", asked, request=str(customer))["predictions"]
            labels = [
                {"request": customer, "row": n, "label": truth} for n, truth in enumerate(part["bought"].tolist())
            ]
            assert post(f"{url}/feedback/offers", labels)["accepted"] == len(labels)
        # As a person would ask, about the last of them.
        part.to_csv(program.folder / "one.csv", index=False)
        told = said(program, "predict", "one.csv", "--rank")
        best = np.argsort([-a["probabilities"]["yes"] for a in told["predictions"]], kind="stable")
        assert np.argsort(told["ranks"]).tolist() == best.tolist()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    return found


def _ndcg(frame: pd.DataFrame, k: int) -> float:
    from sklearn.metrics import ndcg_score

    found = []
    for _, part in frame.groupby("customer"):
        gains = (part["bought"] == "yes").to_numpy(dtype=float)
        if gains.any():
            found.append(ndcg_score(gains[None], part["score"].to_numpy()[None], k=k))
    return float(np.mean(found))
