"""The compiled kernel of attributions of trees; see `_shap.c`."""

from typing import Any

def build(
    features: int,
    players: int,
    targets: int,
    nodes: int,
    trees: int,
    leaves: int,
    background: int,
    split: bytes,
    node: bytes,
    root: bytes,
    target: bytes,
    weight: bytes,
    rows: Any,
) -> Any:
    """Trees, checked, with the background rows in their place. Raises ValueError for what is none, or too deep.

    node: five int32 each: first child, second child, feature, player, child of a missing value. rows: double
    (background, features), at most 128.
    """

def explain(trees: Any, rows: int, first: int, last: int, x: Any, out: Any) -> None:
    """Adds what trees `first` to `last` give for `x`, double (rows, features), to `out`, (rows, players, targets)."""
