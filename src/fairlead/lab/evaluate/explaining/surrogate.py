"""A small tree that imitates a model, and how well it does: rules for people, with the share of the truth they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.explaining.answers import answers, followed
from fairlead.lab.evaluate.explaining.evidence import Leaf, Surrogate
from fairlead.lab.evaluate.explaining.small_tree import LEAF, SmallTree, grow
from fairlead.lab.stats.intervals import bootstrap, percentile, resamples

if TYPE_CHECKING:
    from fairlead.contract.signature import Column
    from fairlead.runtime.bundle import Model

DEPTH, FEWEST, MOST_ROWS, CATEGORIES, DRAWS = 3, 40, 10_000, 15, 400


def surrogate(model: Model, rows: Mapping[str, Any], seed: int = 0, depth: int = DEPTH) -> Surrogate | None:
    """A tree of at most `depth` on two thirds of at most 10,000 rows, judged on the others; None for under 40 rows or
    where no column can be read. rows: the columns form. It imitates the answer, not the truth.

    Source: Craven and Shavlik, Extracting tree-structured representations of trained networks (1996).
    """
    total = len(next(iter(rows.values())))
    if total < FEWEST:
        return None
    random = np.random.default_rng([seed, 13])
    order = random.permutation(total)[:MOST_ROWS]
    kept = {name: np.asarray(values)[order] for name, values in rows.items()}
    features, names = _features(model.signature.columns, kept)
    if not names:
        return None
    outputs, places = followed(model)
    wanted = answers(model, kept, places)[:, 0]
    cut = len(order) * 2 // 3
    tree = grow(features[:cut], wanted[:cut], depth, max(5, cut // 100))
    return _judged(model, tree, names, features, wanted, kept, cut, outputs[0], seed)


def _judged(
    model: Model,
    tree: SmallTree,
    names: list[tuple[str, str]],
    features: np.ndarray,
    wanted: np.ndarray,
    kept: Mapping[str, Any],
    cut: int,
    output: str,
    seed: int,
) -> Surrogate:
    told, truth = tree.predict(features[cut:]), wanted[cut:]
    signature = model.signature
    agreement = None
    if signature.task == "classification" and len(signature.classes) == 2:
        threshold = signature.threshold if signature.positive is not None else 0.5
        agreement = bootstrap(((told > threshold) == (truth > threshold)).astype(float), seed=seed)
    leaves = _leaves(tree, names, np.isnan(features).any(axis=0), tree.apply(features), wanted)
    return Surrogate(
        output=output,
        depth=tree.depth,
        fidelity=_fidelity(told, truth, seed),
        agreement=agreement,
        fitted=cut,
        judged=len(truth),
        leaves=leaves,
    )


def _fidelity(told: np.ndarray, truth: np.ndarray, seed: int) -> Interval:
    """R2 with its interval over rows."""
    draws = np.concatenate(list(resamples(len(truth), DRAWS, seed)))
    weights = np.vstack([np.ones(len(truth)), draws])
    missed = weights @ (truth - told) ** 2
    mean = (weights @ truth) / weights.sum(axis=1)
    spread = weights @ truth**2 - weights.sum(axis=1) * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(spread > 0, 1.0 - missed / spread, 1.0)
    return percentile(float(found[0]), found[1:])


def _features(columns: tuple[Column, ...], rows: Mapping[str, Any]) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """(features with NaN for missing numbers, (column, category or "") of each)."""
    parts, names = [], []
    for column in columns:
        values = rows[column.name]
        if column.kind == "tensor":
            continue
        if column.numeric:
            parts.append(np.asarray(values, dtype=np.float64))
            names.append((column.name, ""))
            continue
        texts = np.array(["" if value is None or value != value else str(value) for value in values], dtype=str)
        distinct, counts = np.unique(texts, return_counts=True)
        order = sorted(range(len(distinct)), key=lambda at: (-counts[at], distinct[at]))[:CATEGORIES]
        for at in order if len(distinct) > 2 else order[:1]:
            parts.append((texts == distinct[at]).astype(np.float64))
            names.append((column.name, str(distinct[at]) or "missing"))
    return np.column_stack(parts) if parts else np.empty((0, 0)), names


def _leaves(
    tree: SmallTree, names: list[tuple[str, str]], gaps: np.ndarray, at: np.ndarray, wanted: np.ndarray
) -> tuple[Leaf, ...]:
    found: list[Leaf] = []

    def visit(node: int, rule: tuple[str, ...]) -> None:
        if tree.feature[node] == LEAF:
            inside = at == node
            found.append(
                Leaf(_shortened(rule), float(wanted[inside].mean()) if inside.any() else 0.0, int(inside.sum()))
            )
            return
        column, category = names[tree.feature[node]]
        threshold = tree.threshold[node]
        if category:
            left, right = f"{column} is not {category}", f"{column} is {category}"
        else:
            gap, gaps_left = " or missing" if gaps[tree.feature[node]] else "", tree.missing_left[node]
            left = f"{column} <= {threshold:.4g}{gap if gaps_left else ''}"
            right = f"{column} > {threshold:.4g}{'' if gaps_left else gap}"
        visit(tree.left[node], (*rule, left))
        visit(tree.right[node], (*rule, right))

    visit(0, ())
    return tuple(sorted(found, key=lambda leaf: -leaf.answer))


def _shortened(rule: tuple[str, ...]) -> tuple[str, ...]:
    """Without what a later, narrower bound of the same column and side says again."""
    last = {part.partition(sign)[0] + sign: part for part in rule for sign in (" <= ", " > ") if sign in part}
    return tuple(part for part in rule if part in last.values() or not any(sign in part for sign in (" <= ", " > ")))
