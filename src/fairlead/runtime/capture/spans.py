"""What the footer of a Parquet file says of its rows, so that files without any of interest stay unread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.contract import records as names
from fairlead.runtime.capture.files import read_metadata
from fairlead.runtime.capture.lazy import compute


class Span(NamedTuple):
    """Of labels or records: the smallest and largest request and key; None where a file has none."""

    requests: tuple[str, str] | None
    keys: tuple[str, str] | None


def statistics_of(path: Path, *wanted: str) -> list[list[Any]]:
    """Of each column wanted, the statistics of its row groups."""
    meta = read_metadata(path)
    place = {meta.schema.column(at).name: at for at in range(meta.num_columns)}
    groups = [meta.row_group(at) for at in range(meta.num_row_groups)]
    return [[group.column(place[name]).statistics for group in groups] for name in wanted]


def span_of(path: Path) -> Span:
    """Of a file of labels or records."""
    requests, keys = statistics_of(path, names.REQUEST, names.KEY)
    return Span(range_of(requests), range_of(keys))


def range_of(statistics: Sequence[Any]) -> tuple[str, str] | None:
    """Smallest and largest text of a column; all texts where a file does not say, None where it has no text."""
    low, high = "\U0010ffff", ""
    for one in statistics:
        if one is None or (not one.has_min_max and one.num_values):
            return "", "\U0010ffff"
        if one.has_min_max:
            low, high = min(low, one.min), max(high, one.max)
    return (low, high) if low <= high else None


def ends(texts: Any) -> tuple[str, str] | None:
    """The smallest and largest text of a column, None where it has none."""
    found = compute().min_max(texts)
    return None if found["min"].as_py() is None else (found["min"].as_py(), found["max"].as_py())


def overlap(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    """Whether texts of one may be among those of the other."""
    return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]
