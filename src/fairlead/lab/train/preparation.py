"""The preparation: one ColumnTransformer of parts that compile exactly (design section 6)."""

from __future__ import annotations

from typing import Any

from fairlead.contract.signature import Signature

MISSING = "(missing)"
TIME_PARTS = ("epoch_day", "month", "weekday", "hour")

RULES: dict[str, Any] = {
    "numbers": "missing values take the median of training, then mean 0 and deviation 1",
    "flags": "missing values take the most frequent value of training",
    "categories": f"missing values are a category of their own, {MISSING!r}, then one column a category; "
    "a category never seen is none of them",
    "times": "day, month, weekday and hour (UTC), then as numbers",
    "texts": "not used",
}
"""What is done to each kind of column, in words; part of every candidate's lineage."""
TENSORS = {"tensors": "every element a feature, the least that training saw 0, the greatest 1"}


def rules_for(signature: Signature) -> dict[str, Any]:
    """`RULES`, and what is done to tensors where there are some."""
    return RULES | TENSORS if any(column.kind == "tensor" for column in signature.columns) else RULES


def preparation(signature: Signature) -> Any:
    """An unfitted ColumnTransformer for these columns. Raises InputInvalid when none of them can be used."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from fairlead.contract.errors import InputInvalid

    kinds: dict[str, list[str]] = {}
    for column in signature.columns:
        kinds.setdefault("number" if column.kind == "integer" else column.kind, []).append(column.name)
    parts: list[tuple[str, Any, list[str]]] = []
    if "number" in kinds:
        # keep_empty_features: a column that one fold has nothing of must not change the number of outputs.
        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        parts.append(("numbers", numbers, kinds["number"]))
    if "boolean" in kinds:
        flags = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        parts.append(("flags", flags, kinds["boolean"]))
    if "category" in kinds:
        fill = SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)
        encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parts.append(("categories", make_pipeline(fill, encode), kinds["category"]))
    if "time" in kinds:
        from fairlead.lab.compile import TimeParts

        moments = make_pipeline(
            TimeParts(TIME_PARTS), SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
        )
        parts.append(("times", moments, kinds["time"]))
    for at, column in enumerate(signature.columns):
        if column.kind == "tensor":
            from fairlead.lab.compile import Elements

            low = column.low or 0.0
            parts.append((f"tensors{at}", Elements(low, (column.high or 0.0) - low or 1.0), [column.name]))
    if not parts:
        raise InputInvalid(
            "no column can be learned from: numbers, integers, booleans, categories, times and tensors can"
        )
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)
