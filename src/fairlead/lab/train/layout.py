"""Where pictures and texts lie among prepared features: what networks that see more than a row of numbers need."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.signature import Column, Signature

CHANNELS = (1, 3)


class Picture(msgspec.Struct, frozen=True):
    """One image, `size` features from `start` on, row-major. last: channels come after height and width.

    low, scale: a feature is (pixel - low) / scale.
    """

    column: str
    start: int
    height: int
    width: int
    channels: int = 1
    last: bool = True
    low: float = 0.0
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Its features."""
        return self.height * self.width * self.channels


class Tokens(msgspec.Struct, frozen=True):
    """Numbers of words, one of each place of a text, `length` features from `start` on; 0: no word there.

    low, width: a feature is (number - low) / width. known: numbers are below this.
    words: whether they are hashes of words, of which the number can be found again; else the table's own numbers.
    """

    column: str
    start: int
    length: int
    known: int
    low: float = 0.0
    width: float = 1.0
    words: bool = False

    @property
    def size(self) -> int:
        """Its features."""
        return self.length


class Layout(msgspec.Struct, frozen=True):
    """Blocks of prepared features, by where they start; what lies in none of them is a number of its own."""

    pictures: tuple[Picture, ...] = ()
    tokens: tuple[Tokens, ...] = ()


def layout_of(prepared: Any, signature: Signature) -> Layout:
    """prepared: the fitted ColumnTransformer of `preparing.preparation`."""
    known = {column.name: column for column in signature.columns}
    pictures: list[Picture] = []
    tokens: list[Tokens] = []
    for name, inner, columns in prepared.transformers_:
        kind = type(getattr(inner, "steps", [("", inner)])[-1][1]).__name__
        start = prepared.output_indices_[name].start
        if kind == "Elements":
            column = known[columns[0]]
            if (picture := picture_of(column, start)) is not None:
                picture = msgspec.structs.replace(picture, low=float(inner.low), scale=float(inner.width))
                pictures.append(picture)
            elif (numbers := _numbers(column, start, inner)) is not None:
                tokens.append(numbers)
        elif kind == "WordNumbersOf":
            reading = inner.steps[-1][1]
            tokens.append(Tokens(columns[0], start, reading.length, reading.buckets + 1, words=True))
    return Layout(tuple(pictures), tuple(tokens))


def picture_of(column: Column, start: int = 0) -> Picture | None:
    """A column of tensors as an image; None where its shape is no image's."""
    shape = column.shape
    if column.kind != "tensor" or len(shape) not in (2, 3) or min(shape) < 1:
        return None
    if len(shape) == 2:
        return Picture(column.name, start, shape[0], shape[1]) if min(shape) > 1 else None
    if shape[2] in CHANNELS:
        return Picture(column.name, start, shape[0], shape[1], shape[2])
    if shape[0] in CHANNELS:
        return Picture(column.name, start, shape[1], shape[2], shape[0], last=False)
    return None


def _numbers(column: Column, start: int, elements: Any) -> Tokens | None:
    """A row of whole numbers as those of words, where they are as few as a vocabulary's."""
    if len(column.shape) != 1 or not column.dtype.lower().startswith(("int", "uint")):
        return None
    greatest = int(column.high or 0.0)
    if (column.low or 0.0) < 0 or greatest >= MOST_NUMBERS:
        return None
    return Tokens(column.name, start, prod(column.shape), greatest + 1, float(elements.low), float(elements.width))


def check_reads(learner: Any, layout: Layout) -> None:
    """Raises ConfigInvalid where a learner would take the numbers of words for amounts."""
    texts = [text.column for text in layout.tokens if text.words]
    if texts and getattr(learner, "sees", "") != "texts":
        raise ConfigInvalid(
            f"to {learner.name} the words of {texts[0]!r} would be amounts: text = \"words\" is for text_net.",
            file="fairlead.toml", key="preparation.texts",
            cure='Set [train] learners = ["text_net"], or [preparation] texts = {text = "tfidf"}.',
        )  # fmt: skip


MOST_NUMBERS = 1_000_000
"""Greatest number of a word in a table's own column of them."""
