"""A model meant for some rows alone: others are refused or counted over HTTP, in every form, and marked in tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.conftest import environment

from fairlead.contract.errors import OutsidePopulation
from fairlead.contract.profile import Reference
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.contract.settings import CardSettings, ModelSettings, Settings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate.populations import with_population
from fairlead.lab.train import candidate_of
from fairlead.reach.score.batch import answer_columns
from fairlead.runtime.bundle import BundleStore, Model, SigningKey, load
from fairlead.runtime.bundle.columns import columns_from
from fairlead.runtime.serve import publish

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.serve import ServeOptions, serve
options = ServeOptions(home=Path(sys.argv[1]), port=0, server=ServeSettings(batch_kb=1),
                       access=AccessSettings(required=False))
serve(options, ready=lambda url: print(url, flush=True))
"""
RULES = ("tenure >= 1 and tenure <= 80", "Contract != 'Trial'")
INSIDE = {"tenure": 12, "charges": 20.5, "Contract": "Yearly"}
YOUNG, TRIAL = {**INSIDE, "tenure": 0}, {**INSIDE, "Contract": "Trial"}


def rows(count: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"tenure": random.integers(0, 90, count), "charges": random.normal(50, 9, count)})
    frame["Contract"] = random.choice(["Monthly", "Yearly", "Trial"], count)
    pull = 0.05 * frame["tenure"] + (frame["Contract"] == "Yearly") - 2 + random.logistic(size=count)
    return frame.assign(left=np.where(pull > 0, "yes", "no"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two routes to the same model: one that refuses rows outside, and one that counts them."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    home, frame = tmp_path_factory.mktemp("population"), rows()
    prepared = make_column_transformer(
        (StandardScaler(), ["tenure", "charges"]), (OneHotEncoder(handle_unknown="ignore"), ["Contract"])
    )
    features = list(INSIDE)
    fitted = make_pipeline(prepared, LogisticRegression()).fit(frame[features], frame["left"])
    settings = Settings(
        model=ModelSettings(name="m", task="classification", target="left", features=tuple(features), positive="yes")
    )
    made = candidate_of(fitted, frame, settings)
    key, store = SigningKey.create(home / "seal.key"), BundleStore(home / "bundles")
    assert isinstance(made.reference, Reference)
    routes = []
    for outside in ("refuse", "count"):
        card = CardSettings(populations=RULES, outside=outside)  # type: ignore[arg-type]
        from dataclasses import replace

        folder = home / outside
        folder.mkdir()
        write_bundle(replace(made, signature=with_population(made.signature, card), card=card), folder, key)
        bundle = store.add(folder)
        routes.append(Route(outside, (Variant("champion", bundle, 1),)))
    publish(home / "routes.json", Routes(1, tuple(routes), default="refuse", trusted=(key.public,)))
    return home


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    log = (home / "server.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home)], stdout=subprocess.PIPE, stderr=log, env=environment(), text=True
    )
    assert process.stdout is not None
    found = process.stdout.readline().strip()
    assert found.startswith("http://"), (home / "server.log").read_text()
    yield found
    process.terminate()
    process.wait(60)
    process.stdout.close()
    log.close()


def model(home: Path, name: str) -> Model:
    trusted = (SigningKey.load(home / "seal.key").public,)
    return load(home / name, trusted)


def columns_of(listed: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in listed] for name in INSIDE}


def v2(listed: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {"tenure": "INT64", "charges": "FP64", "Contract": "BYTES"}
    return {
        "inputs": [
            {"name": name, "shape": [len(cells)], "datatype": kinds[name], "data": cells}
            for name, cells in columns_of(listed).items()
        ]
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/refuse", lambda listed: listed),
        ("/predict/refuse", lambda listed: {"columns": columns_of(listed)}),
        ("/v1/models/refuse:predict", lambda listed: {"instances": listed}),
        ("/v2/models/refuse/infer", v2),
        ("/invocations", lambda listed: {"dataframe_records": listed}),
        # Larger than a kilobyte: the batch lane answers.
        ("/predict/refuse", lambda listed: listed * 40),
    ],
)
def test_every_protocol_refuses_a_row_outside_and_says_which_rule(url: str, path: str, body: Any) -> None:
    fine = httpx.post(url + path, json=body([INSIDE, INSIDE]))
    assert fine.status_code == 200, fine.text
    refused = httpx.post(url + path, json=body([INSIDE, TRIAL]))
    assert refused.status_code == 422
    assert "row 1" in refused.text
    assert "outside the population that this model is meant for" in refused.text
    # The rule, not the cell.
    assert "tenure >= 1" not in refused.text
    young = httpx.post(url + path, json=body([YOUNG, INSIDE]))
    assert young.status_code == 422
    assert "row 0" in young.text


def test_where_the_project_counts_rows_outside_are_answered_and_counted(url: str) -> None:
    def counted() -> float:
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        told = [line for line in lines if line.startswith('fairlead_rows_outside_population_total{model_name="count"')]
        return float(told[0].rpartition(" ")[2]) if told else 0.0

    before = counted()
    reply = httpx.post(f"{url}/predict/count", json=[INSIDE, TRIAL, YOUNG])
    assert reply.status_code == 200
    assert len(reply.json()["predictions"]) == 3
    assert counted() - before == 2
    assert httpx.post(f"{url}/predict/count", json=INSIDE).status_code == 200
    assert counted() - before == 2


def test_a_program_that_embeds_the_model_is_refused_too(home: Path) -> None:
    strict = model(home, "refuse")
    assert len(strict.predict([INSIDE])) == 1
    with pytest.raises(OutsidePopulation, match=r"row 1.*Contract != 'Trial'"):
        strict.predict([INSIDE, TRIAL])
    with pytest.raises(OutsidePopulation, match=r"row 1.*tenure"):
        strict.predict(pd.DataFrame([INSIDE, YOUNG]))
    assert len(model(home, "count").predict([TRIAL, YOUNG])) == 2


def test_a_table_is_scored_with_rows_outside_marked_and_not_answered(home: Path) -> None:
    listed = pd.DataFrame([INSIDE, TRIAL, YOUNG])
    strict, lenient = model(home, "refuse"), model(home, "count")
    told = answer_columns(strict, dict(columns_from(listed, strict.signature)))
    assert told["outside_population"].tolist() == [False, True, True]
    assert told["label"][1:].tolist() == [None, None]
    assert np.isnan(told["yes"][1:]).all()
    assert np.isfinite(told["yes"][0])
    counted = answer_columns(lenient, dict(columns_from(listed, lenient.signature)))
    assert counted["outside_population"].tolist() == [False, True, True]
    assert np.isfinite(counted["yes"]).all()


def test_the_population_is_sealed_and_stands_in_the_card(home: Path) -> None:
    signature = msgspec.json.decode((home / "refuse" / "signature.json").read_bytes())
    assert signature["population"]["said"] == list(RULES)
    card = (home / "refuse" / "model_card.md").read_text()
    assert "It is meant for rows with tenure >= 1 and tenure <= 80; others are refused." in card
    assert "others are answered and counted" in (home / "count" / "model_card.md").read_text()
