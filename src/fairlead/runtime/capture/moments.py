"""How bright an image is and how much it varies: the two numbers of a tensor that are watched like columns.

A tensor has no distribution of cells that anybody could compare. The mean and the standard deviation of its elements
are cheap, and move when a camera, a scaling or a preparation does.

Of the history that a forecast goes by, it is the values of the series alone, without its covariates, and the newest of
them, which moves first.
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


def watched_history(name: str) -> tuple[str, str, str]:
    """What the newest value, the mean and the spread of a history are called where columns are counted.

    >>> watched_history("history")
    ('history (newest)', 'history (mean)', 'history (spread)')
    """
    return f"{name} (newest)", *watched(name)


def of_history(
    tensors: npt.NDArray[Any], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Newest value, mean and standard deviation of each row's series, (n,) each.

    tensors: (n, elements), the elements of (lags, 1 + covariates), oldest first, the series before its covariates.
    """
    series = tensors[:, :: shape[1]]
    return series[:, -1].astype(np.float64), *moments(series)
