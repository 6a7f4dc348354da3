"""Texts as the numbers of their words, in order: what a network of words takes. No table of known words is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

import msgspec

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.hashed import MOST_BUCKETS, bucket_of
from fairlead.runtime.bundle.words import PATTERNS, Pairs

MOST_PLACES = 1024
REMEMBERED = 16_384
"""Words of which the number is kept at hand."""


class WordNumbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="word_numbers"):
    """A text column to `length` outputs, one for each of its first words: 1 + where the hash of the word, in lower
    case, falls among `buckets`; 0 where the text has ended. fill: what a missing text counts as.
    """

    column: str
    buckets: int
    length: int
    fill: str = ""

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return self.length

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,)


def check_word_numbers(lane: WordNumbers) -> None:
    """Raises BundleRefused for what no fitted preparation is."""
    if not 1 <= lane.buckets <= MOST_BUCKETS or not 1 <= lane.length <= MOST_PLACES:
        raise BundleRefused(
            f"front.json: the words of {lane.column[:80]!r} fall into 1 to {MOST_BUCKETS} buckets, "
            f"and 1 to {MOST_PLACES} of them are read"
        )


def word_numbers_reader(lane: WordNumbers) -> Callable[[str | None], Pairs]:
    """A function from a cell to its outputs."""
    fill, length, buckets = lane.fill, lane.length, lane.buckets
    walk = re.compile(PATTERNS["letters"]).finditer

    @lru_cache(REMEMBERED)
    def number(word: str) -> float:
        return 1.0 + bucket_of(word, buckets)

    def read(cell: str | None) -> Pairs:
        text = fill if cell is None or cell != cell else cell
        # Only what is read is looked for: a text may be as long as a request.
        return [(at, number(match.group().lower())) for at, match in enumerate(islice(walk(text), length))]

    return read
