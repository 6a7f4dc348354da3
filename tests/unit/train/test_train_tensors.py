"""Built-in learners on tensors: every element a feature, sealed like any other model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fairlead.contract.errors import NotCompilable
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import Elements, compile_pipeline, write_bundle
from fairlead.lab.train import score_pipeline, train
from fairlead.runtime.bundle import SigningKey, load

PIXELS, DIGITS = load_digits(return_X_y=True)
IMAGES = PIXELS.reshape(-1, 8, 8).astype(np.uint8)


def settings(learner: str) -> Settings:
    rules: dict[str, Any] = {"learners": (learner,), "trials": 1, "folds": 2}
    model = ModelSettings(name="digits", task="classification", target="digit")
    return Settings(model=model, train=TrainSettings(**rules))


@pytest.mark.parametrize(("learner", "form"), [("logistic", "linear"), ("random_forest", "trees")])
def test_images_are_learned_from_beside_other_columns(tmp_path, learner, form):
    rows = pd.DataFrame({"light": np.arange(600) % 7 / 7, "image": list(IMAGES[:600]), "digit": DIGITS[:600]})
    made = train(rows, settings(learner)).candidate
    assert [(c.name, c.kind, c.shape) for c in made.signature.columns] == [
        ("light", "number", ()), ("image", "tensor", (8, 8)),
    ]  # fmt: skip
    assert "every element" in made.lineage.preparation["tensors"]
    key = SigningKey.create(tmp_path / "seal.key")
    write_bundle(made, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", [key.public])
    assert f'"form":"{form}"' in (tmp_path / "bundle" / "parity.json").read_text()
    later = {"light": np.zeros(300), "image": IMAGES[600:900]}
    found = model.probabilities(later)
    columns = {"light": later["light"], "image": later["image"].reshape(300, 64)}
    expected = score_pipeline(made.answering, columns, made.signature)
    assert np.abs(found - expected).max() < 1e-9
    assert (found.argmax(axis=1) == DIGITS[600:900]).mean() > 0.8


def test_elements_are_features_from_least_to_greatest():
    frame = pd.DataFrame({"a": [np.array([[2, 4]]), np.array([[6, 2]])], "b": [np.array([4]), np.array([6])]})
    made = Elements(2.0, 4.0).fit(frame)
    assert made.transform(frame).tolist() == [[0.0, 0.5, 0.5], [1.0, 0.0, 1.0]]
    assert made.get_feature_names_out().tolist() == ["a_0", "a_1", "b_0"]


def test_a_tensor_that_nothing_flattens_is_no_number():
    column = Column("image", "tensor", nullable=False, low=0.0, high=16.0, dtype="uint8", shape=(64,))
    signature = Signature("classification", (column,), classes=tuple("0123456789"))
    names = pd.DataFrame(PIXELS[:100]).rename(columns=str)
    fitted = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=20)).fit(names, DIGITS[:100])
    fitted.steps[0][1].feature_names_in_ = np.array(["image"], dtype=object)
    with pytest.raises(NotCompilable, match="'image' holds tensors, this step takes numbers"):
        compile_pipeline(fitted, signature)
