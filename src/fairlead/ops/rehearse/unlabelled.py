"""Rows of a history whose truth never came: nothing is learnt from them or judged by them, but they are watched, as
they are live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.settings import Settings

if TYPE_CHECKING:
    from fairlead.lab.train.material import Material


@dataclass(frozen=True)
class Unlabelled:
    """columns: as `Material.columns` has them, (n,) each; frame: the same for a model; times: (n,), ascending."""

    columns: Mapping[str, np.ndarray]
    frame: Any
    times: np.ndarray


def unlabelled_of(frame: Any, settings: Settings, material: Material) -> Unlabelled | None:
    """The rows of a table that `material` left out for want of a truth; None where there are none."""
    from fairlead.lab.tables import columns_of, event_times, frame_of, open_table, target_of
    from fairlead.lab.train.material import has_truth

    if not material.unlabelled:
        return None
    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    signature, model = material.signature, settings.model
    left = np.flatnonzero(~has_truth(target_of(source, signature), signature))
    every = event_times(source, model.time_columns, model.timezone)
    left = left[np.argsort(every[left], kind="stable")]
    columns = columns_of(
        source.iloc[left].reset_index(drop=True), signature, zone=model.timezone, invalid="missing"
    )  # fmt: skip
    return Unlabelled(columns, frame_of(columns, signature), every[left])
