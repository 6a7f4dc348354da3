"""Groups of a ranking in training: which rows belong together, and splits that never part them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.ranking import gains_of, group_codes, whole_codes

if TYPE_CHECKING:
    import pandas as pd

FILE = "fairlead.toml"
STRATA = 10
FEWEST_IN_STRATUM = 5


def clusters_of(source: pd.DataFrame, signature: Signature, truth: np.ndarray) -> Ints | None:
    """The group of each row, (n,), numbered by first appearance, a row without one being its own; None without groups.

    Raises ConfigInvalid where these rows are no ranking, InputInvalid for gains below 0.
    """
    if signature.group is None or signature.group not in source.columns:
        return None
    if signature.task == "classification" and len(signature.classes) != 2:
        raise ConfigInvalid(
            f"a ranking needs two classes, what is wanted and what is not; {signature.target!r} has "
            f"{len(signature.classes)}.",
            file=FILE, key="model.group", cure="Make the target a number, or take group out.",
        )  # fmt: skip
    if signature.task == "regression" and len(truth) and float(truth.min()) < 0:
        raise InputInvalid(
            f"a ranking by {signature.target!r} needs gains of 0 or more; the smallest is {float(truth.min()):g}"
        )
    return whole_codes(group_codes(source[signature.group]))


def gain_by_group(clusters: Ints, truth: np.ndarray, signature: Signature) -> Floats:
    """The mean gain of each group. Shape (groups,)."""
    rows = np.bincount(clusters)
    found: Floats = np.bincount(clusters, weights=gains_of(truth, signature)) / np.maximum(rows, 1)
    return found


def _members(gain: Floats) -> list[Ints]:
    """Groups in parts of about equal mean gain, so that splits have the same share of each."""
    parts = min(STRATA, max(len(gain) // FEWEST_IN_STRATUM, 1))
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(np.argsort(gain, kind="stable"), parts)]


def kept_groups(clusters: Ints, gain: Floats, share: float, random: np.random.Generator) -> np.ndarray:
    """Which rows are kept for judging, (n,) of bool: whole groups, `share` of them.

    Raises InputInvalid where there is one group alone.
    """
    count = len(gain)
    if count < 2:
        raise InputInvalid("all rows are of one group: there is no other group to judge on")
    kept = np.zeros(count, dtype=bool)
    wanted = 0.0
    for members in _members(gain):
        wanted += share * len(members)
        # What is rounded off in one part is made up for in the next.
        take = round(wanted - kept.sum())
        kept[random.permutation(members)[: max(take, 0)]] = True
    if not kept.any() or kept.all():
        kept[:] = False
        kept[random.integers(count)] = True
    return np.asarray(kept[clusters])


def dealt_groups(clusters: Ints, gain: Floats, count: int, random: np.random.Generator) -> Ints:
    """The fold of each row, whole groups in one. Shape (n,). Raises InputInvalid for fewer groups than folds."""
    if len(gain) < count:
        raise InputInvalid(f"{len(gain)} groups are too few for {count} folds: each needs one of its own")
    fold = np.empty(len(gain), dtype=np.int64)
    first = 0
    for members in _members(gain):
        fold[random.permutation(members)] = (np.arange(len(members)) + first) % count
        first += len(members)
    return np.asarray(fold[clusters])


def straddling(clusters: Ints, learned: Ints, judged: Ints) -> tuple[int, int]:
    """How many groups of the judged rows have learned rows as well, and how many are judged. By time they may."""
    of_judged = np.unique(clusters[judged])
    return int(np.isin(of_judged, clusters[learned]).sum()), len(of_judged)
