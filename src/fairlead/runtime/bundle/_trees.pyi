"""The compiled kernel of trees; see `_trees.c`."""

from typing import Any

def build(
    features: int,
    targets: int,
    nodes: int,
    trees: int,
    leaves: int,
    flags: int,
    node: bytes,
    root: bytes,
    target: bytes,
    weight: bytes,
    widest: int = 1,
) -> Any:
    """Trees, checked. Raises ValueError for what is none.

    flags: 1, features are rounded to single precision; 2, that, and sums are kept in it; 4, zeros are missing.
    widest: the widest vectors to use where this machine has them: 0 any machine's, 1 AVX2; -1: trees are only walked.
    """

def score(trees: Any, rows: int, x: Any, out: Any) -> None:
    """Sums of leaves into `out`, double (rows, targets), of features `x`, double (rows, features); C-contiguous."""
