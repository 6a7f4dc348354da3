"""Every regressor of the catalogue forecasts: fits, is deterministic, seals, and answers as it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.train.demand import demand, settings

from fairlead.contract.errors import ConfigInvalid, InputInvalid, MissingExtra
from fairlead.contract.plugins import names, variant
from fairlead.lab.compile import write_bundle
from fairlead.lab.train import score_pipeline, train
from fairlead.lab.train.forecasting.learners import UNFIT, step_learner
from fairlead.lab.train.recorded import Trial
from fairlead.runtime.bundle import SigningKey, load

BRIEF = {"n_estimators": 8, "max_iter": 8, "max_rounds": 8}
"""Parameters that make a fit quick, where a learner has them."""


@pytest.mark.long
@pytest.mark.parametrize("way", ["spans", "each"])
@pytest.mark.parametrize("name", [name for name in names("learner") if name not in UNFIT])
def test_it_forecasts_and_seals(name: str, way: str, tmp_path: Path) -> None:
    learner = variant("learner", name)()
    if "regression" not in learner.tasks:
        with pytest.raises(ConfigInvalid, match=f"{name} cannot do forecasting"):
            step_learner(name)
        return
    parameters = {**step_learner(name).default(200), "steps": way}
    parameters |= {key: few for key, few in BRIEF.items() if key in parameters}
    frame = demand(12).assign(count=lambda f: f["count"].abs())
    try:
        made = train(frame, settings(lags=30, horizon=4), trial=Trial(name, parameters))
    except MissingExtra as missing:
        pytest.skip(f"{name}: {missing}")
    key = SigningKey.create(tmp_path / "key")
    write_bundle(made.candidate, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", [key.public])
    expected = score_pipeline(made.candidate.pipeline, made.candidate.columns, model.signature)
    assert expected.shape[1] == 4
    assert np.abs(model.score_columns(made.candidate.columns) - expected).max() <= 1e-6
    again = train(frame, settings(lags=30, horizon=4), trial=Trial(name, parameters))
    assert again.metrics == made.metrics


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_is_refused_by_name(name: str) -> None:
    with pytest.raises((ConfigInvalid, MissingExtra), match=f"{name} cannot do forecasting|is not installed"):
        step_learner(name)


def test_counts_alone_are_for_poisson() -> None:
    frame = demand(12).assign(count=lambda f: f["count"] - 60.0)
    with pytest.raises(InputInvalid, match="poisson learns counts"):
        train(frame, settings(lags=30, horizon=2), trial=Trial("poisson", {"alpha": 1.0, "steps": "each"}))
