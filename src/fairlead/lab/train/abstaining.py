"""Abstention: below which confidence an answer is left to a person, so that the others keep a promise."""

from __future__ import annotations

import numpy as np

from fairlead.contract.decisions import AbstentionFound
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, Ints, decisions
from fairlead.lab.train.assured import DELTA, assured_count, lowest_share, share_bounds

SHOWN = 101


def confidences(scores: Floats, signature: Signature) -> Floats:
    """The probability of the label that is decided. Shape (n,)."""
    found: Floats = scores[np.arange(len(scores)), decisions(scores, signature)]
    return found


def settle(rule: str, wanted: float, scores: Floats, codes: Ints, signature: Signature) -> AbstentionFound:
    """The confidence to seal. rule: accuracy, coverage or confidence; scores, codes: out of fold, (n, k) and (n,).

    accuracy: the lowest confidence from which a share `wanted` of the answers surely is right: with probability
    1 - DELTA over rows drawn as these are, see `assured.assured_count`. coverage: the highest that leaves a share
    `wanted` of these rows answered. confidence: as stated.
    """
    confidence = confidences(scores, signature)
    order = np.argsort(-confidence, kind="stable")
    falling, right = confidence[order], (decisions(scores, signature) == codes)[order]
    n, kept = len(falling), True
    if rule == "confidence":
        sealed, count = wanted, int((falling >= wanted).sum())
    else:
        count = assured_count(falling, right, wanted) if rule == "accuracy" else _covering(falling, wanted)
        kept = count > 0
        sealed = _edge(falling, count)
    hits = int(right[:count].sum())
    low = lowest_share(hits, count, DELTA) if count else 0.0
    accuracy = hits / count if count else 0.0
    high = share_bounds(hits, count)[1] if count else 1.0
    return AbstentionFound(
        rule=rule,
        wanted=wanted,
        confidence=sealed,
        coverage=count / max(n, 1),
        accuracy=Interval(accuracy, min(low, accuracy), max(high, accuracy)),
        kept=kept,
        why=_why(rule, wanted, sealed, count, n, accuracy, low),
        points=points_of(falling, right),
        rows=n,
    )


def _why(rule: str, wanted: float, sealed: float, count: int, n: int, accuracy: float, low: float) -> str:
    if not count:
        asked = f"an accuracy of {wanted:g}" if rule == "accuracy" else f"{rule} {wanted:g}"
        return f"Every row is left to people: on these {n:,} rows no confidence surely gives {asked}."
    share = f"{count / n:.1%} of rows are answered, {accuracy:.1%} of them rightly (surely {low:.1%})"
    return f"Answers below a confidence of {sealed:.4g} are left to people: {share}."


def _covering(falling: Floats, wanted: float) -> int:
    """The least number of rows, at least a share `wanted`, that ends between two confidences."""
    n = len(falling)
    if not n or not wanted:
        return 0
    last = falling[min(max(int(np.ceil(wanted * n - 1e-9)), 1), n) - 1]
    return int((falling >= last).sum())


def _edge(falling: Floats, count: int) -> float:
    """A short confidence that the first `count` rows reach and the next does not."""
    if not count:
        return 1.0
    high, low = float(falling[count - 1]), float(falling[count]) if count < len(falling) else 0.0
    if count == len(falling):
        return 0.0
    for digits in range(2, 17):
        short = float(f"{(low + high) / 2:.{digits}g}")
        if low < short <= high:
            return short
    return high


def points_of(falling: Floats, right: np.ndarray) -> tuple[dict[str, float], ...]:
    """The accuracy-coverage curve: at most SHOWN lines, from the most confident rows to all."""
    n = len(falling)
    if not n:
        return ()
    ends = np.append(np.flatnonzero(np.diff(falling) < 0.0) + 1, n)
    chosen = ends[np.unique(np.linspace(0, len(ends) - 1, SHOWN).round().astype(int))]
    hits = np.cumsum(right)
    return tuple(
        {
            "confidence": round(float(falling[end - 1]), 6),
            "coverage": round(end / n, 6),
            "accuracy": round(float(hits[end - 1]) / end, 6),
            "low": round(lowest_share(int(hits[end - 1]), int(end)), 6),
        }
        for end in chosen.tolist()
    )
