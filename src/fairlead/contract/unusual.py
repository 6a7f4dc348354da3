"""From where on a row counts as unlike those of training: sealed with the reference, calibrated on training rows."""

from __future__ import annotations

import msgspec


class Unusual(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row is unusual where its surprise or its distance reaches its limit; `share` of training rows do.

    surprise: sum over columns of -log of the share of training rows with such a cell, in nats. distance: squared
    Mahalanobis distance of its numbers. Each training row was judged as if it had not been counted. blocks: (rows,
    unusual) of consecutive blocks of training rows, at most 400: how the share varies by itself.
    """

    surprise: float
    distance: float
    share: float
    rows: int
    blocks: tuple[tuple[int, int], ...] = ()
