"""Which versions are written down with a model."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

from fairlead.lab.compile import write_bundle
from fairlead.lab.train.adopting import candidate_of
from fairlead.lab.train.provenance import versions
from fairlead.runtime.bundle import SigningKey, inspect


def test_the_libraries_that_a_fit_depends_on_are_written_down() -> None:
    found = versions()
    for library in ("scikit-learn", "numpy", "lightgbm", "xgboost-cpu"):
        assert found[library] == version(library)


@pytest.mark.parametrize(
    ("estimator", "library"),
    [(XGBClassifier(n_estimators=3), "xgboost-cpu"), (LGBMClassifier(n_estimators=3, verbose=-1), "lightgbm")],
)
def test_a_boosted_model_names_its_library(tmp_path: Path, estimator: object, library: str) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(300, 3)), columns=["a", "b", "c"])
    fitted = estimator.fit(rows, (rows["a"] > 0).astype(int))  # type: ignore[attr-defined]
    key = SigningKey.create(tmp_path / "key.pem")
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(candidate_of(fitted, rows), folder, key)
    assert f"{library}=={version(library)}" in (folder / "requirements.txt").read_text()
    assert inspect(folder, (key.public,))["lineage"]["versions"][library] == version(library)
