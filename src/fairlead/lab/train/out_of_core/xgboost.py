"""XGBoost on every row, by its external memory: binned pages on the disk, read as trees grow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.out_of_core.stored import Part


class StreamedXGBoost:
    """Port `streamed`: of XGBRegressor and our LabelledBooster. Needs the extra `boosting`."""

    how = "XGBoost's external memory: every row, binned in pages on the disk"
    start: bytes | None = None
    """A booster to go on from, as XGBoost saves it."""

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed."""
        # Gradients and margins of every row stay in memory.
        needed = 24 * rows * max(1, outputs if outputs > 2 else 1)
        return f"XGBoost keeps {needed >> 20:,} MB of gradients in memory" if needed > memory else None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        xgboost = library("xgboost", "boosting")
        labelled = bool(classes)
        model = xgboost.XGBClassifier(**estimator.parameters) if labelled else estimator
        rules = {k: v for k, v in model.get_xgb_params().items() if v is not None and k != "callbacks"}
        if labelled:
            more = {"num_class": len(classes)} if len(classes) > 2 else {}
            rules |= {"objective": "multi:softprob" if more else "binary:logistic", **more}
        with tempfile.TemporaryDirectory(dir=stream.folder) as folder:
            pages = xgboost.ExtMemQuantileDMatrix(
                _pages(xgboost, stream, f"{folder}/page"), nthread=1, max_bin=rules.get("max_bin", 256)
            )
            booster = xgboost.train(
                rules, pages, num_boost_round=model.get_num_boosting_rounds(),
                xgb_model=None if self.start is None else bytearray(self.start),
            )  # fmt: skip
            # The pages are mapped: they go before their folder does.
            del pages
        model.load_model(bytearray(booster.save_raw("ubj")))
        if not labelled:
            return model
        estimator.classes_, estimator.booster_ = np.array(list(classes)), model
        estimator.n_features_in_ = stream.width
        return estimator


def _pages(xgboost: Any, stream: Any, prefix: str) -> Any:
    class Pages(xgboost.DataIter):  # type: ignore[misc]
        """The rows as XGBoost asks for them: again and again, from the start."""

        def __init__(self) -> None:
            super().__init__(cache_prefix=prefix, on_host=False)
            self._left: Iterator[Part] = iter(())
            self.reset()

        def reset(self) -> None:
            self._left = stream.parts()

        def next(self, input_data: Any) -> bool:
            part = next(self._left, None)
            if part is None:
                return False
            more = {} if part.weights is None else {"weight": part.weights}
            input_data(data=part.features, label=part.truth, **more)
            return True

    return Pages()
