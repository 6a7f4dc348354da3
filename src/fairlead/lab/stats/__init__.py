"""Numbers about rows and about models: profiles, metrics, losses, intervals, drift distances, e-values.

Names are looked up when they are first used, so importing the room costs nothing.
A name here must differ from every module of this folder: importing a submodule
binds its name on the package and would hide the function of the same name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.lab.stats.baselines import constant_scores as constant_scores
    from fairlead.lab.stats.baselines import last_value_scores as last_value_scores
    from fairlead.lab.stats.bins import bins_for as bins_for
    from fairlead.lab.stats.bins import score_bins as score_bins
    from fairlead.lab.stats.intervals import block_bootstrap as block_bootstrap
    from fairlead.lab.stats.intervals import bootstrap as bootstrap
    from fairlead.lab.stats.intervals import metric_intervals as metric_intervals
    from fairlead.lab.stats.intervals import percentile as percentile
    from fairlead.lab.stats.intervals import resamples as resamples
    from fairlead.lab.stats.loss import loss_clip as loss_clip
    from fairlead.lab.stats.loss import losses as losses
    from fairlead.lab.stats.measures import LOWER_IS_BETTER as LOWER_IS_BETTER
    from fairlead.lab.stats.measures import class_codes as class_codes
    from fairlead.lab.stats.measures import decisions as decisions
    from fairlead.lab.stats.measures import label_text as label_text
    from fairlead.lab.stats.measures import metrics as metrics
    from fairlead.lab.stats.measures import positive_index as positive_index
    from fairlead.lab.stats.measures import weighted_metrics as weighted_metrics
    from fairlead.lab.stats.merging import merge as merge
    from fairlead.lab.stats.merging import total as total
    from fairlead.lab.stats.profile_codec import decode_profile as decode_profile
    from fairlead.lab.stats.profile_codec import decode_reference as decode_reference
    from fairlead.lab.stats.profile_codec import encode_profile as encode_profile
    from fairlead.lab.stats.profile_codec import encode_reference as encode_reference
    from fairlead.lab.stats.profiling import Profiler as Profiler
    from fairlead.lab.stats.profiling import profile as profile
    from fairlead.lab.stats.profiling import profile_batches as profile_batches
    from fairlead.lab.stats.spans import Span as Span
    from fairlead.lab.stats.spans import covered as covered
    from fairlead.lab.stats.spans import spans_of as spans_of
    from fairlead.lab.stats.spans import window_length as window_length
    from fairlead.lab.stats.tensors import with_histories as with_histories
    from fairlead.lab.stats.threads import few_threads as few_threads

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
    "with_histories": "tensors",
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
