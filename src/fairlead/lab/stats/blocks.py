"""Which rows count as one observation: neighbours in time, or the rows of one group."""

from __future__ import annotations

import numpy as np

from fairlead.lab.stats.measures import Ints

Block = int | Ints
"""So many neighbours; or (n,), which observation each row belongs to, numbered from 0 without a gap."""


def block_codes(rows: int, block: Block) -> Ints:
    """Which observation each row belongs to. Shape (rows,)."""
    return block if isinstance(block, np.ndarray) else np.arange(rows, dtype=np.int64) // block


def every_row(block: Block) -> bool:
    """Whether each row is an observation of its own."""
    return not isinstance(block, np.ndarray) and block == 1


def block_of(block: Block, chosen: Ints, total: int) -> Block:
    """The same of some rows alone, in their order: of neighbours as many as remain on average."""
    if isinstance(block, np.ndarray):
        return np.asarray(np.unique(block[chosen], return_inverse=True)[1].reshape(-1), dtype=np.int64)
    return max(1, round(block * len(chosen) / total))


def block_size(rows: int, block: Block) -> int:
    """Rows that are drawn together, on average."""
    return max(1, round(rows / (int(block.max(initial=0)) + 1))) if isinstance(block, np.ndarray) else block


def group_blocks(codes: Ints, block: int) -> Ints:
    """Groups as blocks, (n,): `codes` are numbered by first appearance, and of rows in time order, `block` of which
    are drawn together, so many neighbouring groups are drawn together as they have.
    """
    groups = int(codes.max(initial=-1)) + 1
    together = max(1, round(block * groups / max(len(codes), 1)))
    return codes // together


def block_among(block: Block, chosen: Ints) -> Block:
    """The same of some rows alone, neighbours staying as many as they were."""
    return block_of(block, chosen, 1) if isinstance(block, np.ndarray) else block
