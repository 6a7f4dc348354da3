"""A model that learns label by label (`[retrain] online`), lived through beside the policies."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from fairlead.ops.project.triggers import parse_trigger
from fairlead.ops.rehearse.history import History

NAME = "online"
STEP = 100
USUAL_ROWS = 1_000


def along(history: History) -> np.ndarray:
    """Errors of its versions, (windows lived through with labels, 2): sums of errors and rows.

    Rows are answered by the version that was sealed last, which knows the labels that had come by then
    (`monitor.label_delay`), every `[retrain] seal` labels. Each version answers at once: no gate, no trial.
    """
    from fairlead.lab.stats import class_codes
    from fairlead.lab.stats.measures import decisions
    from fairlead.lab.stats.pinball import errors_of
    from fairlead.lab.train.fitting import scores_of
    from fairlead.lab.train.streaming.learning import Learning

    settings, material, times = history.settings, history.material, history.times
    signature = material.signature
    # As the first release of every policy: what lies before is told.
    known = history.slots[history.learnt].first
    learning = Learning.begin(material.source.iloc[:known], settings, settings.retrain.online)
    sealed, every = copy.deepcopy(learning.pipeline), _rows_of(settings)
    newest, found = known, dict[int, Any]()
    for window in history.live:
        slot = history.slots[window]
        lost = []
        for first in range(slot.first, slot.last, STEP):
            last = min(first + STEP, slot.last)
            told = int(np.searchsorted(times, times[first] - history.delay, side="left"))
            while known < told:
                upto = min(told, newest + every)
                learning.learn(material.source.iloc[known:upto])
                known = upto
                if known - newest >= every:
                    sealed, newest = copy.deepcopy(learning.pipeline), known
            scores = scores_of(sealed, material.frame.iloc[first:last], signature)
            truth = material.truth[first:last]
            if signature.classes:
                lost.append(
                    np.asarray(decisions(scores, signature) != class_codes(truth, signature.classes), dtype=float)
                )
            else:
                lost.append(errors_of(truth.astype(np.float64), scores[:, 0], signature))
        found[window] = (float(np.concatenate(lost).sum()) if lost else 0.0, slot.rows)
    return np.asarray([found[window] for window in history.judged])


def _rows_of(settings: Any) -> int:
    rows = [trigger.rows for trigger in map(parse_trigger, settings.retrain.seal) if trigger.rows]
    return min(rows, default=USUAL_ROWS)
