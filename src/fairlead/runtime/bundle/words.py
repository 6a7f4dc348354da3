"""Texts as weighed terms, cell by cell: what scikit-learn's vectorizers count and weigh, from allow-listed parts.

Words are what one of `PATTERNS` finds, n-grams are made as scikit-learn makes them, lower case is Python's. Rows and
columns go through the same function, and additions have one order, so that both forms give the same float64 results.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
import numpy as np

from fairlead.contract.errors import BundleRefused

Pairs = list[tuple[int, float]]
"""(output, value) of what is not 0, outputs ascending."""

PATTERNS = {"words": r"(?u)\b\w\w+\b", "letters": r"(?u)\b\w+\b", "blanks": r"\S+"}
"""Token patterns by name: words of two letters and more (scikit-learn's own), of one and more, whatever lies between
blanks."""

MOST_TERMS, LONGEST_TERM, LONGEST_NGRAM, MOST_STOPS = 100_000, 256, 10, 10_000

LONG = 65_536
"""Characters up to which all tokens of a text are found at once, which is sooner."""

_BLANKS = re.compile(r"\s\s+")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="words"):
    """A text column to one output a term, 0 for a missing or empty text.

    terms: in the order of the vocabulary. weights: of each term (inverse document frequency); empty: all 1.
    unit: whether n-grams are of words, of characters, or of characters within words. outputs: positions of the terms
    that are features; empty: all. fill: what a missing text counts as.
    """

    column: str
    terms: tuple[str, ...]
    weights: tuple[float, ...] = ()
    unit: Literal["word", "char", "char_wb"] = "word"
    pattern: Literal["words", "letters", "blanks"] = "words"
    shortest: int = 1
    longest: int = 1
    lower: bool = True
    accents: Literal["", "unicode", "ascii"] = ""
    stops: tuple[str, ...] = ()
    binary: bool = False
    sublinear: bool = False
    norm: Literal["", "l1", "l2"] = "l2"
    outputs: tuple[int, ...] = ()
    fill: str = ""

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return len(self.outputs) or len(self.terms)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,)


def check_words(lane: Words) -> None:
    """Raises BundleRefused for what no fitted vectorizer is."""
    what = ""
    if not 1 <= len(lane.terms) <= MOST_TERMS or len(set(lane.terms)) != len(lane.terms):
        what = f"must be 1 to {MOST_TERMS:,} terms, each once"
    elif any(len(term) > LONGEST_TERM * LONGEST_NGRAM for term in lane.terms) or len(lane.stops) > MOST_STOPS:
        what = "are too long or too many"
    elif lane.weights and (len(lane.weights) != len(lane.terms) or not all(map(math.isfinite, lane.weights))):
        what = "do not agree with their weights"
    elif not 1 <= lane.shortest <= lane.longest <= LONGEST_NGRAM:
        what = f"are n-grams of 1 to {LONGEST_NGRAM}"
    elif len(set(lane.outputs)) != len(lane.outputs) or any(not 0 <= at < len(lane.terms) for at in lane.outputs):
        what = "do not agree with their outputs"
    if what:
        raise BundleRefused(f"front.json: the terms of {lane.column[:80]!r} {what}")


def words_reader(lane: Words) -> Callable[[str | None], Pairs]:
    """A function from a cell to its outputs."""
    place = {term: at for at, term in enumerate(lane.terms)}
    split = _splitter(lane)
    weights, norm = lane.weights, lane.norm
    shown = {at: output for output, at in enumerate(lane.outputs)}
    size = _frequency(lane.sublinear)
    fill, binary = lane.fill, lane.binary

    def read(cell: str | None) -> Pairs:
        counts: dict[int, int] = {}
        for term in split(fill if cell is None or cell != cell else cell):
            at = place.get(term)
            if at is not None:
                counts[at] = counts.get(at, 0) + 1
        found = [(at, size(1 if binary else counts[at])) for at in sorted(counts)]
        if weights:
            found = [(at, number * weights[at]) for at, number in found]
        if norm:
            found = _normed(found, norm)
        # Scaled by all terms, whichever of them are features.
        return [(shown[at], number) for at, number in found if at in shown] if shown else found

    return read


def _frequency(sublinear: bool) -> Callable[[int], float]:
    if not sublinear:
        return float
    # numpy's logarithm, by which scikit-learn weighs.
    logs = (np.log(np.arange(1.0, 257.0)) + 1.0).tolist()

    def size(count: int) -> float:
        return logs[count - 1] if count <= len(logs) else float(np.log(float(count)) + 1.0)

    return size


def _normed(found: Pairs, norm: str) -> Pairs:
    total = 0.0
    for _, number in found:
        total += number * number if norm == "l2" else abs(number)
    if total == 0.0:
        return found
    by = math.sqrt(total) if norm == "l2" else total
    return [(at, number / by) for at, number in found]


def _splitter(lane: Words) -> Callable[[str], Iterable[str]]:
    """A function from a text to its terms. Those of a long text come one by one: all at once they would be hundreds of
    times its size.
    """
    lower, accents = lane.lower, lane.accents
    shortest, longest = lane.shortest, lane.longest
    if lane.unit == "word":
        terms = _words(re.compile(PATTERNS[lane.pattern]), frozenset(lane.stops), shortest, longest)
    else:
        of_characters = _char_ngrams if lane.unit == "char" else _ngrams_in_words

        def terms(text: str) -> Iterable[str]:
            return of_characters(_BLANKS.sub(" ", text), shortest, longest)

    def split(text: str) -> Iterable[str]:
        if lower:
            text = text.lower()
        if accents:
            text = _plain(text, accents)
        return terms(text)

    return split


def _words(
    pattern: re.Pattern[str], stops: frozenset[str], shortest: int, longest: int
) -> Callable[[str], Iterable[str]]:
    find, walk = pattern.findall, pattern.finditer

    def terms(text: str) -> Iterable[str]:
        found: Iterable[str] = find(text) if len(text) <= LONG else (match.group() for match in walk(text))
        if stops:
            found = (token for token in found if token not in stops)
        return found if longest == 1 else _word_ngrams(found, shortest, longest)

    return terms


def _word_ngrams(tokens: Iterable[str], shortest: int, longest: int) -> Iterator[str]:
    last: deque[str] = deque(maxlen=longest)
    for token in tokens:
        last.append(token)
        held = list(last)
        for n in range(shortest, len(held) + 1):
            yield " ".join(held[-n:])


def _char_ngrams(text: str, shortest: int, longest: int) -> Iterator[str]:
    count = len(text)
    for n in range(shortest, min(longest, count) + 1):
        for at in range(count - n + 1):
            yield text[at : at + n]


def _ngrams_in_words(text: str, shortest: int, longest: int) -> Iterator[str]:
    for word in text.split():
        padded = f" {word} "
        for n in range(shortest, longest + 1):
            if n >= len(padded):
                # A word no longer than n counts once, and longer n-grams of it do not.
                yield padded
                break
            for at in range(len(padded) - n + 1):
                yield padded[at : at + n]


def _plain(text: str, accents: str) -> str:
    if accents == "ascii":
        return unicodedata.normalize("NFKD", text).encode("ASCII", "ignore").decode("ASCII")
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
