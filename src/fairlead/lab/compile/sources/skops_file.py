"""Files of skops, which name the types they hold before any of them is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.errors import MissingExtra, UsageError
from fairlead.lab.compile.candidate import Artefact
from fairlead.lab.compile.sources.opening import Hints, Opened, whole

if TYPE_CHECKING:
    import pandas as pd

LISTED = 20
KNOWN = frozenset(
    {
        "collections.OrderedDict", "collections.defaultdict", "numpy.dtype", "fairlead.lab.compile.times.TimeParts",
        "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor",
    }
)  # fmt: skip
"""Types whose own state is data, which skops does not know by itself."""


class SkopsFile:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return Path(where).suffix == ".skops" and Path(where).is_file()

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. Types that neither skops nor we know need `trust`, and are named."""
        try:
            from skops import io
        except ModuleNotFoundError as missing:
            raise MissingExtra("skops", "skops") from missing
        data = whole(where)
        asked = tuple(sorted(io.get_untrusted_types(data=data)))
        unknown = [name for name in asked if name not in KNOWN]
        if unknown and not hints.trust:
            listed = ", ".join(unknown[:LISTED]) + (" and more" if len(unknown) > LISTED else "")
            raise UsageError(
                f"the file holds types that may run code: {listed}. Give --trust if you know them and who wrote it."
            )
        said = "every type in the file is known to be data" if not unknown else f"built {', '.join(unknown[:LISTED])}"
        return Opened(io.loads(data, trusted=list(asked)), f"audited its types: {said}", Artefact("skops", data, asked))
