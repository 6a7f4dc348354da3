"""Definitions of the target as labels tell them: pure, the same live and in a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import HeldOut
from fairlead.ops.monitor.promise import THRESHOLD, Promise, start


class Other(NamedTuple):
    """Labels of another definition: how many, and the event time of the first and of the last row they are for."""

    definition: str
    labels: int
    first: float
    last: float


def of_definition(definitions: np.ndarray, wanted: str) -> np.ndarray:
    """Which labels may be used for a model of the definition `wanted`: (n,) bool.

    definitions: (n,) as labels told them; one that told none (None) is of the model's own.
    """
    return np.array([d is None or d == wanted for d in definitions], dtype=bool)


def others_told(definitions: np.ndarray, times: np.ndarray, wanted: str) -> list[Other]:
    """Labels of other definitions than `wanted`, the most frequent first. definitions: (n,) of rows, None where a row
    has no label; times: (n,) event times.
    """
    told = [(str(d), float(t)) for d, t in zip(definitions, times, strict=True) if d is not None and d != wanted]
    found: dict[str, list[float]] = {}
    for definition, at in told:
        found.setdefault(definition, []).append(at)
    every = [Other(name, len(ats), min(ats), max(ats)) for name, ats in found.items()]
    return sorted(every, key=lambda other: (-other.labels, other.definition))


def after_switch(
    promise: Promise | None,
    before: str,
    after: str,
    held_out: Sequence[HeldOut] | Sequence[float],
    run_length: float = THRESHOLD,
    clip: float = 1.0,
) -> tuple[Promise, Promise | None]:
    """The promise that holds from the release of a model of another definition on, and the one to keep as history.

    Of the same definition the promise stays as it is (the caller resets its evidence), and there is none to keep.
    held_out, clip: of the model that is released; run_length: as for `promise.start`.
    """
    if before == after and promise is not None:
        return promise, None
    return start(held_out, run_length, clip), promise
