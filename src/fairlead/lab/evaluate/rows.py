"""The rows a bundle is judged on: answers of the sealed model beside the truth, in time order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.blocks import Block, group_blocks
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.ranking import group_codes, whole_codes
from fairlead.lab.stats.spans import block_rows

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.runtime.bundle import Model


@dataclass(frozen=True)
class Judged:
    """Labelled rows, oldest first where there is time. scores: (n, outputs), loss: (n,), of the sealed model.

    block: what intervals draw together: neighbours in time, or of a ranking whole groups.
    """

    model: Model
    signature: Signature
    source: pd.DataFrame
    columns: dict[str, Any]
    truth: np.ndarray
    times: Floats | None
    scores: Floats
    loss: Floats
    clip: float
    block: Block
    unlabelled: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def answered_by(self, model: Model) -> Floats:
        """Scores of another sealed model for the same rows. Its columns must be among these rows' columns."""
        from fairlead.lab.tables import columns_of

        columns = columns_of(self.source, model.signature, zone=model.signature.timezone, invalid="missing")
        return np.asarray(model.score_columns(columns), dtype=np.float64)

    def with_clip(self, clip: float) -> Judged:
        """The same with losses by another clip."""
        found = losses(self.signature.task, self.truth, self.scores, self.signature, clip)
        return replace(self, loss=found, clip=clip)


def judged_rows(model: Model, frame: Any, settings: Settings, times: Floats | None = None) -> Judged:
    """The labelled rows of `frame`, answered. Raises InputInvalid when none has a truth, ColumnMissing, CellInvalid."""
    from fairlead.lab.tables import columns_of, event_times, open_table, target_of

    rules = settings.model
    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    signature = model.signature
    if not signature.target:
        signature = msgspec.structs.replace(signature, target=rules.target)
    truth = target_of(source, signature)
    known = np.flatnonzero(
        np.array([v is not None for v in truth]) if signature.task == "classification" else np.isfinite(truth)
    )
    if not len(known):
        raise InputInvalid(f"no row to judge on has a usable value in the target column {signature.target!r}")
    if times is None and rules.time_columns and set(rules.time_columns) <= set(source.columns):
        times = event_times(source, rules.time_columns, rules.timezone)
    if times is not None:
        known = known[np.argsort(times[known], kind="stable")]
        times = times[known]
    chosen = source.iloc[known].reset_index(drop=True)
    columns = columns_of(chosen, signature, zone=rules.timezone, invalid="missing")
    scores = np.asarray(model.score_columns(columns), dtype=np.float64)
    clip = model.reference.loss_clip
    truth = truth[known]
    block: Block = block_rows(len(known), times, settings.monitor.window)
    if signature.group is not None and signature.group in chosen.columns:
        block = group_blocks(whole_codes(group_codes(chosen[signature.group])), int(block))
    return Judged(
        model=model,
        signature=signature,
        source=chosen,
        columns=columns,
        truth=truth,
        times=times,
        scores=scores,
        loss=losses(signature.task, truth, scores, signature, clip),
        clip=clip,
        block=block,
        unlabelled=len(source) - len(known),
    )
