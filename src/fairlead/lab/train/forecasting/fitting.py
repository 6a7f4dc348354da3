"""One fit of a forecaster, and its pipeline: a front that reads histories and the calendar ahead, regressors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Signature
from fairlead.lab.compile.forecasting.forecaster import Forecaster
from fairlead.lab.compile.forecasting.plan import Plan, parts_for
from fairlead.lab.compile.forecasting.step_parts import StepParts
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.forecasting.learners import WAY, StepLearner, step_learner
from fairlead.lab.train.forecasting.rows import seasons_for
from fairlead.lab.train.learning import learn
from fairlead.lab.train.material import Material
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN, history_of


def front_for(signature: Signature) -> Any:
    """The unfitted preparation of a forecast: every element of the history, then the calendar step by step."""
    from sklearn.compose import ColumnTransformer

    from fairlead.lab.compile import Elements

    ahead = StepParts(signature.horizon, signature.step, parts_for(signature.step))
    parts = [("history", Elements(), [HISTORY]), ("calendar", ahead, [ORIGIN])]
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)


def plan_for(signature: Signature, seasons: tuple[int, ...], classes: bool) -> Plan:
    """What a regressor looks at. classes: see `Plan`."""
    lags, width = history_of(signature).shape
    return Plan(lags, width - 1, signature.horizon, seasons, parts_for(signature.step), classes)


def forecaster(
    material: Material, learner: StepLearner, parameters: Mapping[str, Any], seed: int, features: Floats, truth: Floats
) -> Forecaster:
    """A fitted forecaster of prepared features, (n, width), and what came, (n, horizon)."""

    def fit(given: Floats, shares: Floats) -> Any:
        own = {name: value for name, value in parameters.items() if name != WAY}
        return learn(learner.inner, "regression", own, seed, given, shares, terms=material.terms, ordered=True)

    plan = plan_for(material.signature, seasons_for(material), learner.classes)
    way = parameters.get(WAY, learner.default(len(features))[WAY])
    with few_threads(len(features)):
        return Forecaster(plan, way, seed).fit(features, truth, fit)


def fit_forecaster(
    material: Material,
    learner: str | StepLearner,
    parameters: Mapping[str, Any],
    seed: int = 0,
    rows: Ints | None = None,
) -> Any:
    """A fitted pipeline of front and forecaster. rows: positions to learn from; all without it."""
    from sklearn.pipeline import Pipeline

    frame = material.frame if rows is None else material.frame.iloc[rows]
    truth = material.truth if rows is None else material.truth[rows]
    front = front_for(material.signature)
    features = front.fit_transform(frame)
    known = step_learner(learner) if isinstance(learner, str) else learner
    model = forecaster(material, known, parameters, seed, features, truth)
    return Pipeline([("preparation", front), ("model", model)])
