"""A first contract from what a model was trained on: what stands in it was true of those rows, with room."""

from __future__ import annotations

import math
from typing import Any

from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.contract.signature import Column, Signature

MOST_LISTED = 40
"""Categories that a begun contract closes a column to; a column with more of them is left open."""

ROOM = 0.25
"""Part of the range seen that values may lie beyond it."""

FEW_WHOLE = 31
"""Span of whole numbers up to which they get no room."""

HEAD = """\
# What is expected of the rows that {model} meets. Begun from the {rows} rows it was trained on: read it, and make it
# yours. Change `version` whenever anything else here changes. Every key: docs/how-to/data-contract.md.
#
# A broken rule is told when a window is watched (`fairlead watch`), whatever the budget of false alarms.
# at_door: what the server does with a row that breaks range, categories, pattern or "never missing":
#   count (the default): answers it and counts it in /metrics; refuse: answers 422; leave: does not look.
version: "1"
about: {about}
other_columns: allow     # or break: a table with more columns than these breaks it
"""

TAIL = """
# relations:             # between two numbers of a row
#   - casual <= cnt
# freshness: 2h          # longest time without a row
# volume:
#   per: hour            # or day
#   at_least: 1
#   at_most: 5000
"""


def written(model: str, signature: Signature, reference: Reference) -> str:
    """The text of a contract for a model."""
    about = scalar(f"rows that {model} answers")
    lines = [HEAD.format(model=model, rows=f"{reference.profile.rows:,}", about=about), "columns:"]
    profiles = {column.bins.name: column for column in reference.profile.columns}
    for column in signature.columns:
        if column.kind != "tensor":
            lines += _column(column, profiles.get(column.name), _means(reference.blocks, column.name))
    return "\n".join(lines) + "\n" + TAIL


def scalar(value: Any) -> str:
    """A word or number as YAML writes it on one line, in quotes where it must be."""
    import yaml

    style = '"' if isinstance(value, str) else None
    text: str = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...").removesuffix("\n")


def _column(column: Column, seen: ColumnProfile | None, means: tuple[float, float] | None) -> list[str]:
    lines = [f"  {scalar(column.name)}:", f"    kind: {column.kind}"]
    if seen is None or not seen.rows:
        return lines
    share = seen.missing / seen.rows
    if not seen.missing:
        lines.append("    missing: 0           # none of the rows trained on lacked it")
    else:
        lines.append(f"    missing: {min(_up(2.0 * share + 0.02, 2), 1.0):g}        # largest share; {share:.1%} seen")
    if column.numeric and column.low is not None and column.high is not None:
        if column.kind == "boolean":
            return lines
        low, high = _roomy(column)
        lines.append(f"    range: [{_plain(low)}, {_plain(high)}]    # seen: {column.low:.6g} to {column.high:.6g}")
        lines.append("    # tolerate: 0.01     # share of rows that may break a rule of this column")
        if means is not None and column.kind != "time":
            lines.append(f"    # mean: [{means[0]:.4g}, {means[1]:.4g}]    # of the days (or 500 rows) seen")
    elif column.categories and column.kind == "category":
        if len(column.categories) <= MOST_LISTED:
            lines.append(f"    categories: [{', '.join(scalar(value) for value in column.categories)}]")
        else:
            lines.append(f"    # categories: [...]  # {len(column.categories)} seen, too many to list")
    lines.append("    # at_door: refuse")
    return lines


def _roomy(column: Column) -> tuple[float, float]:
    assert column.low is not None
    assert column.high is not None
    span = column.high - column.low
    # Hours, months, flags: few whole numbers are all there are.
    room = 0.0 if column.kind == "integer" and span <= FEW_WHOLE else ROOM * (span or abs(column.high) or 1.0)
    low, high = column.low - room, column.high + room
    # What was never negative is taken to be a count, an amount, a share.
    low = 0.0 if column.low >= 0.0 > low else low
    if column.kind == "integer":
        return math.floor(low), math.ceil(high)
    return float(f"{low:.4g}") if low else 0.0, float(f"{high:.4g}")


def _plain(value: float) -> str:
    """A number that YAML 1.1 reads as one: it takes 1e+06 for a word."""
    text = f"{value:.10g}"
    return f"{value:.1f}" if "e" in text else text


def _up(value: float, digits: int) -> float:
    return float(math.ceil(value * 10**digits)) / float(10**digits)


def _means(blocks: tuple[Profile, ...], name: str) -> tuple[float, float] | None:
    """Least and greatest mean of the blocks seen."""
    found = []
    for block in blocks:
        column = next((one for one in block.columns if one.bins.name == name), None)
        if column is not None and column.rows - column.missing >= 10 and not column.bins.categories:
            found.append(column.bins.shift + column.bins.scale * column.z / (column.rows - column.missing))
    rounded = [float(f"{one:.12g}") if abs(one) > 1e-12 else 0.0 for one in found]
    return (min(rounded), max(rounded)) if len(found) >= 2 else None
