"""The report's part about how a bundle comes to its answers, on the rows that it is judged on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.contract.errors import NotOffered
from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.evaluate.explaining.reported import Explanations

EXPLAINED = ("classification", "regression")


def explanations_of(ws: Workspace, bundle: str, frame: pd.DataFrame) -> Explanations | None:
    """None where `[evaluate] explanations` is false, or the task has no truth that rows could be most wrong about.

    frame: rows with the target.
    """
    asked = ws.settings.evaluate.explanations
    if asked is False or ws.settings.model.task in UNSUPERVISED or ws.settings.model.task not in EXPLAINED:
        return None
    from fairlead.lab.evaluate.explaining.reported import Explanations, explanations
    from fairlead.lab.evaluate.rows import judged_rows
    from fairlead.runtime.explain import load

    try:
        explainable = load(ws.store.path(bundle), ws.trusted)
    except NotOffered as why:
        return Explanations(why=str(why))
    judged = judged_rows(explainable.model, frame, ws.settings)
    return explanations(explainable, judged, rows=asked is True, hidden=ws.settings.capture.redact)


def gradient_files(ws: Workspace, bundle: str) -> dict[str, bytes] | None:
    """The bundle's files, verified, where `[evaluate] attacks` follows its gradient."""
    if not ws.settings.evaluate.robustness or "fgsm" not in ws.settings.evaluate.attacks:
        return None
    from fairlead.runtime.bundle import verify

    return dict(verify(ws.store.path(bundle), ws.trusted).files)
