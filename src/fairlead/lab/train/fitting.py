"""One fit without search, and the scores of a fitted pipeline in the signature's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.plugins import variant
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.compile.untaught import untaught_scores
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.learning import learn
from fairlead.lab.train.material import Material, material_of
from fairlead.lab.train.terms import check_learners, signs_of


def learner_of(name: str) -> Any:
    """The learner of that name. Raises UnknownPlugin, MissingExtra."""
    return variant("learner", name)()


def fit(
    material: Material, learner: str | Any, parameters: Mapping[str, Any], seed: int = 0, rows: Ints | None = None
) -> Any:
    """A fitted sklearn Pipeline of preparation and learner. rows: positions to learn from; all without it.

    learner: its name, or one that has been made.
    """
    from sklearn.pipeline import Pipeline

    if material.signature.task == "forecasting":
        from fairlead.lab.train.forecasting.fitting import fit_forecaster

        return fit_forecaster(material, learner, parameters, seed, rows)
    signature, known = material.signature, learner_of(learner) if isinstance(learner, str) else learner
    check_learners([known], material.terms)
    rows = material.learned(rows)
    frame = material.frame if rows is None else material.frame.iloc[rows]
    truth = targets(material.truth if rows is None else material.truth[rows], signature)
    prepared = material.preparation()
    with few_threads(len(truth)):
        features = prepared.fit_transform(frame, truth)
        signs = signs_of(prepared, frame, signature, material.terms)
        weights = material.fit_weights(rows)
        model = learn(
            known, signature.task, parameters, seed, features, truth,
            weights=weights, signs=signs, terms=material.terms_for(rows).seeing(prepared, signature),
            ordered=material.times is not None,
        )  # fmt: skip
    return Pipeline([("preparation", prepared), ("model", model)])


def targets(truth: np.ndarray, signature: Signature) -> np.ndarray:
    """The truth as estimators take it: text labels of fixed width, or float64."""
    if signature.task in UNSUPERVISED:
        # What is known is for judging alone.
        return np.zeros(len(truth))
    return truth.astype(str) if signature.task == "classification" else truth.astype(np.float64)


def fit_once(
    frame: Any, settings: Settings, learner: str, parameters: Mapping[str, Any], *, signature: Signature | None = None
) -> Any:
    """Learn from these rows as once before: no search, no folds. Returns the fitted pipeline.

    frame: rows with the target, as in the training table. signature: of the model this one is compared with, so
    that both take the same columns; else it is inferred from the rows, which costs more than a small fit.
    """
    return fit(material_of(frame, settings, signature), learner, parameters, settings.train.seed)


def score_pipeline(pipeline: Any, columns: Mapping[str, Any], signature: Signature) -> Floats:
    """Scores of a fitted pipeline for rows in the columns form: shape (n, k), k as in `signature.outputs`."""
    from fairlead.lab.tables import frame_of

    return scores_of(pipeline, frame_of(columns, signature), signature)


def scores_of(estimator: Any, features: Any, signature: Signature) -> Floats:
    """As `score_pipeline`, for features that the estimator takes as they are (a frame, or a prepared matrix).

    A class that the estimator has not seen scores 0.
    """
    with few_threads(len(features)):
        if signature.task in UNSUPERVISED:
            return untaught_scores(estimator, features, signature.task)
        if signature.task != "classification":
            return np.asarray(estimator.predict(features), dtype=np.float64).reshape(len(features), -1)
        raw = np.asarray(estimator.predict_proba(features), dtype=np.float64)
    place = {name: i for i, name in enumerate(signature.classes)}
    scores = np.zeros((len(raw), len(signature.classes)))
    for i, label in enumerate(_labels(estimator)):
        if label in place:
            scores[:, place[label]] = raw[:, i]
    return scores


def _labels(estimator: Any) -> list[str]:
    from fairlead.lab.stats import label_text

    return [label_text(c) for c in estimator.classes_]
