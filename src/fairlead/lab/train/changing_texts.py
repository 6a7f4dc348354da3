"""Texts with words left out, swapped and said otherwise, as the numbers of their words.

Of the rows that a fit learns from alone; deterministic for a generator.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import AugmentSettings
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.layout import Tokens
from fairlead.runtime.bundle.hashed import bucket_of
from fairlead.runtime.bundle.words import PATTERNS

KEY = "train.augment.synonyms"
MOST_LINES, MOST_BYTES = 100_000, 16 << 20
Groups = tuple[tuple[str, ...], ...]


def changed_texts(
    x: Floats, texts: tuple[Tokens, ...], rules: AugmentSettings, groups: Groups, seed: list[int]
) -> Floats:
    """x: (n, features); what is no word stays as it is. Shape as it was.

    drop: chance of a word to be left out (one at least stays); swap: of a word to change places with the next one;
    replace: of a word that has synonyms to become one of them (Wei and Zou, EDA, 2019).
    groups: words that mean the same, see `read_synonyms`. seed: what tells this fit and this pass from others.
    """
    found = np.array(x, dtype=np.float64)
    random = np.random.default_rng([*seed, 53])
    for text in texts:
        place = slice(text.start, text.start + text.size)
        numbers = numbers_of(found[:, place], text)
        if groups and text.words:
            numbers = _said_otherwise(numbers, synonyms_of(groups, text.known - 1), rules.replace, random)
        numbers = _swapped(numbers, rules.swap, random)
        numbers = _dropped(numbers, rules.drop, random)
        found[:, place] = (numbers - text.low) / text.width
    return found


def numbers_of(features: Floats, text: Tokens) -> np.ndarray:
    """The numbers of words again, whole and at least 0, shape as of the features."""
    found: np.ndarray = np.rint(features * text.width + text.low).astype(np.int64)
    return found


def _dropped(numbers: np.ndarray, chance: float, random: np.random.Generator) -> np.ndarray:
    out = (random.random(numbers.shape) < chance) & (numbers > 0)
    out &= (numbers > 0).sum(axis=1, keepdims=True) > out.sum(axis=1, keepdims=True)
    return np.where(out, 0, numbers)


def _swapped(numbers: np.ndarray, chance: float, random: np.random.Generator) -> np.ndarray:
    found = numbers.copy()
    for at in range(numbers.shape[1] - 1):
        rows = (random.random(len(found)) < chance) & (found[:, at] > 0) & (found[:, at + 1] > 0)
        found[rows, at], found[rows, at + 1] = found[rows, at + 1], found[rows, at]
    return found


def _said_otherwise(
    numbers: np.ndarray, others: dict[int, list[int]], chance: float, random: np.random.Generator
) -> np.ndarray:
    found = numbers.copy()
    rows, places = np.nonzero(np.isin(numbers, list(others)) & (random.random(numbers.shape) < chance))
    for row, place in zip(rows.tolist(), places.tolist(), strict=True):
        choice = others[int(numbers[row, place])]
        found[row, place] = choice[int(random.integers(len(choice)))]
    return found


def synonyms_of(groups: Groups, buckets: int) -> dict[int, list[int]]:
    """Number of a word -> numbers of what may stand for it."""
    found: dict[int, list[int]] = {}
    for words in groups:
        numbers = [1 + bucket_of(word, buckets) for word in words]
        for at, number in enumerate(numbers):
            others = found.setdefault(number, [])
            others += [other for place, other in enumerate(numbers) if place != at and other not in others]
    return found


def read_synonyms(path: Path) -> Groups:
    """A file of lines `refund, repayment, chargeback`: words of one line mean the same. Raises ConfigInvalid."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigInvalid(f"{path.name} is larger than {MOST_BYTES >> 20} MiB.", file="fairlead.toml", key=KEY)
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigInvalid(
            f"{path.name} cannot be read: {type(why).__name__}.", file="fairlead.toml", key=KEY,
            cure="Name a file of UTF-8 text, a line as `refund, repayment` for words that mean the same.",
        ) from None  # fmt: skip
    if len(lines) > MOST_LINES:
        raise ConfigInvalid(f"{path.name} has more than {MOST_LINES:,} lines.", file="fairlead.toml", key=KEY)
    return tuple(group for number, line in enumerate(lines, 1) if (group := _group(line, number, path.name)))


def _group(line: str, number: int, name: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip().lower() for word in line.split(",") if word.strip()))
    if line.strip().startswith("#") or not words:
        return ()
    for word in words:
        if not re.fullmatch(PATTERNS["letters"], word):
            raise ConfigInvalid(
                f"{name}, line {number}: {word[:80]!r} is not one word.", file="fairlead.toml", key=KEY,
                cure="Words are what lies between blanks and points; phrases cannot be replaced.",
            )  # fmt: skip
    if len(words) < 2:
        raise ConfigInvalid(
            f"{name}, line {number}: one word alone means the same as nothing.", file="fairlead.toml", key=KEY,
            cure="Write two words or more, with commas between them.",
        )  # fmt: skip
    return words


def mentioned(texts: Sequence[Tokens], groups: Groups) -> dict[str, set[int]]:
    """Column -> numbers that synonyms may bring in, which no row need hold."""
    return {
        text.column: {1 + bucket_of(word, text.known - 1) for words in groups for word in words}
        for text in texts
        if text.words
    }
