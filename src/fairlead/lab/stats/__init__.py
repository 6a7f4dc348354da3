"""Numbers about rows and about models: profiles, metrics, losses, intervals, drift distances, e-values.

Names are looked up when they are first used, so importing the room costs nothing.
A name here must differ from every module of this folder: importing a submodule
binds its name on the package and would hide the function of the same name.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE: dict[str, str] = {
    "bins_for": "bins",
    "score_bins": "bins",
    "Profiler": "profiling",
    "profile": "profiling",
    "profile_batches": "profiling",
    "merge": "merging",
    "total": "merging",
    "encode_profile": "profile_codec",
    "decode_profile": "profile_codec",
    "encode_reference": "profile_codec",
    "decode_reference": "profile_codec",
    "metrics": "measures",
    "weighted_metrics": "measures",
    "class_codes": "measures",
    "label_text": "measures",
    "decisions": "measures",
    "positive_index": "measures",
    "LOWER_IS_BETTER": "measures",
    "losses": "loss",
    "loss_clip": "loss",
    "bootstrap": "intervals",
    "block_bootstrap": "intervals",
    "metric_intervals": "intervals",
    "percentile": "intervals",
    "resamples": "intervals",
    "constant_scores": "baselines",
    "last_value_scores": "baselines",
    "Span": "spans",
    "few_threads": "threads",
    "covered": "spans",
    "spans_of": "spans",
    "window_length": "spans",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
