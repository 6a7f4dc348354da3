"""Pickles, written by joblib or by pickle itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.lab.compile.candidate import Artefact
from fairlead.lab.compile.sources.opening import Hints, Opened, needs_trust, whole

if TYPE_CHECKING:
    import pandas as pd


class JoblibFile:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return Path(where).suffix in (".joblib", ".pkl", ".pickle") and Path(where).is_file()

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source."""
        if not hints.trust:
            raise needs_trust("a joblib file or pickle")
        import joblib

        data = whole(where)
        return Opened(joblib.load(io.BytesIO(data)), "opened the pickle, which ran its code", Artefact("joblib", data))
