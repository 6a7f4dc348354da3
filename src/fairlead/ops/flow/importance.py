"""How much of a model's answers each column carries: permutation over the bundle's background, kept once per bundle."""

from __future__ import annotations

import contextlib

import msgspec
import numpy as np

from fairlead.contract.errors import FairleadError
from fairlead.ops.flow.workspace import Workspace

SHUFFLES = 3


def importance_of(ws: Workspace, bundle: str) -> dict[str, float]:
    """Shares by column, which add to 1; empty for models without a background, or that no column moves.

    How far the answers move, on average, when one column's cells are dealt to other rows.
    Source: Breiman, Random Forests (2001), with answers in the place of errors, as no truth is sealed.
    """
    name = f"importance:{bundle}"
    kept = ws.state.get(name)
    if kept is not None:
        return msgspec.json.decode(kept, type=dict[str, float])
    found: dict[str, float] = {}
    # What cannot be measured of this form of model is kept as such: it would not go better the next time.
    with contextlib.suppress(FairleadError, KeyError, AttributeError):
        found = measured(ws, bundle)
    ws.state.put(name, msgspec.json.encode(found))
    return found


def measured(ws: Workspace, bundle: str) -> dict[str, float]:
    """See `importance_of`. Raises BundleRefused for a bundle without a background."""
    from fairlead.runtime.bundle import verify
    from fairlead.runtime.bundle.manifest import BACKGROUND
    from fairlead.runtime.explain.subject import background_rows

    model = ws.load(bundle)
    files = verify(ws.store.path(bundle), ws.trusted).files
    columns = background_rows(files[BACKGROUND], model.signature, model.front.width)
    usual = model.score_columns(columns)
    rng = np.random.default_rng(0)
    moved: dict[str, float] = {}
    for name, cells in columns.items():
        total = 0.0
        for _ in range(SHUFFLES):
            dealt = model.score_columns({**columns, name: np.asarray(cells)[rng.permutation(len(cells))]})
            total += float(np.nan_to_num(np.abs(dealt - usual)).mean())
        moved[name] = total
    whole = sum(moved.values())
    return {name: value / whole for name, value in moved.items()} if whole > 0 else {}
