"""What is settled between the search and the seal: calibration, threshold and abstention, from out-of-fold scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from fairlead.contract.decisions import AbstentionFound, CalibrationFound, Decisions, SearchFound, ThresholdFound
from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import TrainSettings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.blocks import Block, block_among
from fairlead.lab.stats.measures import Floats, positive_index
from fairlead.lab.train import abstaining, calibrating, thresholds
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.material import Material
from fairlead.runtime.bundle.calibration import Calibration


@dataclass(frozen=True)
class Settled:
    """signature: with threshold and confidence. answers: out-of-fold scores as they will be answered, (rows, outputs).

    calibration: to be sealed; None: scores stay as they are. found: the evidence, None where nothing was to settle.
    """

    signature: Signature
    answers: Floats
    calibration: Calibration | None = None
    found: Decisions | None = None

    def answered(self, scores: Floats) -> Floats:
        """Raw scores as the sealed model gives them."""
        return scores if self.calibration is None else self.calibration.reference(scores)

    def with_search(self, honest: SearchFound | None) -> Settled:
        """With what nested cross-validation found, if it was asked for."""
        if honest is None:
            return self
        return replace(self, found=msgspec.structs.replace(self.found or Decisions(), search=honest))


def settle(material: Material, folds: Sequence[Fold], answers: Floats, rules: TrainSettings, block: Block) -> Settled:
    """Settle what `[train]` asks for. answers: out-of-fold scores (rows, outputs), NaN in rows that no fold judged.

    block: rows that intervals draw together. Raises ConfigInvalid for what this task cannot have.
    """
    signature = material.signature
    check(signature, rules)
    if signature.task != "classification":
        return Settled(signature, answers)
    codes = material.codes()
    calibration: Calibration | None = None
    told: CalibrationFound | None = None
    shown = answers
    if rules.calibrate is not False:
        judged = [fold.judge for fold in folds]
        calibration, shown, told = calibrating.settle(
            str(rules.calibrate), answers, codes, judged, timed=material.times is not None, seed=rules.seed, block=block
        )
    rows = np.flatnonzero(np.isfinite(shown).all(axis=1) & (codes >= 0))
    signature, chosen = _threshold(material, signature, shown, rows, rules, block)
    abstained: AbstentionFound | None = None
    if rules.abstain:
        ((rule, wanted),) = rules.abstain.items()
        abstained = abstaining.settle(rule, wanted, shown[rows], codes[rows], signature)
        signature = msgspec.structs.replace(signature, confidence=abstained.confidence)
    return Settled(signature, shown, calibration, Decisions(told, chosen, abstained))


def with_signature(material: Material, signature: Signature) -> Material:
    """The same rows under the settled signature."""
    return replace(material, signature=signature)


def check(signature: Signature, rules: TrainSettings) -> None:
    """Raises ConfigInvalid where the task or its classes leave nothing to settle."""
    two = signature.task == "classification" and len(signature.classes) == 2 and signature.positive is not None
    for key, asked in (("threshold", rules.threshold is not None), ("costs", bool(rules.costs))):
        if asked and not two:
            what = f"needs a target of two classes; this is a {signature.task}"
            what += f" of {len(signature.classes)}." if signature.classes else "."
            raise ConfigInvalid(what, file="fairlead.toml", key=f"train.{key}", cure="Take it out.")
    if signature.task != "classification":
        for key, asked in (("abstain", bool(rules.abstain)), ("calibrate", rules.calibrate not in ("auto", False))):
            if asked:
                raise ConfigInvalid(
                    f"needs probabilities, which a {signature.task} does not give.",
                    file="fairlead.toml", key=f"train.{key}", cure="Take it out.",
                )  # fmt: skip


def _threshold(
    material: Material, signature: Signature, scores: Floats, rows: np.ndarray, rules: TrainSettings, block: Block
) -> tuple[Signature, ThresholdFound | None]:
    rule = rules.threshold
    if not rules.costs and rule is None:
        return signature, None
    positive = positive_index(signature)
    p, event = scores[rows, positive], material.codes()[rows] == positive
    block = block_among(block, rows)
    if rules.costs:
        costs = thresholds.costs_of(rules.costs, event, material.source.iloc[rows])
        found = thresholds.by_cost(p, event, costs, seed=rules.seed, block=block)
    elif isinstance(rule, float):
        found = thresholds.by_hand(p, event, rule)
    elif rule == "f1":
        found = thresholds.by_f1(p, event, seed=rules.seed, block=block)
    else:
        assert isinstance(rule, dict)
        ((name, wanted),) = rule.items()
        by = thresholds.by_precision if name == "precision" else thresholds.by_recall
        found = by(p, event, wanted)
    return msgspec.structs.replace(signature, threshold=found.threshold.value), found
