"""Which answers a model leaves to people: those whose label it gives a probability below its sealed confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature

Floats = npt.NDArray[np.float64]


class Abstaining:
    """Of a signature that has a confidence. A row keeps its label and scores either way: a person may see them."""

    def __init__(self, signature: Signature) -> None:
        self._place = {name: at for at, name in enumerate(signature.classes)}
        self._confidence = signature.confidence

    def of(self, labels: Sequence[str], scores: Sequence[Sequence[float]]) -> list[bool]:
        """Whether the model abstains, an entry a row. labels: as decided; scores: a list a row."""
        place, confidence = self._place, self._confidence
        return [row[place[label]] < confidence for label, row in zip(labels, scores, strict=True)]

    def of_columns(self, decided: npt.NDArray[np.intp], scores: Floats) -> npt.NDArray[np.bool_]:
        """As `of` for many rows. decided: (n,) positions of the labels; scores: (n, k)."""
        found: npt.NDArray[np.bool_] = scores[np.arange(len(scores)), decided] < self._confidence
        return found


def abstaining(signature: Signature) -> Abstaining | None:
    """None for a model that answers every row."""
    return Abstaining(signature) if signature.confidence > 0.0 and signature.task == "classification" else None
