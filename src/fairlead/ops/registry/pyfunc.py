"""What MLflow calls to load a bundle (`loader_module` of its MLmodel)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.ops.registry.mlmodel import SIGNER
from fairlead.runtime.wire.answer_columns import decided_in, score_columns

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.runtime.bundle import Model


class Answers:
    """A sealed model in MLflow's form: the same arithmetic, the same answers."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Classification: `label` and a float column a class; clustering: `cluster` and a column a membership; anomaly:
        `anomaly` (bool) and `score`; forecasting: `t+1` ...; regression: `value`. One line a row, the index kept.

        Columns that are not features are ignored, as targets and keys often come along.
        Raises ColumnMissing, CellInvalid.
        """
        import pandas as pd

        from fairlead.lab.tables import columns_of

        rows = model_input if hasattr(model_input, "columns") else pd.DataFrame(model_input)
        signature = self.model.signature
        scores = np.asarray(
            self.model.score_columns(columns_of(rows, signature, zone=signature.timezone)), dtype=np.float64
        )
        columns: dict[str, Any] = {}
        if signature.task == "anomaly":
            columns["anomaly"] = scores[:, 0] > signature.threshold
        elif signature.labels:
            columns[decided_in(signature)] = self.model.decide(scores)
        columns |= {name: scores[:, i] for i, name in enumerate(score_columns(signature))}
        return pd.DataFrame(columns, index=rows.index)


def _load_pyfunc(data_path: str) -> Answers:
    """The bundle at `data_path`, verified against the signer that was recorded when it was registered.

    That key lies beside the bundle, so it shows that nothing was changed since, not who sealed it: for that,
    `fairlead inspect` with keys you trust. Raises BundleRefused.
    """
    from fairlead.runtime.bundle import load

    folder = Path(data_path)
    signer = (folder.parent / SIGNER).read_text().strip()
    return Answers(load(folder, (signer,)))
