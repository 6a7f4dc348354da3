"""Categories that are rare, and those that are another one misspelt."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Suggestion
from fairlead.lab.tables.quality.suggesting import prepare

RARE = 0.005
_MOST_WORDS = 2_000  # beyond, spellings are not compared pair by pair
_TIMES = 10  # a misspelling is so many times rarer than what it misspells
_SHOWN = 10


class Categories:
    """Rare categories, and spellings of one: case and spaces, accents and signs, one or two letters."""

    name = "misspelt"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column for spellings, one for rare categories."""
        for column in look.schema.columns:
            levels = look.facts[column.name].levels
            if column.kind != "category" or column.coded != "text" or not levels or column.name in look.ids:
                continue
            counts = {str(w): n for w, n in levels.items()}
            meant = spellings(counts)
            yield from self._misspelt(look, column.name, counts, meant)
            if column.name != look.target:
                yield from self._rare(look, column.name, {w: n for w, n in counts.items() if w not in meant})

    def _misspelt(
        self, look: Look, name: str, counts: Mapping[str, int], meant: Mapping[str, tuple[str, str]]
    ) -> Iterator[Issue]:
        if not meant:
            return
        count = sum(counts[w] for w in meant)
        listed = "; ".join(f"{w!r} ({counts[w]:,}) for {right!r}" for w, (right, _) in list(meant.items())[:3])
        more = f" and {len(meant) - 3} more" if len(meant) > 3 else ""
        yield Issue(
            self.name, "problem" if name == look.target else "warning", f"{listed}{more}", name, count=count,
            of=look.rows, rows=_rows_of(look, name, set(meant)),
            evidence={"meant": {w: {"as": right, "by": how, "cells": counts[w]}
                                for w, (right, how) in list(meant.items())[:_SHOWN]}},
            suggestions=self._grouped(look, name, max(counts[w] for w in meant)),
        )  # fmt: skip

    def _grouped(self, look: Look, name: str, most: int) -> tuple[Suggestion, ...]:
        """Into the group of rare ones, where that takes all of them and little else."""
        share = max(RARE, math.ceil(1000 * (most + 1) / look.rows) / 1000)
        if name not in look.features or share > 0.05:
            return ()
        return (prepare(name, "rare", share, "puts misspellings together with what is rare; better mend the source"),)

    def _rare(self, look: Look, name: str, counts: Mapping[str, int]) -> Iterator[Issue]:
        rare = {w: n for w, n in counts.items() if n < RARE * look.rows and n < 100}
        if not rare or len(counts) < 3 or name not in look.features:
            return
        count = sum(rare.values())
        says = f"{len(rare):,} of {len(counts):,} categories are in fewer than {RARE:.1%} of rows each"
        yield Issue("rare_categories", "note", says, name, count=count, of=look.rows,
                    rows=_rows_of(look, name, set(rare)),
                    evidence={"categories": dict(sorted(rare.items(), key=lambda r: r[1])[:_SHOWN])},
                    suggestions=(prepare(name, "rare", RARE, "one group instead of many with few rows"),))  # fmt: skip


def spellings(counts: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Category -> (what is meant, by which rule), for those that look like a slip of a commoner one.

    Same but for case, spaces, signs or accents: whatever the counts. One letter more, less, other or swapped (two in
    words of eight letters or more): where the other is ten times commoner, and what differs is not a number.

    >>> spellings({"Berlin": 500, "berlin ": 3, "Berlni": 2, "Bern": 90})
    {'berlin ': ('Berlin', 'case or spaces'), 'Berlni': ('Berlin', '1 letter')}
    """
    found: dict[str, tuple[str, str]] = {}
    commoner = sorted(counts, key=lambda w: (-counts[w], w))
    for how, key in (("case or spaces", _folded), ("signs or accents", _bare)):
        groups: dict[str, str] = {}
        for word in commoner:
            first = groups.setdefault(key(word), word)
            if first != word and word not in found and key(word):
                found[word] = (first, how)
    if len(counts) > _MOST_WORDS:
        return found
    words = [w for w in commoner if w not in found and len(w) >= 4]
    total = sum(counts.values())
    for at, word in enumerate(words):
        if counts[word] > 0.01 * total:
            continue
        for right in words[:at]:
            if counts[right] < _TIMES * counts[word]:
                break
            letters = 2 if min(len(word), len(right)) >= 8 else 1
            if _digits(word) == _digits(right) and (d := distance(_folded(word), _folded(right), letters)) <= letters:
                found[word] = (found.get(right, (right, ""))[0], "1 letter" if d == 1 else f"{d} letters")
                break
    return found


def distance(a: str, b: str, most: int) -> int:
    """Letters inserted, deleted, replaced or swapped with a neighbour to make `b` of `a`; `most` + 1 where beyond.

    Source: Damerau, A technique for computer detection and correction of spelling errors (1964); optimal alignment.

    >>> distance("Stuttgart", "Stutgtart", 2), distance("abcd", "wxyz", 2)
    (1, 3)
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        now = [i]
        for j, y in enumerate(b, start=1):
            cost = min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return min(last[-1], most + 1)


def _folded(word: str) -> str:
    return " ".join(word.split()).casefold()


def _bare(word: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    letters = re.sub(r"[\W_]+", "", plain.casefold())
    # Signs that make another thing: "<5" is not "5", "A+" not "A", "-1" not "1".
    return letters + "".join(sorted(c for c in word if c in "<>+-%#=~*!" and not _joins(word)))


def _joins(word: str) -> bool:
    """Whether every hyphen stands between letters, where it is a matter of spelling."""
    return not re.search(r"[<>+%#=~*!]|(?<![^\W\d_])-|-(?![^\W\d_])", word)


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)


def _rows_of(look: Look, name: str, words: set[str]) -> tuple[int, ...]:
    import numpy as np

    codes, known = look.codes(name)
    wanted = np.array([w in words for w in known] + [False])
    return look.examples(wanted[codes])
