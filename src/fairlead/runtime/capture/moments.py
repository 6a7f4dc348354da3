"""How bright an image is and how much it varies: the two numbers of a tensor that are watched like columns.

A tensor has no distribution of cells that anybody could compare. The mean and the standard deviation of its elements
are cheap, and move when a camera, a scaling or a preparation does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_PIECE = 1 << 18
"""Elements whose deviations are held at once, as doubles."""


def watched(name: str) -> tuple[str, str]:
    """What the mean and the spread of a tensor column are called where columns are counted.

    >>> watched("image")
    ('image (mean)', 'image (spread)')
    """
    return f"{name} (mean)", f"{name} (spread)"


def moments(tensors: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each row's elements, (n,) each. tensors: (n, elements)."""
    means, spreads = np.empty(len(tensors)), np.empty(len(tensors))
    step = max(1, _PIECE // max(1, tensors.shape[1]))
    for at in range(0, len(tensors), step):
        piece = tensors[at : at + step]
        means[at : at + step] = piece.mean(axis=1, dtype=np.float64)
        spreads[at : at + step] = piece.std(axis=1, dtype=np.float64)
    return means, spreads
