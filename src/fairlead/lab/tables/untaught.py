"""The truth of tasks that need none: what a target column says where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Signature

_STRANGE = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}


def truth_if_any(values: list[Any] | None, rows: int, signature: Signature) -> np.ndarray:
    """What is known of each row, shape (rows,).

    values: cells of the target column, None without one. Anomaly: float64, 1 for an anomaly (the value that
    `signature.positive` names; without it true or 1), 0 for none, NaN unknown. Clustering: object array of the group's
    name as text, None unknown. Raises ConfigInvalid for a target of an anomaly detection that is not yes or no.
    """
    if signature.task == "clustering":
        groups = np.empty(rows, dtype=object)
        if values is not None:
            groups[:] = [_text(value) or None for value in values]
        return groups
    if values is None:
        return np.full(rows, np.nan)
    texts = [_text(value) for value in values]
    if signature.positive is not None:
        wanted = signature.positive.strip()
        if wanted not in texts and any(texts):
            wanted = wanted.lower()
            texts = [text.lower() for text in texts]
        return np.array([np.nan if not text else float(text == wanted) for text in texts])
    odd = sorted({text for text in texts if text and text.lower() not in _STRANGE})
    if odd:
        raise ConfigInvalid(
            f"column {signature.target!r} holds {odd[0][:80]!r}, which is neither true nor false.",
            file="fairlead.toml", key="model.positive", cure="Name the value that an anomaly has.",
        )  # fmt: skip
    return np.array([_STRANGE[text.lower()] if text else np.nan for text in texts])


def _text(value: Any) -> str:
    """A cell as the label it stands for; empty for a missing one."""
    from fairlead.lab.stats import label_text

    if value is None or (isinstance(value, float) and value != value):
        return ""
    return label_text(value).strip()
