"""Texts as their words in order, for networks that learn what each word says."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fairlead.contract.plugins import names, variant
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.settings import Settings
from fairlead.lab.train.preparing.texts import Documents
from fairlead.runtime.bundle.word_numbers import WordNumbers, word_numbers_reader

LENGTH, NUMBERS = 64, 8192
"""Words that are read of a text, and numbers that they fall on, unless the project says so."""


def for_learners(settings: Settings) -> PreparationSettings:
    """[preparation] of a project; texts are read word by word where all learners ask for that and it says nothing."""
    asked, stated = settings.train.learners, settings.preparation
    if stated.texts.text is not None or not asked:
        return stated
    if any(name not in names("learner") or getattr(variant("learner", name), "sees", "") != "texts" for name in asked):
        return stated
    return msgspec.structs.replace(stated, texts=msgspec.structs.replace(stated.texts, text="words"))


def words(treatment: Treatment) -> Any:
    """An unfitted pipeline from one column of texts to the numbers of their words."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(Documents(), WordNumbersOf(treatment.max_features or NUMBERS, treatment.length or LENGTH))


class WordNumbersOf(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Texts, shape (rows,), as `length` columns: the number of each word, 0 where there is none. Compiles.

    Nothing is learned: a number is the hash of a word, so words never seen have one too, and different ones may share
    it. Source: Weinberger et al., Feature hashing for large scale multitask learning (2009).
    """

    def __init__(self, buckets: int = NUMBERS, length: int = LENGTH) -> None:
        self.buckets = buckets
        self.length = length

    def fit(self, X: Any, y: Any = None) -> WordNumbersOf:
        """Nothing is learned."""
        self.n_features_in_ = 1
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Numbers, shape (rows, length)."""
        read = word_numbers_reader(WordNumbers("", self.buckets, self.length))
        found = np.zeros((len(X), self.length))
        for row, text in enumerate(X):
            for at, number in read(text):
                found[row, at] = number
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """A name a place."""
        return np.array([f"word_{at}" for at in range(self.length)], dtype=object)
