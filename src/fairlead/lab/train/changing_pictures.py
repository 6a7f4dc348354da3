"""Pictures moved, turned, mirrored, disturbed and mixed: what a camera or a hand might have made of the same thing.

Of the rows that a fit learns from alone; sums of numpy, deterministic for a generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairlead.contract.settings import AugmentSettings
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.layout import Picture

AT_ONCE = 1 << 20
"""Pixels that are turned at once."""


@dataclass(frozen=True)
class Changed:
    """Rows of one pass. x: (n, features); second: (n,) with whose answer each is mixed; share: (n,) of its own one."""

    x: Floats
    second: Ints | None = None
    share: Floats | None = None


def changed_pictures(x: Floats, pictures: tuple[Picture, ...], rules: AugmentSettings, seed: list[int]) -> Changed:
    """x: (n, features), pixels between 0 and 1; what is no pixel stays as it is, but where rows are mixed.

    shift: of the edges, at most, to each side; rotate: degrees, at most, either way; what comes in from outside repeats
    the edge. flip: each with an even chance. noise: deviations of pixels. cutout: edge of a square, as a share of the
    picture's, that takes the picture's mean (DeVries and Taylor 2017). mixup: rows are means of two, by shares of a
    Beta(mixup, mixup) (Zhang et al. 2018). seed: what tells this fit and this pass from others.
    """
    found = np.array(x, dtype=np.float64)
    random = np.random.default_rng([*seed, 47])
    for picture in pictures:
        place = slice(picture.start, picture.start + picture.size)
        found[:, place] = _one(found[:, place], picture, rules, random)
    if not rules.mixup:
        return Changed(found)
    second = random.permutation(len(found))
    share = random.beta(rules.mixup, rules.mixup, len(found))
    return Changed(share[:, None] * found + (1.0 - share[:, None]) * found[second], second, share)


def _one(pixels: Floats, picture: Picture, rules: AugmentSettings, random: np.random.Generator) -> Floats:
    edges, count = (picture.height, picture.width), len(pixels)
    if picture.last:
        at = pixels.reshape(count, *edges, picture.channels)
    else:
        at = pixels.reshape(count, picture.channels, *edges).transpose(0, 2, 3, 1)
    for name, axis in (("vertical", 1), ("horizontal", 2)):
        if name in rules.flip:
            chosen = random.random(count) < 0.5
            at = np.where(chosen[:, None, None, None], np.flip(at, axis), at)
    at = _moved(at, rules, random)
    if rules.noise:
        at = np.clip(at + random.normal(scale=rules.noise, size=at.shape), 0.0, 1.0)
    if rules.cutout:
        at = _cut(at, rules.cutout, random)
    at = at if picture.last else at.transpose(0, 3, 1, 2)
    return at.reshape(count, -1)


def _moved(at: Floats, rules: AugmentSettings, random: np.random.Generator) -> Floats:
    count, height, width, _ = at.shape
    turned = np.deg2rad(random.uniform(-rules.rotate, rules.rotate, count))
    down, right = (random.uniform(-rules.shift, rules.shift, count) * edge for edge in (height, width))
    if not rules.rotate:
        # Whole pixels keep a picture as sharp as it was.
        down, right = np.rint(down), np.rint(right)
    if not (rules.rotate or rules.shift):
        return at
    step = max(1, AT_ONCE // (height * width))
    cuts = [slice(first, first + step) for first in range(0, count, step)]
    return np.concatenate([_turned(at[cut], turned[cut], down[cut], right[cut]) for cut in cuts]) if cuts else at


def _turned(at: Floats, turned: Floats, down: Floats, right: Floats) -> Floats:
    """Each pixel as the picture was where it comes from, between its four neighbours."""
    count, height, width, _ = at.shape
    rows, columns = np.mgrid[:height, :width]
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2
    cosine, sine = np.cos(turned)[:, None, None], np.sin(turned)[:, None, None]
    from_row = cosine * rows - sine * columns + (height - 1) / 2 - down[:, None, None]
    from_column = sine * rows + cosine * columns + (width - 1) / 2 - right[:, None, None]
    from_row, from_column = np.clip(from_row, 0, height - 1), np.clip(from_column, 0, width - 1)
    top, left = np.floor(from_row).astype(np.int64), np.floor(from_column).astype(np.int64)
    below, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    lower, other = (from_row - top)[..., None], (from_column - left)[..., None]
    one = np.arange(count)[:, None, None]
    upper = at[one, top, left] * (1.0 - other) + at[one, top, beside] * other
    under = at[one, below, left] * (1.0 - other) + at[one, below, beside] * other
    return np.asarray(upper * (1.0 - lower) + under * lower)


def _cut(at: Floats, share: float, random: np.random.Generator) -> Floats:
    count, height, width, _ = at.shape
    edge = max(1, round(share * min(height, width)))
    row, column = (random.integers(0, size - edge + 1, count)[:, None] for size in (height, width))
    inside_row = (np.arange(height) >= row) & (np.arange(height) < row + edge)
    inside_column = (np.arange(width) >= column) & (np.arange(width) < column + edge)
    inside = inside_row[:, :, None, None] & inside_column[:, None, :, None]
    return np.where(inside, at.mean(axis=(1, 2), keepdims=True), at)
