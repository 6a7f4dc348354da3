"""The part of a diff about why both versions answer as they do: which columns carry answers, and how far that moved."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import DeadlineExceeded, FairleadError
from fairlead.contract.evidence import Interval
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.contract.signature import Signature
    from fairlead.runtime.explain import Explainable, Explanation

ROWS, SECONDS, MOST = 300, 15.0, 20
Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


class Carried(msgspec.Struct, frozen=True):
    """One column's share of what moves the answers, and its place by it; None: it is no column of that version.

    shift: mean |difference of what it adds| over rows, with its interval, in the unit of the attributions; None where
    the two units are not the same, or not the same background can be used.
    """

    column: str
    old: float | None
    new: float | None
    old_place: int | None
    new_place: int | None
    shift: Interval | None = None


class Reasons(msgspec.Struct, frozen=True):
    """rows: attributed, the same for both. shared: whether both are told against the new one's background; scale: the
    unit of shifts, empty where there are none. agreement: rank correlation of both orders of columns.
    """

    rows: int
    shared: bool
    scale: str
    agreement: float | None
    columns: tuple[Carried, ...]
    says: str


def reasons_of_both(ws: Workspace, old: str, new: str, frame: Any) -> tuple[Reasons | None, str]:
    """Both versions' attributions of the same rows, or None and why not. frame: rows that both take; None: the
    background rows of the new one. Within about half a minute.
    """
    from fairlead.lab.tables import columns_of
    from fairlead.runtime.bundle.manifest import BACKGROUND
    from fairlead.runtime.bundle.verifying import verify
    from fairlead.runtime.explain import load
    from fairlead.runtime.explain.explaining import Explainable
    from fairlead.runtime.explain.subject import Terms, background_rows

    try:
        a, b = (load(ws.store.path(bundle), ws.trusted) for bundle in (old, new))
        shared = _takes(a.model.signature) == _takes(b.model.signature)
        behind = verify(ws.store.path(new), ws.trusted).files[BACKGROUND]
        if shared:
            files = {**verify(ws.store.path(old), ws.trusted).files, BACKGROUND: behind}
            a = Explainable(a.model, files)
        told: list[Explanation] = []
        for side in (a, b):
            signature = side.model.signature
            if frame is not None:
                rows: Any = columns_of(frame.iloc[:ROWS], signature, zone=signature.timezone, invalid="missing")
            elif shared:
                rows = background_rows(behind, signature, side.model.front.width)
            else:
                return None, "there are no rows that both take"
            told.append(side.explain_columns(rows, Terms(deadline=monotonic() + SECONDS)))
    except DeadlineExceeded:
        return None, f"attributions were not ready within {SECONDS:g} seconds"
    except FairleadError as error:
        return None, str(error)
    return _compared(a, b, told, shared), ""


def _takes(signature: Signature) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.kind) for column in signature.columns)


def _compared(a: Explainable, b: Explainable, told: list[Explanation], shared: bool) -> Reasons:
    from fairlead.lab.stats.intervals import bootstrap

    shares = [_shares(one) for one in told]
    places = [{name: at + 1 for at, name in enumerate(sorted(one, key=lambda n: (-one[n], n)))} for one in shares]
    alike = shared and told[0].scale == told[1].scale and told[0].outputs == told[1].outputs
    apart = np.abs(told[1].attributions - told[0].attributions).mean(axis=2) if alike else None
    at = {name: number for number, name in enumerate(told[1].columns)}
    found = [
        Carried(
            name,
            shares[0].get(name),
            shares[1].get(name),
            places[0].get(name),
            places[1].get(name),
            None if apart is None else bootstrap(apart[:, at[name]], draws=300),
        )
        for name in dict.fromkeys([*shares[0], *shares[1]])
    ]
    found.sort(key=lambda one: -max(one.old or 0.0, one.new or 0.0))
    both = [name for name in shares[0] if name in shares[1]]
    agreement = _ranks_agree([shares[0][n] for n in both], [shares[1][n] for n in both])
    return Reasons(
        rows=len(told[1].margins),
        shared=shared,
        scale=told[1].scale if alike else "",
        agreement=agreement,
        columns=tuple(found[:MOST]),
        says=_says(found),
    )


def _shares(one: Explanation) -> dict[str, float]:
    sizes = np.abs(one.attributions).mean(axis=(0, 2))
    total = float(sizes.sum()) or 1.0
    return {name: float(size) / total for name, size in zip(one.columns, sizes, strict=True)}


def _ranks_agree(old: list[float], new: list[float]) -> float | None:
    if len(old) < 3:
        return None
    ranks = [np.argsort(np.argsort(np.array(side), kind="stable"), kind="stable") for side in (old, new)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _says(found: list[Carried]) -> str:
    first = {c.column for c in found if c.old_place == 1}, {c.column for c in found if c.new_place == 1}
    gone = [c.column for c in found if c.new_place is None and c.old]
    come = [c.column for c in found if c.old_place is None and c.new]
    words = []
    if first[0] and first[1]:
        (old,), (new,) = first
        words.append(f"{new} carries most in both" if old == new else f"{new} carries most, before it was {old}")
    words += [f"{', '.join(gone)} no longer asked for"] if gone else []
    words += [f"{', '.join(come)} new"] if come else []
    return "; ".join(words)


def lines_of(found: Reasons | None) -> list[Table]:
    """A table for people: title, heads, rows."""
    if found is None:
        return []
    behind = "against the new one's background" if found.shared else "each against its own background"
    title = f"Explanations: share of what moves the answer, {found.rows:,} rows, {behind}"
    unit = f"shift, {found.scale}" if found.scale else "shift"
    rows: list[tuple[str, ...]] = [
        (one.column, _share(one.old), _share(one.new), _place(one),
         "–" if one.shift is None else f"{one.shift.value:.3g} [{one.shift.low:.3g}, {one.shift.high:.3g}]")
        for one in found.columns
        if (one.old or 0.0) >= 0.005 or (one.new or 0.0) >= 0.005
    ]  # fmt: skip
    return [(title, ("column", "old", "new", "place", unit), rows)]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _place(one: Carried) -> str:
    if one.old_place is None or one.new_place is None:
        return f"{one.old_place or '–'} → {one.new_place or '–'}"
    return str(one.new_place) if one.old_place == one.new_place else f"{one.old_place} → {one.new_place}"
