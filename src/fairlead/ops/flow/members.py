"""Rows that a model learned from, as far as the home still has them: for what the model gives away of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

MOST = 2000


def members_of(ws: Workspace, bundle: str) -> pd.DataFrame | None:
    """At most 2,000 rows that it learned from, drawn by the project's seed; None when they are not at hand."""
    frame = learned_rows(ws, bundle)
    if frame is None:
        return None
    random = np.random.default_rng([ws.settings.train.seed, 37])
    chosen = np.sort(random.permutation(np.arange(len(frame)))[:MOST])
    return frame.iloc[chosen].reset_index(drop=True)


def learned_rows(ws: Workspace, bundle: str) -> pd.DataFrame | None:
    """The rows that it learned from; None when they are not at hand.

    They are the rows of its training table that are not among those kept for judging; a row that is equal to one of
    these is left out, too.
    """
    from pandas.util import hash_pandas_object

    from fairlead.ops.flow.making import kept, kept_rows

    remembered = kept(ws, bundle)
    signature = ws.load(bundle).signature
    if remembered is None or any(column.kind == "tensor" for column in signature.columns):
        return None
    try:
        frame = kept_rows(ws, ws.load(bundle).manifest.lineage.data)
        holdout = kept_rows(ws, remembered.holdout)
    except UsageError:
        return None
    shared = [name for name in frame.columns if name in holdout.columns]
    judged = set(hash_pandas_object(holdout[shared].astype(str), index=False))
    hashes = hash_pandas_object(frame[shared].astype(str), index=False)
    learned = np.flatnonzero(~hashes.isin(judged).to_numpy())
    return frame.iloc[learned].reset_index(drop=True) if len(learned) else None


def known_to_ranking(ws: Workspace, bundle: str) -> pd.DataFrame | None:
    """Target, group and item of the rows that a ranking learned from; None of other models."""
    signature = ws.load(bundle).signature
    frame = None if signature.group is None else learned_rows(ws, bundle)
    if frame is None:
        return None
    wanted = (signature.target, signature.group, signature.item)
    return frame[[name for name in wanted if name in frame.columns]]
