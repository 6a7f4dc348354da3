"""Texts as TF-IDF: what each term says by how seldom it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fairlead.contract.preparing import Treatment

FEWEST_TEXTS = 2
"""A term of one text alone, often a name or a number, teaches nothing about others and is not sealed."""


class Documents(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """One column of texts, shape (rows, 1), as a list of texts; a missing one is empty. Compiles."""

    def fit(self, X: Any, y: Any = None) -> Documents:
        """Nothing is learned."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The texts, objects of shape (rows,)."""
        cells = np.asarray(X, dtype=object).reshape(len(X), -1)[:, 0]
        return np.array(["" if cell is None or cell != cell else cell for cell in cells], dtype=object)


def terms(treatment: Treatment) -> Any:
    """An unfitted pipeline from one column of texts to TF-IDF. Source: Salton and Buckley, Inf. Process. Manag. 24
    (1988); idf is ln((1 + n) / (1 + df)) + 1, rows have Euclidean length 1.
    """
    from sklearn.pipeline import make_pipeline

    return make_pipeline(Documents(), Terms(treatment.max_features or 1000, treatment.ngrams or (1, 1),
                                            treatment.unit or "word"))  # fmt: skip


class Terms(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """scikit-learn's TfidfVectorizer, for terms of two texts and more; without one, a term that no text has.

    most: terms kept, the most frequent. ngrams: shortest and longest. unit: of words, char or char_wb.
    """

    def __init__(self, most: int = 1000, ngrams: tuple[int, int] = (1, 1), unit: str = "word") -> None:
        self.most = most
        self.ngrams = ngrams
        self.unit = unit

    def fit(self, X: Any, y: Any = None) -> Terms:
        """Learn terms and weights from texts, shape (rows,)."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        made: dict[str, Any] = {
            "analyzer": self.unit, "ngram_range": tuple(self.ngrams), "max_features": self.most, "sublinear_tf": True,
        }  # fmt: skip
        try:
            self.vectorizer_ = TfidfVectorizer(min_df=FEWEST_TEXTS, **made).fit(X)
        except ValueError:
            # A fold may hold no text at all, and its model is to be fitted nevertheless.
            self.vectorizer_ = TfidfVectorizer(vocabulary=[NOTHING], **{**made, "max_features": None}).fit([NOTHING])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Weights, shape (rows, terms)."""
        return np.asarray(self.vectorizer_.transform(X).toarray(), dtype=np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The terms."""
        return np.asarray(self.vectorizer_.get_feature_names_out(), dtype=object)


NOTHING = "nothing\x00at\x00all"
