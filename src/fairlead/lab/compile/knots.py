"""Rows at the places where a preparation bends or cuts, and texts that vectorizers could take apart differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.curves import Above, Bin, Power, Quantile
from fairlead.runtime.bundle.front import Front, Number, Product, Table
from fairlead.runtime.bundle.hashed import Hashed
from fairlead.runtime.bundle.ops import Absent, Add, AnyOp, Clip, Divide, Impute, Multiply, Subtract
from fairlead.runtime.bundle.word_numbers import WordNumbers
from fairlead.runtime.bundle.words import Words

Columns = dict[str, np.ndarray]

KNOTS, TEXTS = 24, 48
"""Most knots of an operation, spread evenly over them, and most texts made of terms, per column."""

EDGES = (
    "", " ", "\t\n", "\x00", "a", "I", "...", "don't", "x_y 1,000.5 2.0", "STRASSE straße ẞ", "İSTANBUL ıı",
    "ﬁne ŉ ǅ", "e\u0301cole école ÉCOLE", "日本語 テスト", "🙂🙂 ok", "word\u00a0word\u2003word", "ΣΑΣ σας",
    "١٢٣ ٣", "a" * 5000,
)  # fmt: skip
"""Nothing, blanks, letters alone, and what lower case, accents, blanks and digits beyond ASCII do."""


def raw_of(ops: tuple[AnyOp, ...], target: float) -> float | None:
    """A raw value that `ops` turn into `target`, all but rounding; None where that is not told."""
    raw = target
    for op in reversed(ops):
        match op:
            case Subtract(by):
                raw += by
            case Add(by):
                raw -= by
            case Divide(by):
                raw *= by
            case Multiply(by) if by:
                raw /= by
            case Impute() | Clip() | Absent():
                pass
            case _:
                return None
    return raw


def _cuts(op: AnyOp) -> tuple[float, ...]:
    match op:
        case Quantile(knots):
            return knots
        case Bin(edges):
            return edges
        case Above(than):
            return (than,)
        case Absent(value):
            return (value,)
        case Clip(low, high):
            return tuple(edge for edge in (low, high) if edge is not None)
        case Power("yeo-johnson"):
            return (0.0,)
    return ()


def _ways(front: Front) -> Iterator[tuple[str, tuple[AnyOp, ...]]]:
    """Numeric columns with the operations that they go through."""
    for lane in front.lanes:
        for part in lane.factors if isinstance(lane, Product) else (lane,):
            if isinstance(part, Number):
                yield part.column, part.ops
            elif isinstance(part, Table) and part.before:
                yield part.column, part.before


def knots_of(front: Front) -> dict[str, list[float]]:
    """Column -> raw values at and within two units in the last place of every knot and edge."""
    found: dict[str, set[float]] = {}
    for name, ops in _ways(front):
        for at, op in enumerate(ops):
            cuts = _cuts(op)
            for place in np.unique(np.linspace(0, len(cuts) - 1, min(KNOTS, len(cuts))).astype(int)).tolist():
                raw = raw_of(ops[:at], cuts[place])
                if raw is not None and np.isfinite(raw):
                    step = float(np.spacing(abs(raw)))
                    found.setdefault(name, set()).update(raw + k * step for k in (-2, -1, 0, 1, 2))
    return {name: sorted(values) for name, values in found.items()}


def texts_of(lane: Words | Hashed | WordNumbers, random: np.random.Generator) -> list[str]:
    """Edges, and texts made of the terms of a lane: few and many, again and again, in capitals."""
    found = list(EDGES)
    if isinstance(lane, Words):
        for number in range(TEXTS):
            chosen = [lane.terms[int(at)] for at in random.integers(0, len(lane.terms), random.integers(1, 12))]
            text = " ".join(chosen * (1 if number % 4 else 3))
            found.append(text.upper() if number % 5 == 0 else text)
    return found


def text_lanes(front: Front | None) -> dict[str, Words | Hashed | WordNumbers]:
    """Text columns that are read by terms or hashes, with the first such lane of each."""
    found: dict[str, Words | Hashed | WordNumbers] = {}
    for lane in front.lanes if front is not None else ():
        if isinstance(lane, Words | Hashed | WordNumbers):
            found.setdefault(lane.column, lane)
    return found


def bending(
    signature: Signature, base: Mapping[str, np.ndarray], front: Front, random: np.random.Generator
) -> Iterator[tuple[str, Columns]]:
    """(kind, rows) for the places of a front that other probes do not meet: training rows with one cell replaced."""
    whole = {column.name for column in signature.columns if column.kind in ("integer", "boolean")}
    for name, values in knots_of(front).items():
        if name in whole:
            values = sorted({float(end) for value in values for end in (np.floor(value), np.ceil(value))})
        yield "knots", _with(base, name, np.array(values), random)
    for name, lane in text_lanes(front).items():
        texts = texts_of(lane, random)
        cells = np.empty(len(texts), dtype=object)
        cells[:] = texts
        yield "texts", _with(base, name, cells, random)


def _with(base: Mapping[str, np.ndarray], name: str, cells: np.ndarray, random: np.random.Generator) -> Columns:
    chosen = random.integers(0, len(base[name]), len(cells))
    found = {other: array[chosen].copy() for other, array in base.items()}
    found[name] = cells
    return found


def worded(rows: list[list[Any]], signature: Signature, front: Front | None, seed: int) -> list[list[Any]]:
    """Rows of nobody whose texts are made of terms that the front knows; the same rows where it knows none."""
    random = np.random.default_rng(seed)
    for name, lane in text_lanes(front).items():
        if isinstance(lane, Words):
            at = signature.names.index(name)
            texts = texts_of(lane, random)[len(EDGES) :]
            for number, row in enumerate(rows):
                if row[at] is not None:
                    row[at] = texts[number % len(texts)]
    return rows
