"""What a preparation does, in words; part of every candidate's lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.signature import Signature
from fairlead.lab.train.preparing.dropping import dropped
from fairlead.lab.train.preparing.treating import ALWAYS, MISSING, kind_of, treatments

RULES: dict[str, Any] = {
    "numbers": "missing values take the median of training, then mean 0 and deviation 1",
    "flags": "missing values take the most frequent value of training",
    "categories": f"missing values are a category of their own, {MISSING!r}, then one column a category; "
    "a category never seen is none of them",
    "times": "day, month, weekday and hour (UTC), then as numbers",
    "texts": "not used",
}
"""What is done to each kind of column unless settings say otherwise."""
TENSORS = {"tensors": "every element a feature, the least that training saw 0, the greatest 1"}


def rules_for(signature: Signature, settings: PreparationSettings | None = None) -> dict[str, Any]:
    """`RULES`, what is done to tensors where there are some, and whatever settings change, column by column."""
    found = RULES | TENSORS if any(column.kind == "tensor" for column in signature.columns) else dict(RULES)
    if settings is None:
        return found
    own: dict[str, Any] = {}
    usual: dict[str, bool] = {}
    for column, treatment in zip(signature.columns, treatments(signature, settings).values(), strict=True):
        kind = kind_of(column)
        if kind:
            same = treatment == ALWAYS[kind]
            usual[kind] = usual.get(kind, False) or same
            if not same:
                own[column.name] = stated(treatment)
    if own:
        # A sentence about a kind of which no column is treated that way would not be true.
        found = {kind: words for kind, words in found.items() if usual.get(kind, True)}
        found["columns"] = own
    if settings.interactions:
        found["interactions"] = [" x ".join(pair) for pair in settings.interactions]
    return found


def prepared_as(
    signature: Signature, settings: PreparationSettings, columns: Mapping[str, Any], learner: str
) -> dict[str, Any]:
    """`rules_for`, how many rows were left out of training, and what to be wary of. columns: of training rows."""
    found = dict(rules_for(signature, settings))
    if counts := dropped(signature, settings, columns):
        found["dropped"] = counts
    if warned := cautions(signature, settings, [learner]):
        found["cautions"] = warned
    return found


MOST_REASONS = 5
"""Most columns named in a sentence about rows left out; the lineage names all."""


def notes_of(preparation: Mapping[str, Any]) -> list[str]:
    """What a person should know of a lineage's preparation: rows left out of training, and cautions."""
    told: list[str] = []
    counts = preparation.get("dropped")
    if counts and counts["rows"]:
        most = sorted(
            ((count, why) for why, count in counts["for"].items() if count), key=lambda one: (-one[0], one[1])
        )
        reasons = ", ".join(f"{count:,} for {why}" for count, why in most[:MOST_REASONS])
        reasons += f", and for {len(most) - MOST_REASONS} more columns" if len(most) > MOST_REASONS else ""
        told.append(
            f"{counts['rows']:,} of {counts['of']:,} training rows were left out ({reasons}); the model answers such "
            "rows all the same."
        )
    return [*told, *(f"{text[:1].upper()}{text[1:]}." for text in preparation.get("cautions", ()))]


LINEAR = (
    *("logistic", "ridge", "linear", "lasso", "elastic_net", "poisson", "svm", "mlp", "neural_net"),
    *("nearest_neighbours", "k_means", "gaussian_mixture", "one_class_svm", "local_outlier_factor"),
)
"""Learners that add or measure distances, to which the number of a category says that one lies between two others."""


def cautions(signature: Signature, settings: PreparationSettings, learners: Iterable[str]) -> list[str]:
    """What is allowed and seldom meant, in words, for these learners."""
    straight = [name for name in learners if name in LINEAR]
    named = [
        column.name
        for column, treatment in zip(signature.columns, treatments(signature, settings).values(), strict=True)
        if column.kind == "category" and treatment.encode == "ordinal"
    ]
    if not straight or not named:
        return []
    return [
        f"categories as numbers in {', '.join(named)}: to {' and '.join(straight)} they are amounts in alphabetical "
        "order; one_hot or target is what is meant there, unless the order means something"
    ]


def stated(treatment: Treatment) -> dict[str, Any]:
    """A treatment as the project file would say it."""
    return {key: value for key, value in msgspec.to_builtins(treatment).items() if value is not None}
