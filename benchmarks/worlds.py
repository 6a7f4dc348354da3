"""Worlds of which the truth is known: rows, a model's answers to them, and the reference it would be sealed with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import HeldOut, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, losses, metrics, profile, score_bins
from fairlead.lab.stats.estimating import learn_estimation
from fairlead.lab.stats.loss import loss_clip

COLUMNS = (Column("a", "number"), Column("b", "number"), Column("c", "category", categories=("u", "v", "w")))
CLASSES = Signature("classification", COLUMNS, target="y", classes=("no", "yes"), positive="yes")
NUMBERS = Signature("regression", COLUMNS, target="y")


class World(NamedTuple):
    """Rows with their truth and a model's answers, which know neither `b` nor what depends on it."""

    columns: dict[str, np.ndarray]
    truth: np.ndarray
    scores: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.truth)

    def take(self, chosen: np.ndarray) -> World:
        return World({n: v[chosen] for n, v in self.columns.items()}, self.truth[chosen], self.scores[chosen])


def drawn(
    signature: Signature, rng: np.random.Generator, rows: int, *, shift: float = 0.0, concept: float = 0.0
) -> World:
    """shift: of column a, in its deviations. concept: error points (share of labels turned round; of numbers, the mean
    absolute error that is added, in tenths of the usual)."""
    a, b = rng.normal(shift, 1.0, rows), rng.normal(0.0, 1.0, rows)
    c = rng.choice(["u", "v", "w"], rows, p=[0.5, 0.3, 0.2]).astype(object)
    effect = np.where(c == "w", -1.0, 0.3)
    columns = {"a": a, "b": b, "c": c}
    if signature.task == "regression":
        truth = 2.0 * a + rng.normal(0.0, 1.0, rows) * (0.5 + np.abs(a)) * (1.0 + concept)
        return World(columns, truth, (2.0 * a)[:, None])
    p = 1.0 / (1.0 + np.exp(-(1.2 * a + 0.6 * a * b + effect)))
    said = 1.0 / (1.0 + np.exp(-(1.1 * a + 0.9 * effect)))
    scores = np.column_stack([1.0 - said, said])
    event = rng.random(rows) < p
    if concept:
        # So many more are decided wrongly: of those decided rightly, some turn round.
        right = event == (said > 0.5)
        event = np.where(right & (rng.random(rows) < concept / right.mean()), ~event, event)
    return World(columns, np.where(event, "yes", "no").astype(object), scores)


def reference_of(
    signature: Signature, world: World, windows: int, *, starts: np.ndarray | None = None, lasts: float = 1.0
) -> Reference:
    """As training seals it: consecutive windows of equal rows, the newest `windows` of them held out.

    starts: of every window, event times; those before the held-out ones were answered out of sample, too.
    """
    starts = np.arange(windows, dtype=np.float64) if starts is None else starts
    before, size = len(starts) - windows, world.rows // len(starts)
    clip = 1.0
    if signature.task == "regression":
        clip = loss_clip(np.abs(world.truth.astype(float) - world.scores[:, 0]))
    bins, scored = bins_for(world.columns, signature), score_bins(signature, world.scores)
    every = [(float(at), float(at) + lasts, np.arange(i * size, (i + 1) * size)) for i, at in enumerate(starts)]
    held, parts = [], [part for _, _, part in every[before:]]
    for begin, end, part in every[before:]:
        one = world.take(part)
        loss = float(losses(signature.task, one.truth, one.scores, signature, clip).mean())
        told = metrics(signature.task, one.truth, one.scores, signature)
        held.append(HeldOut(begin, end, size, loss, told))
    return Reference(
        profile(world.columns, bins, scores=world.scores, score_bins=scored),
        held_out=tuple(held),
        loss_clip=clip,
        estimation=learn_estimation(
            signature, world.columns, world.truth, world.scores, (bins, scored), parts, clip, every[:before]
        ),
    )


def realised(signature: Signature, world: World, clip: float) -> dict[str, float]:
    """Every metric of these rows, and their mean loss."""
    found = metrics(signature.task, world.truth, world.scores, signature)
    return {**found, "loss": float(losses(signature.task, world.truth, world.scores, signature, clip).mean())}
