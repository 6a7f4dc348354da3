"""What the watcher sees in a replay: the reference of each release, and each window's inputs against it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import Profile, Reference
from fairlead.ops.monitor.drift import check_drift
from fairlead.ops.monitor.quality import check_quality
from fairlead.ops.monitor.thresholds import Thresholds, calibrate
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.models import Key, Models, fit_rows, score_rows

MOST_BLOCKS = 400


def first_reference(history: History, models: Models) -> Reference:
    """The reference of the first release, made as training makes it: windows judged by what came before them."""
    from fairlead.lab.train.folding import Fold
    from fairlead.lab.train.promise import reference_of

    rows = history.rows(0, history.learnt - 1)
    material = history.material.take(rows)

    def answer(fold: Fold) -> np.ndarray:
        pipeline = fit_rows(history, fold.fit, models.learner, models.parameters, False)
        return score_rows(history, pipeline, fold.judge)

    folded = np.full((material.rows, len(material.signature.outputs)), np.nan)
    return reference_of(material, history.settings.monitor.window, answer, folded)


class Watcher:
    """Profiles of windows and days, each counted once, and thresholds by the windows a model learnt from."""

    def __init__(self, history: History, models: Models, first: Reference) -> None:
        self.history, self.models, self.first = history, models, first
        self.first_key: Key = (0, history.learnt - 1)
        self._bins = [c.bins for c in first.profile.columns]
        self._score_bins = [c.bins for c in first.profile.scores]
        self._windows: dict[int, Profile] = {}
        self._known: dict[Key, tuple[Reference, Thresholds]] = {
            self.first_key: (first, calibrate(first, history.settings))
        }
        self._days: list[tuple[int, Profile]] | None = None

    def findings(self, key: Key, window: int) -> list[Finding]:
        """Quality and drift of a window (position) against the reference of the model that answered it."""
        reference, thresholds = self._reference(key)
        seen = self._profile(window)
        if key == self.first_key:
            seen = self._with_scores(key, window, seen)
        name = self.history.settings.model.name
        found = check_quality(seen, reference, thresholds, model=name, window=window)
        return found + check_drift(seen, reference, thresholds, model=name, window=window)

    def calibrating(self, key: Key) -> bool:
        """Whether the reference of that model is too short for drift to be judged."""
        return self._reference(key)[1].calibrating

    def _columns(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[rows] for name, values in self.history.material.columns.items()}

    def _profile(self, window: int) -> Profile:
        from fairlead.lab.stats import profile

        if window not in self._windows:
            slot = self.history.slots[window]
            columns = self._columns(self.history.rows(window, window))
            self._windows[window] = profile(columns, self._bins, start=slot.start, end=slot.end, gram=False)
        return self._windows[window]

    def _with_scores(self, key: Key, window: int, seen: Profile) -> Profile:
        from fairlead.lab.stats import profile

        scores = self.models.answers(key, window).scores
        found: Profile = profile(
            self._columns(self.history.rows(window, window)), self._bins, scores=scores,
            score_bins=self._score_bins, start=seen.start, end=seen.end, gram=False,
        )  # fmt: skip
        return found

    def _reference(self, key: Key) -> tuple[Reference, Thresholds]:
        from fairlead.lab.stats import total

        if key not in self._known:
            first, last = self.history.slots[key[0]].first, self.history.slots[key[1]].last
            blocks = tuple(p for at, p in self._blocks() if first <= at < last)
            reference = Reference(total(blocks), blocks[-MOST_BLOCKS:])
            self._known[key] = reference, calibrate(reference, self.history.settings)
        return self._known[key]

    def _blocks(self) -> list[tuple[int, Profile]]:
        """First row and profile of each day of the history (of each window, where windows are shorter)."""
        from fairlead.lab.stats import profile

        if self._days is None:
            times = self.history.times
            day = np.floor(times / min(DAY, max(self.history.window_s, 1.0))).astype(np.int64)
            cuts = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), len(times)]
            self._days = []
            for a, b in pairwise(cuts):
                columns = self._columns(np.arange(a, b))
                start, end = float(times[a]), float(times[b - 1])
                self._days.append((a, profile(columns, self._bins, start=start, end=end, gram=False)))
        return self._days
