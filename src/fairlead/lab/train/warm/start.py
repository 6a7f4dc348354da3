"""What is gone on from: a sealed model with its preparation, and which rows it has learned from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.train.folding import FEWEST_ROWS, Fold
from fairlead.lab.train.material import Material, strata
from fairlead.lab.train.provenance import configuration_of

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.contract.evidence import Lineage

FEWEST_FAIR = 60
"""Rows that the older model has not learned from below which nothing is compared."""
MOST_TOLD = 10


@dataclass(frozen=True)
class Start:
    """bundle: its id; name: as people call it; lineage, signature: of its manifest; front: bytes of its front.json.

    sealed: the port's artefact, or its tail. learned: rows that it learned from, where the home still has them.
    """

    bundle: str
    name: str
    lineage: Lineage
    signature: Signature
    front: bytes
    sealed: bytes
    learned: pd.DataFrame | None = None


def require_alike(start: Start, signature: Signature, settings: Settings) -> None:
    """Raises UsageError, naming what differs, where new rows cannot be prepared as the older model's were."""
    said = [*_settings_apart(start, settings), *_columns_apart(start.signature, signature)]
    if said:
        more = f"; and {len(said) - MOST_TOLD} more" if len(said) > MOST_TOLD else ""
        raise UsageError(
            f"{start.name} cannot be gone on from, as what it was prepared by is not what is asked now: "
            f"{'; '.join(said[:MOST_TOLD])}{more}. Undo that, or train anew (leave [train] warm_start or --from out)."
        )


def _settings_apart(start: Start, settings: Settings) -> list[str]:
    then = start.lineage.configuration.get("preparation", {})
    now = configuration_of(settings).get("preparation", {})
    return [f"[preparation] {key} is another one" for key in sorted({*then, *now}) if then.get(key) != now.get(key)]


def _columns_apart(then: Signature, now: Signature) -> list[str]:
    said = []
    for what, old, new in (
        ("target", then.target, now.target), ("classes", then.classes, now.classes), ("task", then.task, now.task),
        ("positive class", then.positive, now.positive), ("definition", then.definition, now.definition),
        ("timezone", then.timezone, now.timezone),
    ):  # fmt: skip
        if old != new:
            said.append(f"the {what} was {_plain(old)} and is {_plain(new)}")
    before, after = {c.name: c for c in then.columns}, {c.name: c for c in now.columns}
    said += [f"column {name} is gone" for name in before if name not in after]
    said += [f"column {name} is new" for name in after if name not in before]
    for name in before:
        if name in after and _form(before[name]) != _form(after[name]):
            said.append(f"column {name} was {_plain(_form(before[name]))} and is {_plain(_form(after[name]))}")
    if not said and then.names != now.names:
        said.append("the columns come in another order")
    return said


def _form(column: Column) -> tuple[Any, ...]:
    found = (column.kind, column.coded if column.kind == "category" else "", column.dtype, column.shape)
    return tuple(part for part in found if part)


def _plain(value: Any) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def new_categories(start: Start, signature: Signature) -> dict[str, int]:
    """By column, categories that the older model never saw: to it they are values never seen."""
    known = {column.name: set(column.categories) for column in start.signature.columns if column.kind == "category"}
    found = {c.name: len(set(c.categories) - known.get(c.name, set())) for c in signature.columns if c.name in known}
    return {name: count for name, count in found.items() if count}


def fair_rows(material: Material, start: Start) -> tuple[np.ndarray, str]:
    """Which rows the older model has not learned from, (n,), and what is known of these; "" where it is not known."""
    until = start.lineage.trained_to
    if material.times is not None and until:
        return np.asarray(material.times > until), "happened after its training ended"
    if start.learned is None:
        return np.zeros(material.rows, dtype=bool), ""
    from pandas.util import hash_pandas_object

    names = [name for name in start.learned.columns if name in material.source.columns]
    known = set(hash_pandas_object(start.learned[names].astype(str), index=False))
    mine = hash_pandas_object(material.source[names].astype(str), index=False)
    return ~mine.isin(known).to_numpy(), "are not among those it learned from"


def fair_folds(material: Material, fair: np.ndarray, count: int, seed: int) -> tuple[Fold, ...]:
    """Folds that judge fair rows alone and learn from all others: in time, from all rows before them.

    Empty where there are too few.
    """
    rows = np.flatnonzero(fair)
    if len(rows) < max(FEWEST_FAIR, 2 * count):
        return ()
    if material.times is None:
        dealt = np.full(material.rows, -1, dtype=np.int64)
        random, group, first = np.random.default_rng([seed, 41]), strata(material), 0
        for one in np.unique(group):
            members = random.permutation(np.flatnonzero(fair & (group == one)))
            dealt[members] = (np.arange(len(members)) + first) % count
            first += len(members)
        return tuple(Fold(np.flatnonzero(dealt != f), np.flatnonzero(dealt == f)) for f in range(count))
    cuts = [int(np.searchsorted(material.times, material.times[part[0]])) for part in np.array_split(rows, count)]
    edges = [*sorted({max(cut, int(rows[0])) for cut in cuts}), material.rows]
    found = [Fold(np.arange(a), np.arange(a, b)) for a, b in pairwise(edges)]
    return tuple(fold for fold in found if len(fold.fit) >= FEWEST_ROWS)
