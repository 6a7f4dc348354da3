"""What weights do to probabilities, told to whoever asked for them."""

from __future__ import annotations

from fairlead.contract.decisions import Decisions
from fairlead.contract.settings import Settings


def weighing_notes(settings: Settings, decisions: Decisions | None) -> tuple[str, ...]:
    """A sentence where a classification learned from rows or classes of unequal weight; none otherwise.

    Such a model answers with shares among weighted rows. Calibration is settled by rows that all count alike, so what
    is calibrated answers with shares of what happens, and the weights are left with the order of the rows alone.
    """
    rules = settings.train
    asked = [key for key in ("class_weight", "weight") if getattr(rules, key) is not None]
    if not asked or settings.model.task != "classification":
        return ()
    named = " and ".join(f"[train] {key}" for key in asked)
    moved = f"{named} moved the probabilities towards what weighs more"
    if rules.calibrate is False:
        return (f"{moved}, and calibration is off: they are shares among weighted rows, not of what happens",)
    found = None if decisions is None else decisions.calibration
    if found is not None and found.method:
        return (
            f"{moved}; calibration ({found.method}, on unweighted rows) brought them back to shares of what happens",
        )
    return (
        f"{moved}, and no calibration surely helped: take them for shares among weighted rows, or set [train] "
        "calibrate to a way; thresholds by [train] costs need shares of what happens",
    )
