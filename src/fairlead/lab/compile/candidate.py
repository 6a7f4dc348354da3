"""A trained model with all that a bundle says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Signature
from fairlead.runtime.native.form import Loader

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Artefact:
    """A model as bytes, should it have to run its own code. trusted: types that skops may build besides its own."""

    loader: Loader
    data: bytes
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """What `write_bundle` seals.

    pipeline: fitted sklearn estimator, its preparation included. columns: the training rows
    in the columns form. sample: some rows of the frame it was fitted on, whose dtypes are
    those it expects; None if it was fitted on `lab.tables.frame_of`. model_card: Markdown;
    empty: written from the rest. artefact: the file the pipeline was read from; None: it is written down when needed.
    """

    pipeline: Any
    signature: Signature
    lineage: Lineage
    reference: Reference
    columns: Mapping[str, np.ndarray]
    model_card: str = ""
    sample: pd.DataFrame | None = None
    name: str = "model"
    artefact: Artefact | None = None
