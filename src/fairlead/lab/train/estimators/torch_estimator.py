"""What estimators that torch fits have in common: rows held back to stop by, passes kept, answers from raw sums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.base import BaseEstimator

from fairlead.contract.settings import AugmentSettings
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.augmenting import augmented, check_seen
from fairlead.lab.train.changing_pictures import Changed, changed_pictures
from fairlead.lab.train.changing_texts import Groups, changed_texts
from fairlead.lab.train.estimators.torch_fitting import Build, Change, Fitting, Network, Recipe, Rows
from fairlead.lab.train.layout import Layout
from fairlead.lab.train.transferring import Transferred, invalid

HELD_BACK = 0.1
FEWEST_HELD = 10
"""Rows below which none are held back, and the fit goes through all its passes."""


State = Mapping[str, Floats]


class Aims(NamedTuple):
    """What is learned. numbers: (n,) codes or deviations; outputs: sums of the head; kind: two, classes or number;
    strata: (n,) groups that rows held back are drawn from.
    """

    numbers: Floats
    outputs: int
    kind: str
    strata: Ints


class TorchEstimator(BaseEstimator):  # type: ignore[misc]
    """Every net has epochs, batch, learning_rate, decay, dropout, patience, ordered, device and random_state.

    Set `keep` to a folder and every pass is kept there until the fit is done; a fit of the same rows with the same
    parameters goes on from it and ends as if it had never been interrupted. Set `watch` to be told of every pass:
    watch(text, share). Set `augment`, with the `layout` of the features and `synonyms` of words, and rows are made or
    changed as it says, of those that are learned from alone and never of those that are held back.
    """

    keep: Path | None = None
    watch: Callable[[str, float], Any] | None = None
    layout: Layout = Layout()
    augment: AugmentSettings | None = None
    synonyms: Groups = ()
    begin: Transferred | None = None

    def _fitted(
        self, x: Floats, aims: Aims, weights: Any, plan: Any, build: Build, state: State | None = None
    ) -> Network:
        """The net that `build` makes, after its passes. state: what of it begins with these numbers."""
        given = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        held = held_back(aims.strata, self.patience, self.ordered, self.random_state)
        recipe = Recipe(
            plan=plan,
            kind=aims.kind,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.learning_rate,
            decay=self.decay,
            dropout=self.dropout,
            patience=self.patience if held.any() else 0,
            seed=self.random_state,
            device=self.device,
            change=None if self.augment is None else [msgspec.to_builtins(self.augment), self.synonyms],
            begun="" if self.begin is None else self.begin.digest(),
        )
        learned, change = self._augmented(Rows(x[~held], aims.numbers[~held], given[~held]), aims.kind)
        judged = Rows(x[held], aims.numbers[held], given[held]) if held.any() else None
        checkpoint = None
        if self.keep is not None:
            checkpoint = Path(self.keep) / f"{fingerprint(x, aims.numbers, given, recipe)}.npz"
        made = build if not state else partial(loaded, build=build, state=state)
        found = self._run(recipe, learned, judged, checkpoint, made, change)
        self.epochs_, self.best_epoch_, self.device_ = found.epochs, found.best, found.device
        self.n_features_in_, self.n_outputs_ = x.shape[1], aims.outputs
        return found

    def _run(
        self, recipe: Recipe, learned: Rows, judged: Rows | None, checkpoint: Path | None, build: Build,
        change: Change | None,
    ) -> Network:  # fmt: skip
        """All passes, here; a network that is divided makes them elsewhere."""
        return Fitting(recipe, learned, judged, checkpoint, self.watch, build, change).run()

    def _head(self, weights: Floats, bias: Floats, mean: float = 0.0, spread: float = 1.0) -> State:
        """The head to begin with, by its names in torch. weights, bias: as sealed; mean, spread: of numbers that are
        learned as deviations.
        """
        classes = [str(label) for label in getattr(self, "classes_", ())]
        assert self.begin is not None
        kept = self.begin.head(weights, (bias - mean) / spread if not classes else bias, classes)
        if kept is None:
            return {}
        return {"head.weight": kept[0] if classes else kept[0] / spread, "head.bias": kept[1]}

    def _augmented(self, learned: Rows, kind: str) -> tuple[Rows, Change | None]:
        """Rows with those that are made of them, or what changes them in every pass."""
        rules, layout, synonyms, seed = self.augment, self.layout, self.synonyms, self.random_state
        if rules is None:
            return learned, None
        check_seen(rules, layout)
        if rules.by == "images":
            return learned, lambda x, number: changed_pictures(x, layout.pictures, rules, [seed, number])
        if rules.by == "texts":
            return learned, lambda x, number: Changed(changed_texts(x, layout.tokens, rules, synonyms, [seed, number]))
        task: Task = "regression" if kind == "number" else "classification"
        made = augmented(learned.x, learned.aims, learned.weights, rules, task, seed)
        return Rows(made[0], made[1], np.asarray(made[2])), None


def loaded(torch: Any, build: Build, state: State) -> Any:
    """The net of `build` with these numbers in it. Raises ConfigInvalid where they do not fit."""
    net = build(torch)
    held = net.state_dict()
    for name, numbers in state.items():
        if tuple(held[name].shape) != numbers.shape:
            raise invalid(
                f"the network to begin with is of another size: {name} is {list(numbers.shape)}, and here it is "
                f"{list(held[name].shape)}.",
                "Features must be prepared as they were then; else learn anew.",
            )  # fmt: skip
        held[name].copy_(torch.as_tensor(numbers))
    return net


def class_aims(codes: Ints, classes: int) -> Aims:
    """Of labels as positions among so many classes."""
    two = classes == 2
    return Aims(codes.astype(np.float64), 1 if two else classes, "two" if two else "classes", codes)


def number_aims(truth: Any, weights: Any) -> tuple[Aims, float, float]:
    """Of numbers as deviations from their mean; with the mean and the spread that undo that."""
    y = np.asarray(truth, dtype=np.float64)
    own = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    mean = float(np.average(y, weights=own))
    spread = float(np.sqrt(np.average((y - mean) ** 2, weights=own))) or 1.0
    ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable") * 10 // max(len(y), 1)
    return Aims((y - mean) / spread, 1, "number", ranks), mean, spread


def shares_of(raw: Floats) -> Floats:
    """Probabilities, (n, classes), of raw sums: one a row of two classes, else one a class."""
    if raw.shape[1] == 1:
        tilt = np.exp(-np.abs(raw))
        second = np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
        return np.concatenate((1.0 - second, second), axis=1)
    shares = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def held_back(strata: Ints, patience: int, ordered: bool, seed: int) -> np.ndarray:
    """Which rows stopping is judged by: the newest, or of each class (or tenth of the numbers) the same share."""
    held = np.zeros(len(strata), dtype=bool)
    wanted = int(len(strata) * HELD_BACK)
    if not patience or wanted < FEWEST_HELD:
        return held
    if ordered:
        held[-wanted:] = True
    else:
        random = np.random.default_rng([seed, 8])
        for group in np.unique(strata):
            members = random.permutation(np.flatnonzero(strata == group))
            held[members[: round(len(members) * HELD_BACK)]] = True
    # Every class must be learned from.
    return held if len(np.unique(strata[~held])) == len(np.unique(strata)) or ordered else np.zeros_like(held)


def fingerprint(x: Floats, aims: Floats, weights: Floats, recipe: Recipe) -> str:
    """Of a fit: the same rows with the same parameters have the same one."""
    digest = hashlib.sha256(msgspec.json.encode(recipe))
    for array in (x, aims, weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
