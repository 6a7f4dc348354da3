"""What is done to each column: its own settings, else those of its kind, else what is always done."""

from __future__ import annotations

import msgspec

from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.signature import Column, Signature

KINDS = {
    "number": "numbers",
    "integer": "numbers",
    "boolean": "flags",
    "category": "categories",
    "time": "times",
    "text": "texts",
}
"""The table of [preparation] that speaks of a kind of column; tensors have none."""

ALWAYS: dict[str, Treatment] = {
    "numbers": Treatment(missing="median", scale="standard"),
    "flags": Treatment(missing="mode", scale="none"),
    "categories": Treatment(missing="constant", encode="one_hot"),
    "times": Treatment(missing="median", dates="parts", scale="standard"),
    "texts": Treatment(text="none"),
}
MISSING = "(missing)"


def kind_of(column: Column) -> str:
    """The name of the kind in [preparation], empty for a tensor."""
    return KINDS.get(column.kind, "")


def over(*treatments: Treatment) -> Treatment:
    """The first of several statements about each thing."""
    found: dict[str, object] = {}
    for treatment in reversed(treatments):
        found |= {key: value for key, value in msgspec.structs.asdict(treatment).items() if value is not None}
    return msgspec.structs.replace(Treatment(), **found)


def treatment_of(column: Column, settings: PreparationSettings) -> Treatment:
    """All that is done to a column. Empty for a tensor."""
    kind = kind_of(column)
    if not kind:
        return Treatment()
    return completed(kind, stated_for(settings.columns.get(column.name, Treatment()), getattr(settings, kind)))


def stated_for(own: Treatment, kind: Treatment) -> Treatment:
    """What is stated for a column, and what its kind says beside it: not what the column's own words rule out."""
    idle: set[str] = set()
    if own.bins is not None or own.encode in ("one_hot", "hashing"):
        idle.add("scale")
    if own.scale not in (None, "none"):
        idle |= {"bins", "bins_by"} if kind.encode != "ordinal" else set()
    if own.encode not in (None, "hashing"):
        idle.add("buckets")
    if own.missing not in (None, "constant"):
        idle.add("value")
    if own.outliers == "none":
        idle |= {"threshold", "action"}
    if own.text == "none":
        idle |= {"max_features", "ngrams", "unit", "length"}
    if own.text == "words":
        idle |= {"ngrams", "unit"}
    if own.text == "tfidf":
        idle.add("length")
    return over(own, msgspec.structs.replace(kind, **dict.fromkeys(idle)))


def completed(kind: str, stated: Treatment) -> Treatment:
    """What is stated, and what follows from it or is always done to this kind."""
    found = over(stated, ALWAYS[kind])
    if stated.value is not None and stated.missing is None:
        found = msgspec.structs.replace(found, missing="constant")
    if stated.bins is not None and stated.scale is None:
        # The number of a bin is no amount.
        found = msgspec.structs.replace(found, scale="none")
    if found.bins is not None:
        found = over(found, Treatment(bins_by="quantile", encode="one_hot"))
    if found.encode == "label":
        found = msgspec.structs.replace(found, encode="ordinal")
    if found.encode == "hashing":
        found = over(found, Treatment(buckets=64))
    if found.outliers not in (None, "none"):
        found = over(found, Treatment(action="clip"))
    if found.text == "tfidf":
        found = over(found, Treatment(max_features=1000, ngrams=(1, 1), unit="word"))
    if found.text == "words":
        found = over(found, Treatment(max_features=8192, length=64))
    return found


def treatments(signature: Signature, settings: PreparationSettings) -> dict[str, Treatment]:
    """Column -> what is done to it, in the order of the signature."""
    return {column.name: treatment_of(column, settings) for column in signature.columns}
