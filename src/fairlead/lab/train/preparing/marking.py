"""Groups marked among the prepared features, for thresholds that go by them and models that must not see them."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.signature import Signature
from fairlead.lab.train.mitigating import Mitigation
from fairlead.lab.train.preparing.catalogue import preparation
from fairlead.lab.train.preparing.treating import MISSING


def prepared_apart(
    signature: Signature, settings: PreparationSettings, unseen: str, mitigation: Mitigation | None
) -> Any:
    """The unfitted ColumnTransformer of all columns but `unseen`; last a feature of 0 and 1 for each group."""
    seen = tuple(column for column in signature.columns if column.name != unseen)
    made = preparation(msgspec.structs.replace(signature, columns=seen), settings)
    if mitigation is not None and mitigation.marks:
        # A name that no other part has.
        made.transformers = [*made.transformers, ("groups", _marks(mitigation), [mitigation.column])]
    return made


def _marks(mitigation: Mitigation) -> Any:
    """A cell that is missing or was never seen is of no group."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    flags = isinstance(mitigation.marks[0], float)
    fill: Any = -1.0 if flags else MISSING
    known = [mark for mark in mitigation.marks if mark != MISSING]
    return make_pipeline(
        SimpleImputer(strategy="constant", fill_value=fill, keep_empty_features=True),
        OneHotEncoder(categories=[known], handle_unknown="ignore", sparse_output=False),
    )
