"""Categories by a hash of their text: no table of known values, so any number of them, and none is unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from fairlead.contract.errors import BundleRefused

MOST_BUCKETS = 65_536


class Hashed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="hashed"):
    """A text column to `buckets` outputs, 1 in the one that its text falls into. fill: what a missing cell counts as;
    without it, it falls into none.
    """

    column: str
    buckets: int
    fill: str | None = None

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return self.buckets

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,)


def bucket_of(text: str, buckets: int) -> int:
    """Where a text falls: the first 8 bytes of the BLAKE2b of its UTF-8, little-endian, modulo `buckets`."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets


def check_hashed(lane: Hashed) -> None:
    """Raises BundleRefused for what no fitted preparation is."""
    if not 1 <= lane.buckets <= MOST_BUCKETS:
        raise BundleRefused(f"front.json: {lane.column[:80]!r} has {lane.buckets} buckets, 1 to {MOST_BUCKETS} are")


def hashed_reader(lane: Hashed) -> Callable[[str | None], list[tuple[int, float]]]:
    """A function from a cell to its outputs."""
    fill, buckets = lane.fill, lane.buckets

    def read(cell: str | None) -> list[tuple[int, float]]:
        text = fill if cell is None or cell != cell else cell
        return [] if text is None else [(bucket_of(text, buckets), 1.0)]

    return read
