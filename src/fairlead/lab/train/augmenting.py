"""Rows that never were, made of the rows a fit learns from: for rare classes, and against learning by heart.

Made inside every fit, after the preparation, of its own rows alone: no fold is judged on them, and none of its rows has
a part in them. Prepared columns that hold two values (one-hot, flags) are not mixed: they take one parent's value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import AugmentSettings
from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.changing_pictures import changed_pictures
from fairlead.lab.train.layout import Layout

FILE, KEY = "fairlead.toml", "train.augment"
OVERSAMPLING = ("smote", "borderline", "adasyn")
MOST_ROWS = 1_000_000
PLAIN = Layout()
Made = tuple[np.ndarray, np.ndarray, Floats | None]


def check_augment(rules: AugmentSettings | None, task: Task) -> None:
    """Raises ConfigInvalid where the task has nothing of the kind."""
    if rules is None:
        return
    if rules.by in OVERSAMPLING and task != "classification":
        raise ConfigInvalid(
            f"{rules.by} makes rows of rare classes; a {task} has none.",
            file=FILE, key=f"{KEY}.by", cure="Use mixup or noise." if task == "regression" else "Take it out.",
        )  # fmt: skip
    if task not in ("classification", "regression"):
        raise ConfigInvalid(f"a {task} is not augmented.", file=FILE, key=KEY, cure="Take it out.")


def check_seen(rules: AugmentSettings, layout: Layout) -> None:
    """Raises ConfigInvalid where the features hold nothing of what is to be changed."""
    if rules.by == "images" and not layout.pictures:
        cure = "An image is a tensor of (height, width), with 1 or 3 channels ahead or after."
        raise ConfigInvalid("no feature is an image.", file=FILE, key=f"{KEY}.by", cure=cure)
    if rules.by == "texts" and not layout.tokens:
        cure = 'Set [train] learners = ["text_net"], or [preparation] texts = {text = "words"}.'
        raise ConfigInvalid("no text is learned from as its words in order.", file=FILE, key=f"{KEY}.by", cure=cure)
    if rules.synonyms and not any(text.words for text in layout.tokens):
        cure = "Take synonyms out, or learn from the texts themselves."
        raise ConfigInvalid("the words behind numbers are not known.", file=FILE, key=f"{KEY}.synonyms", cure=cure)


def augmented(
    features: Any, truth: np.ndarray, weights: Floats | None, rules: AugmentSettings, task: Task, seed: int,
    layout: Layout = PLAIN,
) -> Made:  # fmt: skip
    """The rows with the new ones after them. features: (n, f); truth: (n,); weights: (n,) or None, as what comes back.

    smote: between a rare row and one of its nearest of the same class (Chawla et al. 2002); borderline: only from rare
    rows in doubt, most of whose neighbours are of other classes but not all (Han et al. 2005); adasyn: the more from a
    rare row, the more of its neighbours are of other classes (He et al. 2008). Every class gets as many rows as `ratio`
    times the most frequent has. mixup: between two rows of any kind, of a classification once with each label, weighing
    what each parent gave (Zhang et al. 2018); noise: copies moved by `scale` deviations; images: copies changed as
    `changing_pictures` says, of the pictures in `layout`. Deterministic for a seed.
    Raises ConfigInvalid where more than 1,000,000 rows would come of it, or where there is nothing of the kind.
    """
    table = np.asarray(features, dtype=np.float64)
    check_augment(rules, task)
    random = np.random.default_rng([seed, 41])
    if rules.by in OVERSAMPLING:
        return _oversampled(table, truth, weights, rules, random)
    check_seen(rules, layout)
    _bounded(len(table) * (1 + rules.copies))
    if rules.by == "texts":
        cure = 'Set [train] learners = ["text_net"], which learns from words in order.'
        raise ConfigInvalid("texts are changed for text_net alone.", file=FILE, key=f"{KEY}.by", cure=cure)
    if rules.by == "images":
        return _seen(table, truth, weights, rules, task, layout, seed)
    if rules.by == "mixup":
        return _mixed(table, truth, weights, rules, task, random)
    return _noisy(table, truth, weights, rules, random)


def _bounded(rows: int) -> None:
    if rows > MOST_ROWS:
        raise ConfigInvalid(
            f"{rows:,} rows would come of it, more than {MOST_ROWS:,}.", file=FILE, key=KEY, cure="Ask for fewer."
        )


def two_valued(table: np.ndarray) -> np.ndarray:
    """Columns that hold at most two values. Shape (f,), bool."""
    low, high = table.min(axis=0), table.max(axis=0)
    found: np.ndarray = ((table == low) | (table == high)).all(axis=0)
    return found


def _oversampled(
    table: np.ndarray, truth: np.ndarray, weights: Floats | None, rules: AugmentSettings, random: np.random.Generator
) -> Made:
    names, counts = np.unique(truth, return_counts=True)
    wanted = round(rules.ratio * counts.max())
    _bounded(len(table) + int(np.maximum(wanted - counts, 0).sum()))
    nominal, spread = two_valued(table), table.std(axis=0)
    near = table / np.where(spread > 0, spread, 1.0)
    made, labels, parents = [], [], []
    for name, count in zip(names, counts, strict=True):
        missing = wanted - int(count)
        if missing <= 0 or count < 2:
            continue
        rare = np.flatnonzero(truth == name)
        share = _shares(near, truth, rare, rules)
        first = rare[random.choice(len(rare), missing, p=share)]
        neighbours = _nearest(near[rare], near[first], min(rules.neighbours, len(rare) - 1) + 1)
        # The nearest of a row is the row itself, or one that equals it.
        second = rare[neighbours[np.arange(missing), random.integers(1, neighbours.shape[1], missing)]]
        made.append(_between(table, first, second, random.random(missing), nominal, random))
        labels.append(np.full(missing, name, dtype=truth.dtype))
        parents.append(first)
    if not made:
        return table, truth, weights
    grown = None if weights is None else np.concatenate([weights, weights[np.concatenate(parents)]])
    return np.concatenate([table, *made]), np.concatenate([truth, *labels]), grown


def _shares(near: np.ndarray, truth: np.ndarray, rare: np.ndarray, rules: AugmentSettings) -> Floats:
    """How likely each rare row is a parent. Shape (rare rows,), summing to 1."""
    even = np.full(len(rare), 1.0 / len(rare))
    if rules.by == "smote":
        return even
    found = _nearest(near, near[rare], min(rules.neighbours, len(near) - 1) + 1)[:, 1:]
    others = (truth[found] != truth[rare][:, None]).mean(axis=1)
    chosen = others if rules.by == "adasyn" else ((others >= 0.5) & (others < 1.0)).astype(np.float64)
    total = float(chosen.sum())
    return chosen / total if total > 0 else even


def _nearest(among: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """Positions of the nearest `count` rows of `among`, nearest first. Shape (len(of), count)."""
    from sklearn.neighbors import NearestNeighbors

    found: np.ndarray = NearestNeighbors(n_neighbors=count).fit(among).kneighbors(of, return_distance=False)
    return found


def _between(
    table: np.ndarray, first: np.ndarray, second: np.ndarray, share: Floats, nominal: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Points on the way from one row to another; two-valued columns from either, the nearer the likelier."""
    mixed = table[first] + share[:, None] * (table[second] - table[first])
    either = np.where((random.random(len(first)) < share)[:, None], table[second], table[first])
    found: np.ndarray = np.where(nominal[None, :], either, mixed)
    return found


def _mixed(
    table: np.ndarray, truth: np.ndarray, weights: Floats | None, rules: AugmentSettings, task: Task,
    random: np.random.Generator,
) -> Made:  # fmt: skip
    new = len(table) * rules.copies
    first = np.tile(np.arange(len(table)), rules.copies)
    second = random.integers(0, len(table), new)
    share = random.beta(rules.alpha, rules.alpha, new)
    rows = _between(table, first, second, share, two_valued(table), random)
    if task != "classification":
        mixed = truth[first] + share * (truth[second] - truth[first])
        grown = None if weights is None else np.concatenate([weights, weights[first]])
        return np.concatenate([table, rows]), np.concatenate([truth, mixed]), grown
    own = np.ones(len(table)) if weights is None else weights
    return (
        np.concatenate([table, rows, rows]),
        np.concatenate([truth, truth[first], truth[second]]),
        np.concatenate([own, own[first] * (1.0 - share), own[second] * share]),
    )


def _seen(
    table: np.ndarray, truth: np.ndarray, weights: Floats | None, rules: AugmentSettings, task: Task, layout: Layout,
    seed: int,
) -> Made:  # fmt: skip
    new = np.tile(np.arange(len(table)), rules.copies)
    made = changed_pictures(table[new], layout.pictures, rules, [seed, 0])
    if made.second is None or made.share is None:
        grown = None if weights is None else np.concatenate([weights, weights[new]])
        return np.concatenate([table, made.x]), np.concatenate([truth, truth[new]]), grown
    second, share = new[made.second], made.share
    if task != "classification":
        mixed = share * truth[new] + (1.0 - share) * truth[second]
        grown = None if weights is None else np.concatenate([weights, weights[new]])
        return np.concatenate([table, made.x]), np.concatenate([truth, mixed]), grown
    own = np.ones(len(table)) if weights is None else weights
    return (
        np.concatenate([table, made.x, made.x]),
        np.concatenate([truth, truth[new], truth[second]]),
        np.concatenate([own, own[new] * share, own[second] * (1.0 - share)]),
    )


def _noisy(
    table: np.ndarray, truth: np.ndarray, weights: Floats | None, rules: AugmentSettings, random: np.random.Generator
) -> Made:
    spread = np.where(two_valued(table), 0.0, table.std(axis=0))
    copies = np.tile(table, (rules.copies, 1))
    copies = copies + random.normal(size=copies.shape) * spread * rules.scale
    grown = None if weights is None else np.concatenate([weights, np.tile(weights, rules.copies)])
    return np.concatenate([table, copies]), np.concatenate([truth, np.tile(truth, rules.copies)]), grown
