"""Imputation by looking at other columns: not compiled, such a model runs native."""

from __future__ import annotations

from typing import Any


def imputer(way: str) -> Any:
    """knn: the mean of the 5 nearest rows of training; iterative: a regression on the other numbers, in turns.

    Sources: Troyanskaya et al., Bioinformatics 17 (2001); van Buuren and Groothuis-Oudshoorn, J. Stat. Softw. 45
    (2011), whose single imputation this is.
    """
    if way == "knn":
        from sklearn.impute import KNNImputer

        return KNNImputer(keep_empty_features=True)
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(keep_empty_features=True, random_state=0)
