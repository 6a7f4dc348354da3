"""How often a model decides what, from histograms of its scores: they add up, decisions of rows past are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats

ABSTAINED = "(left to a person)"


def share_above(counts: Floats, edges: Sequence[float], threshold: float) -> Floats:
    """Share of rows above a threshold, (n,). counts: (n, bins) over `edges`; within the bin that holds it, and that
    lies between 0 and 1, rows are taken as spread evenly.

    >>> share_above(np.array([[10.0, 10.0]]), [0.5], 0.75).tolist()
    [0.25]
    """
    ends = np.concatenate(
        [[min(0.0, edges[0] if len(edges) else 0.0)], edges, [max(1.0, edges[-1] if len(edges) else 1)]]
    )
    at = int(np.clip(np.searchsorted(ends, threshold, side="right") - 1, 0, counts.shape[1] - 1))
    width = ends[at + 1] - ends[at]
    part = float(np.clip((ends[at + 1] - threshold) / width, 0.0, 1.0)) if width > 0 else 0.0
    over = counts[:, at + 1 :].sum(axis=1) + part * counts[:, at]
    return np.asarray(over / np.maximum(counts.sum(axis=1), 1.0), dtype=np.float64)


def decision_names(signature: Signature) -> tuple[str, ...]:
    """The decisions that `decision_rates` tells of, empty where histograms of scores do not say what was decided.

    They do of two classes and of anomalies, which are decided by one score; of more classes the largest of several.
    """
    if signature.task == "anomaly":
        return ("true",)
    if signature.task != "classification" or len(signature.classes) != 2:
        return ()
    return (positive_of(signature), *((ABSTAINED,) if signature.confidence > 0.5 else ()))


def positive_of(signature: Signature) -> str:
    """The class that is decided where its score is above the threshold."""
    return signature.positive if signature.positive is not None else signature.classes[-1]


def decision_score(signature: Signature) -> str:
    """The output that decides: of two classes the positive one, of an anomaly its score."""
    return "score" if signature.task == "anomaly" else positive_of(signature) if signature.classes else ""


def decision_rates(columns: Sequence[ColumnProfile], signature: Signature) -> Floats:
    """Share of each of `decision_names` in each profile, (profiles, decisions).

    columns: histograms of the deciding score, one a profile.
    """
    return rates_of(np.asarray([c.counts for c in columns], dtype=np.float64), columns[0].bins.edges, signature)


def rates_of(counts: Floats, edges: Sequence[float], signature: Signature) -> Floats:
    """As `decision_rates`, of counts (n, bins) over `edges`."""
    threshold, confidence = signature.threshold, signature.confidence
    found = [share_above(counts, edges, threshold)]
    if len(decision_names(signature)) > 1:
        # Left to a person: the decided class is less likely than the confidence asks, on either side.
        upper, lower = max(confidence, threshold), min(1.0 - confidence, threshold)
        found.append(share_above(counts, edges, lower) - share_above(counts, edges, upper))
    return np.column_stack(found)
