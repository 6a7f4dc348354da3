"""Vectorizers of texts, read off by their parameters: what they hold beyond the allow-list is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.lanes import AnyLane, TermLane, TextLane
from fairlead.runtime.bundle.hashed import Hashed
from fairlead.runtime.bundle.word_numbers import WordNumbers
from fairlead.runtime.bundle.words import PATTERNS, Words

KNOWN: dict[str, Any] = {pattern: name for name, pattern in PATTERNS.items()} | {pattern.removeprefix("(?u)"): name
                                                                 for name, pattern in PATTERNS.items()}  # fmt: skip


def one_text(lanes: Sequence[AnyLane], where: str) -> TextLane:
    """The one text that a step takes. Raises NotCompilable."""
    if len(lanes) != 1 or not isinstance(lanes[0], TextLane):
        raise NotCompilable(f"{where}: it takes one column of text.")
    if lanes[0].other is not None:
        raise NotCompilable(f"{where}: column {lanes[0].column.name!r} has its rare texts grouped; leave that out.")
    return lanes[0]


def vectorizer(fitted: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """TfidfVectorizer and CountVectorizer: the terms of a text and their weights."""
    lane = one_text(lanes, where)
    for name in ("preprocessor", "tokenizer"):
        if getattr(fitted, name) is not None:
            raise NotCompilable(f"{where}: a {name} of your own is code; use [data] prepare for it.")
    if callable(fitted.analyzer) or callable(fitted.strip_accents):
        raise NotCompilable(f"{where}: an analyzer of your own is code; use [data] prepare for it.")
    if fitted.input != "content":
        raise NotCompilable(f"{where}: it reads files; give it texts.")
    if fitted.analyzer == "word" and fitted.token_pattern not in KNOWN:
        raise NotCompilable(f"{where}: token_pattern {fitted.token_pattern!r} is not among {list(PATTERNS.values())}.")
    weighed = hasattr(fitted, "sublinear_tf")
    if np.dtype(fitted.dtype) == np.float32:
        raise NotCompilable(f"{where}: dtype float32 rounds its weights; leave dtype out.")
    shortest, longest = fitted.ngram_range
    stops = fitted.get_stop_words() if fitted.analyzer == "word" else None
    reader = Words(
        column=lane.column.name,
        terms=tuple(str(term) for term in fitted.get_feature_names_out()),
        weights=tuple(float(w) for w in fitted.idf_) if weighed and fitted.use_idf else (),
        unit=fitted.analyzer,
        pattern=KNOWN[fitted.token_pattern] if fitted.analyzer == "word" else "words",
        shortest=int(shortest),
        longest=int(longest),
        lower=bool(fitted.lowercase),
        accents=fitted.strip_accents or "",
        stops=tuple(sorted(stops or ())),
        binary=bool(fitted.binary),
        sublinear=bool(weighed and fitted.sublinear_tf),
        norm=(fitted.norm or "") if weighed else "",
        fill=lane.fill or "",
    )
    return [TermLane(lane.column, reader, at) for at in range(reader.width)]


def documents(fitted: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """A text without gaps: a missing one counts as empty."""
    lane = one_text(lanes, where)
    return [lane if lane.fill is not None else TextLane(lane.column, "")]


def word_numbers(fitted: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The words of a text, in order."""
    lane = one_text(lanes, where)
    reader = WordNumbers(lane.column.name, int(fitted.buckets), int(fitted.length), lane.fill or "")
    return [TermLane(lane.column, reader, at) for at in range(reader.width)]


def hashed(fitted: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Buckets by the hash of a category."""
    found: list[AnyLane] = []
    for lane in lanes:
        own = one_text([lane], where)
        reader = Hashed(own.column.name, int(fitted.buckets), own.fill)
        found += [TermLane(own.column, reader, at) for at in range(reader.width)]
    return found
