"""The compiled kernel of trees; see `_trees.c`."""

from typing import Any

def build(
    features: int,
    targets: int,
    nodes: int,
    trees: int,
    leaves: int,
    rounded: int,
    node: bytes,
    root: bytes,
    target: bytes,
    weight: bytes,
) -> Any:
    """Trees, checked. Raises ValueError for what is none."""

def score(trees: Any, rows: int, x: Any, out: Any) -> None:
    """Sums of leaves, double (rows, targets), of features, double (rows, features), both C-contiguous."""
