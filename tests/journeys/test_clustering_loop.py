"""Groups of customers through the whole loop: found, named, judged, served, watched."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually

import fairlead
from fairlead.contract.errors import ConfigInvalid
from fairlead.doors.python import init

QUICK = """
[train]
learners = ["k_means", "gaussian_mixture"]
trials = 6
folds = 3

[serve]
port = 0

[monitor]
window = "100rows"
label_delay = "0s"
"""


def customers(rows: int, seed: int) -> pd.DataFrame:
    """Three groups that differ in age, spending and visits; `segment` says which, for judging."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, rows)
    middle = np.array([[25.0, 20.0, 9.0], [45.0, 90.0, 2.0], [70.0, 40.0, 5.0]])[group]
    spread = random.normal(size=(rows, 3)) * np.array([3.0, 5.0, 0.6])
    found = pd.DataFrame(middle + spread, columns=["age", "spends", "visits"]).round(3)
    found["segment"] = np.array(["young", "busy", "old"])[group]
    return found


def made(folder: Path, frame: pd.DataFrame, **more: Any) -> Any:
    frame.to_csv(folder / "train.csv", index=False)
    init(folder / "train.csv", more.pop("target", None), folder, task="clustering", name="groups")
    path = folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)
    return fairlead.open(folder)


def asked(url: str, body: Any) -> Any:
    headers = {"content-type": "application/json", "x-request-id": "one"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as reply:
        return json.loads(reply.read())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("customers"))
    made(program.folder, customers(1200, 1), target="segment")
    return program


def test_groups_are_found_judged_and_deployed(project: Program) -> None:
    opened = fairlead.open(project.folder)
    trained = opened.train()
    assert trained["leaderboard"][0]["metric"] == "1 - silhouette"
    assert trained["metrics"]["adjusted_rand"] > 0.95
    assert trained["metrics"]["stability"] > 0.95
    assert trained["parity"]["flipped"] == 0
    judged = opened.evaluate()
    assert judged["verdict"] == "pass"
    checks = {check["name"]: check for check in judged["checks"]}
    assert checks["beats.baseline"]["verdict"] == "pass"
    assert {"silhouette", "calinski_harabasz", "davies_bouldin", "nmi", "smallest_share"} <= set(judged["metrics"])
    page = Path(judged["report"]).read_text()
    assert "It puts rows into 3 groups" in page
    assert "Size of the groups" in page
    opened.register()
    opened.deploy()


def test_new_rows_get_their_group_in_every_form(project: Program) -> None:
    later = customers(100, 2)
    rows = json.loads(later.drop(columns="segment").to_json(orient="records"))
    server = project.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(project.folder / "serve.log"), what="the ready line")
        told = [one["cluster"] for one in asked(f"{url}/predict/groups", rows)["predictions"]]
        assert set(told) == {"0", "1", "2"}
        # Each cluster is one segment, whatever it is called.
        assert len({(cluster, segment) for cluster, segment in zip(told, later["segment"], strict=True)}) == 3
        assert asked(f"{url}/invocations", {"dataframe_records": rows})["predictions"] == [int(one) for one in told]
        inputs = [
            {"name": name, "shape": [100], "datatype": "FP64", "data": later[name].tolist()}
            for name in ("age", "spends", "visits")
        ]
        cluster, memberships = asked(f"{url}/v2/models/groups/infer", {"inputs": inputs})["outputs"]
        assert cluster["data"] == told
        assert np.reshape(memberships["data"], memberships["shape"]).sum(axis=1) == pytest.approx(1.0)
        given = [{"request": "one", "row": 0, "label": told[0]}, {"request": "one", "row": 1, "label": "young"}]
        answered = asked(f"{url}/feedback/groups", given)
        assert answered["accepted"] == 1
        assert "not a cluster of this model" in answered["rejected"][0]["reason"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    opened = fairlead.open(project.folder)
    assert opened.collect()["records"] == 300
    watched = opened.watch()
    assert [w["rows"] for w in watched["windows"] if w["state"] == "closed"] or watched["windows"]
    assert not [f for f in watched["findings"] if f["area"] == "performance"]
    scored = opened.score(later, None)
    assert list(scored["predictions"].columns) == ["cluster", "membership_0", "membership_1", "membership_2"]
    assert list(scored["predictions"]["cluster"]) == told


def test_rows_without_structure_do_not_pass(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    opened = made(tmp_path, pd.DataFrame(random.uniform(size=(500, 2)), columns=["a", "b"]))
    opened.train()
    judged = opened.evaluate()
    checks = {check["name"]: check["verdict"] for check in judged["checks"]}
    assert checks["beats.baseline"] in ("fail", "inconclusive")
    assert judged["verdict"] != "pass"


def test_what_cannot_answer_for_new_rows_says_so_with_what_it_found(tmp_path: Path) -> None:
    opened = made(tmp_path, customers(400, 3).drop(columns="segment"))
    path = tmp_path / "fairlead.toml"
    path.write_text(path.read_text().replace('["k_means", "gaussian_mixture"]', '["hdbscan"]'))
    opened = fairlead.open(tmp_path)
    with pytest.raises(ConfigInvalid, match="it found 3 groups") as refused:
        opened.train()
    assert 'learners = ["k_means", "gaussian_mixture"], whose search includes 3 groups' in str(refused.value)


def ready_url(log: Path) -> str | None:
    """The address in the ready line, once it is there."""
    found = re.search(r"ready: (\S+)", log.read_text())
    return found[1] if found else None
