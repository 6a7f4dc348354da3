"""Exact interventional Shapley values of sums of trees, by the compiled kernel `_shap` or by numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.runtime.bundle.tree_file import TreeFile
from fairlead.runtime.explain.attributed import Attributed, Floats
from fairlead.runtime.explain.subject import Subject, Terms
from fairlead.runtime.explain.tree_walks import attributions_of, compared

try:
    from fairlead.runtime.explain import _shap
except ImportError:  # no compiler when the package was built
    _shap = None  # type: ignore[assignment]

VISITS = 20_000_000
"""Nodes that one call of the kernel may meet at most, between two looks at the clock."""

ROWS = 256


class TreeExplainer:
    """Source: Lundberg et al., From local explanations to global understanding with explainable AI for trees (2020),
    there as independent tree SHAP; here a player is a source column with all of its features.
    """

    name = "trees"
    exact = True

    def accepts(self, subject: Subject, terms: Terms) -> str | None:
        """None if it can explain this, else why not."""
        return None if subject.margin.trees is not None else "the model is no sum of trees"

    def attribute(self, subject: Subject, features: Floats, terms: Terms) -> Attributed:
        """See `Explainer` in contract/ports."""
        trees = subject.margin.trees
        assert trees is not None
        kernel = kernel_of(subject, trees)
        x = compared(trees, features)
        if kernel is None:
            found = attributions_of(trees, x, compared(trees, subject.background), subject.owners,
                                    len(subject.players), terms.check)  # fmt: skip
        else:
            found = np.zeros((len(x), len(subject.players), trees.targets))
            for start in range(0, len(x), ROWS):
                _run(kernel, trees, x[start : start + ROWS], found[start : start + ROWS], terms)
        found *= subject.margin.sign * trees.slope / trees.count
        return Attributed(found, "exact walk of every tree with every background row")


def _run(kernel: Any, trees: TreeFile, x: Floats, out: Floats, terms: Terms) -> None:
    count = len(trees.roots)
    each = max(1, len(trees.split) // count)
    step = max(1, VISITS // (each * len(x)))
    for first in range(0, count, step):
        terms.check()
        _shap.explain(kernel, len(x), first, min(first + step, count), x, out)


def kernel_of(subject: Subject, trees: TreeFile) -> Any | None:
    """The kernel with these trees, None where there is none or it does not take them (paths of over 2,000 nodes)."""
    if _shap is None:
        return None
    held = subject.placed.get("trees")
    if held is not None:
        return held
    nodes = np.empty((len(trees.split), 5), dtype="<i4")
    for at, column in enumerate(
        (trees.trues, trees.falses, trees.feature, subject.owners[trees.feature], trees.missing)
    ):
        nodes[:, at] = column
    background = np.ascontiguousarray(compared(trees, subject.background))
    try:
        made = _shap.build(
            background.shape[1], len(subject.players), trees.targets, len(nodes), len(trees.roots),
            len(trees.weight), len(background), trees.split.astype("<f8").tobytes(), nodes.tobytes(),
            trees.roots.astype("<i4").tobytes(), trees.target.astype("<i4").tobytes(),
            trees.weight.astype("<f8").tobytes(), background,
        )  # fmt: skip
    except (ValueError, OverflowError):
        return None
    subject.placed["trees"] = made
    return made
