"""Classifiers that give labels and no probabilities: a label then counts as certain."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.lab.compile.encoders import text_of


class Labelling:
    """An estimator with probabilities of 0 and 1. native_*: how a native bundle asks what is inside."""

    native_method = "labels"

    def __init__(self, inner: Any, classes: Any) -> None:
        self.native_inner = inner
        self.classes_ = np.asarray(classes)
        names = getattr(inner, "feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = np.asarray(names)

    def predict(self, rows: Any) -> Any:
        """Labels, shape (n,)."""
        return np.ravel(self.native_inner.predict(rows))

    def predict_proba(self, rows: Any) -> Any:
        """1 for the label, 0 for the others, shape (n, classes). Raises ValueError for a label that is none of them."""
        place = {text_of(label): at for at, label in enumerate(self.classes_.tolist())}
        said = [text_of(label) for label in self.predict(rows).tolist()]
        if strange := next((label for label in said if label not in place), None):
            raise ValueError(f"a label that the sample's answers did not show: {strange!r}")
        table = np.zeros((len(said), len(place)))
        table[np.arange(len(said)), [place[label] for label in said]] = 1.0
        return table
