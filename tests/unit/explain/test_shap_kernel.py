"""The kernel of trees: any trees against all coalitions, and nodes that are no trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tree_file import TreeFile
from fairlead.runtime.explain.explainers import trees as explainer
from fairlead.runtime.explain.explainers.enumeration import EnumerationExplainer
from fairlead.runtime.explain.explainers.trees import TreeExplainer
from fairlead.runtime.explain.margins import Margin
from fairlead.runtime.explain.subject import Subject, Terms
from fairlead.runtime.explain.tree_walks import sums_of

KERNEL: Any = explainer._shap  # type: ignore[attr-defined]
VALUES = np.array([-1.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, np.nan])


def grown(random: np.random.Generator, features: int, targets: int, **more: Any) -> TreeFile:
    """Random trees: repeated features on a path, stumps with one leaf twice, leaves of any target."""
    nodes: list[list[float]] = []
    leaves: list[tuple[float, int]] = []

    def leaf() -> int:
        leaves.append((float(random.normal()), int(random.integers(targets))))
        return -len(leaves)

    def grow(depth: int) -> int:
        at = len(nodes)
        nodes.append([0, 0, 0, 0, 0])
        sides = [leaf() if depth == 0 or random.random() < 0.25 else grow(depth - 1) for _ in range(2)]
        if random.random() < 0.1:
            sides[1] = sides[0] if sides[0] < 0 else sides[1]
        nodes[at] = [random.choice(VALUES[:-1]), *sides, random.integers(features), random.integers(2)]
        return at

    roots = [grow(int(random.integers(0, 5))) for _ in range(int(random.integers(1, 4)))]
    table = np.array(nodes)
    whole = table[:, 1:].astype(np.int64)
    return TreeFile(
        targets=targets, rounded=False, single=False, roots=np.array(roots), split=table[:, 0],
        feature=whole[:, 2], trues=whole[:, 0], falses=whole[:, 1], missing=whole[:, 3],
        weight=np.array([w for w, _ in leaves]), target=np.array([t for _, t in leaves]),
        base=None, **{"sparse": False, "count": 1.0, "slope": 1.0, "link": "identity", **more},
    )  # fmt: skip


def subject_of(random: np.random.Generator, trees: TreeFile, features: int, players: int, background: int) -> Subject:
    columns = tuple(Column(f"c{at}", "number") for at in range(players))
    outputs = tuple(f"o{at}" for at in range(trees.targets))
    owners = np.sort(random.integers(0, players, features))
    behind = random.choice(VALUES, (background, features))
    margin = Margin(outputs, "value", sums_of(trees), trees=trees)
    return Subject(Signature("regression", columns), margin, owners, behind)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    features=st.integers(1, 6),
    players=st.integers(1, 5),
    targets=st.integers(1, 3),
    background=st.sampled_from([1, 2, 63, 64, 65, 100]),
    sparse=st.booleans(),
)
def test_any_trees_are_shared_as_all_coalitions_have_it(
    seed: int, features: int, players: int, targets: int, background: int, sparse: bool
) -> None:
    random = np.random.default_rng(seed)
    trees = grown(random, features, targets, sparse=sparse, count=3.0, slope=2.0)
    subject = subject_of(random, trees, features, players, background)
    rows = random.choice(VALUES, (4, features))
    found = TreeExplainer().attribute(subject, rows, Terms()).attributions
    wanted = EnumerationExplainer().attribute(subject, rows, Terms()).attributions
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    total = subject.baseline + found.sum(axis=1)
    np.testing.assert_allclose(total, subject.margin(rows), atol=1e-12)


def built(**changed: Any) -> Any:
    said: dict[str, Any] = {
        "features": 2, "players": 2, "targets": 1, "nodes": 2, "trees": 1, "leaves": 3, "background": 1,
        "split": np.zeros(2), "node": np.array([[1, -1, 0, 0, 0], [-2, -3, 1, 1, 1]], "<i4"),
        "root": np.array([0], "<i4"), "target": np.zeros(3, "<i4"), "weight": np.ones(3), "rows": np.zeros((1, 2)),
    } | changed  # fmt: skip
    raw = (part.tobytes() if isinstance(part, np.ndarray) and name != "rows" else part for name, part in said.items())
    return KERNEL.build(*raw)


@pytest.mark.skipif(KERNEL is None, reason="the kernel _shap was not compiled here")
@pytest.mark.parametrize(
    "changed",
    [
        {"node": np.array([[0, -1, 0, 0, 0], [-2, -3, 1, 1, 1]], "<i4")},  # its own child
        {"node": np.array([[1, -1, 0, 0, 0], [0, -3, 1, 1, 1]], "<i4")},  # its parent's parent
        {"node": np.array([[2, -1, 0, 0, 0], [-2, -3, 1, 1, 1]], "<i4")},
        {"node": np.array([[1, -9, 0, 0, 0], [-2, -3, 1, 1, 1]], "<i4")},
        {"node": np.array([[1, -(2**31), 0, 0, 0], [-2, -3, 1, 1, 1]], "<i4")},
        {"node": np.array([[1, -1, 2, 0, 0], [-2, -3, 1, 1, 1]], "<i4")},
        {"node": np.array([[1, -1, 0, -1, 0], [-2, -3, 1, 1, 1]], "<i4")},
        {"node": np.array([[1, -1, 0, 0, 7], [-2, -3, 1, 1, 1]], "<i4")},
        {"root": np.array([2], "<i4")},
        {"root": np.array([-1], "<i4")},
        {"targets": 2, "target": np.array([0, 1, 2], "<i4")},
        {"weight": np.ones(2)},
        {"split": np.zeros(3)},
        {"background": 129, "rows": np.zeros((129, 2))},
        {"background": 0, "rows": np.zeros((0, 2))},
        {"rows": np.zeros((1, 3))},
        {"features": 0},
        {"trees": 0, "root": np.zeros(0, "<i4")},
    ],
)
def test_what_are_no_trees_is_refused(changed: dict[str, Any]) -> None:
    assert built() is not None
    with pytest.raises(ValueError, match=r"."):
        built(**changed)


@pytest.mark.skipif(KERNEL is None, reason="the kernel _shap was not compiled here")
def test_arrays_of_the_wrong_size_are_refused_when_explaining() -> None:
    made = built()
    for rows, first, last, x, out in (
        (1, 0, 1, np.zeros((1, 3)), np.zeros((1, 2, 1))),
        (1, 0, 1, np.zeros((1, 2)), np.zeros((1, 1, 1))),
        (0, 0, 1, np.zeros((0, 2)), np.zeros((0, 2, 1))),
        (1, 0, 2, np.zeros((1, 2)), np.zeros((1, 2, 1))),
        (1, -1, 1, np.zeros((1, 2)), np.zeros((1, 2, 1))),
    ):
        with pytest.raises(ValueError, match=r"."):
            KERNEL.explain(made, rows, first, last, x, out)
