"""A trained model with all that a bundle says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Reference
from fairlead.contract.settings import CardSettings
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.calibration import Calibration
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
    calibration: of the pipeline's probabilities, to be sealed beside it. card: what people state about its use.
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
    calibration: Calibration | None = None
    card: CardSettings = field(default_factory=CardSettings)

    @property
    def answering(self) -> Any:
        """The pipeline, its probabilities calibrated if they are to be."""
        return self.pipeline if self.calibration is None else CalibratedPipeline(self.pipeline, self.calibration)


class CalibratedPipeline:
    """A fitted pipeline whose probabilities are calibrated by numpy: what a certificate compares with."""

    def __init__(self, pipeline: Any, calibration: Calibration) -> None:
        self._pipeline, self._calibration = pipeline, calibration

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def predict_proba(self, features: Any) -> np.ndarray:
        """Calibrated probabilities, shape (n, classes)."""
        return self._calibration.reference(self._pipeline.predict_proba(features))
