"""A sealed preparation read back compiles to itself, byte by byte, and prepares as it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from fairlead.contract.errors import NotCompilable
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.compile.lanes import front_of
from fairlead.lab.compile.sealed_front import lanes_of
from fairlead.lab.train.estimators.sealed_preparation import SealedPreparation
from fairlead.lab.train.fitting import fit
from fairlead.lab.train.material import Material, material_of

WAYS: dict[str, PreparationSettings] = {
    "as ever": PreparationSettings(),
    "binned": PreparationSettings(numbers=Treatment(bins=4, encode="one_hot", indicator=True)),
    "quantiles": PreparationSettings(numbers=Treatment(scale="quantile"), categories=Treatment(encode="ordinal")),
    "hashed and read": PreparationSettings(
        categories=Treatment(encode="hashing", buckets=8), texts=Treatment(text="tfidf", max_features=20)
    ),
    "target means": PreparationSettings(categories=Treatment(encode="target")),
    "crossed": PreparationSettings(interactions=(("a", "town"),)),
}


def material(way: PreparationSettings) -> Material:
    random, rows = np.random.default_rng(0), 400
    frame = pd.DataFrame({
        "a": random.normal(size=rows), "n": random.integers(0, 50, rows), "town": random.choice(["x", "y", "z"], rows),
        "at": pd.date_range("2024-01-01", periods=rows, freq="h").astype(str),
        "said": [" ".join(random.choice(list("abcdefgh"), 4)) + f" word{i % 90}" for i in range(rows)],
    })  # fmt: skip
    frame.loc[random.random(rows) < 0.1, ["a", "town"]] = None
    frame["y"] = frame["n"] + random.normal(size=rows)
    settings = Settings(model=ModelSettings(name="m", task="regression", target="y"), preparation=way)
    return material_of(frame, settings)


@pytest.mark.parametrize("way", WAYS)
def test_a_sealed_front_compiles_to_itself(way: str) -> None:
    made = material(WAYS[way])
    pipeline = fit(made, "linear", {})
    compiled = compile_pipeline(pipeline, made.signature, made.frame)
    front = compiled.front
    assert front_of(lanes_of(front, made.signature.columns), made.signature).to_json() == front.to_json()
    sealed = SealedPreparation(front.to_json())
    features = sealed.transform(made.frame)
    assert np.allclose(features, pipeline.named_steps["preparation"].transform(made.frame), atol=1e-12, equal_nan=True)
    model: Any = LinearRegression().fit(features, made.truth.astype(float))
    again = compile_pipeline(Pipeline([("preparation", sealed), ("model", model)]), made.signature, made.frame)
    assert again.front.to_json() == front.to_json()


def test_columns_that_are_gone_are_named() -> None:
    made = material(WAYS["as ever"])
    front = compile_pipeline(fit(made, "linear", {}), made.signature, made.frame).front
    with pytest.raises(NotCompilable, match="not there: town"):
        lanes_of(front, [c for c in made.signature.columns if c.name != "town"])
