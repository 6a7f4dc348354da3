"""What a model's held-out answers say about errors that nobody has told yet: sealed in its reference."""

from __future__ import annotations

import msgspec

MOST_EARLIER = 240


class Alike(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows with alike errors: a small tree over columns and scores as the reference counts them.

    columns: names of the reference's bins, scores as `score:<output>`. Of each node, root first: split (position in
    `columns`, -1 of a leaf), left (bins that go left; the number after the last bin is of missing cells), below (nodes
    left and right; of a leaf its own number and -1).
    """

    columns: tuple[str, ...] = ()
    split: tuple[int, ...] = (-1,)
    left: tuple[tuple[int, ...], ...] = ((),)
    below: tuple[tuple[int, int], ...] = ((0, -1),)


class Leaves(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of each leaf, (leaves,): held-out rows, and the mean and the variance of what one row adds to a measure."""

    rows: tuple[int, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]


class Foretold(msgspec.Struct, frozen=True, array_like=True):
    """A measure in a held-out window: estimated by the others, one deviation by chance, and as it was."""

    expected: float
    chance: float
    realised: float


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """A window before those held out: [start, end) of event time, and the mean loss that its inputs let expect."""

    start: float
    end: float
    expected: float


class Estimation(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to estimate performance without labels.

    method: "cbpe" (expected under probabilities that mean what they say; classification) or "dle" (the loss of alike
    rows; regression). curves: of each class the points (x, y) from what the model says to how often it happens, empty
    where it already means what it says. leaves: by measure, of the tree; of "cbpe" what a row's loss differs by from
    its expectation. windows: held-out windows, each judged by what the others taught, by measure. rows: taught by.
    earlier: windows before them that were answered out of sample, too, at most `MOST_EARLIER`.
    """

    method: str
    rows: int
    tree: Alike = Alike()
    leaves: dict[str, Leaves] = {}
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    windows: tuple[dict[str, Foretold], ...] = ()
    earlier: tuple[Earlier, ...] = ()
