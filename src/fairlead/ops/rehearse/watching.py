"""What the watcher sees in a replay: the reference of each release, and each window looked at by the checks that look
at it live."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Profile, Reference
from fairlead.ops.monitor import Looked, Rows, Seen, Traffic, look
from fairlead.ops.monitor.causes import explain
from fairlead.ops.monitor.identity import carry
from fairlead.ops.monitor.promise import Promise, step
from fairlead.ops.monitor.seen import Moment
from fairlead.ops.monitor.thresholds import Thresholds, calibrate
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.models import Key, Models
from fairlead.ops.rehearse.unlabelled import Unlabelled

if TYPE_CHECKING:
    from fairlead.lab.stats.merging import Totals

MOST_BLOCKS = 400
EARLIER = 64
METRIC_DRAWS = 200

LABELLESS = ("labels_late",)
"""Checks of labels that say something of windows without any, as live (`flow.closing.score`)."""

Champion = tuple[Key, bool]


def first_reference(history: History, models: Models) -> Reference:
    """The reference of the first release, made as training makes it: windows judged by what came before them."""
    from fairlead.lab.train.promise import reference_of

    rows = history.rows(0, history.learnt - 1)
    material = history.material.take(rows)
    folded = np.full((material.rows, len(material.signature.outputs)), np.nan)
    return reference_of(material, history.settings.monitor.window, models.held_out, folded)


@dataclass
class Watch:
    """What watching one champion after another has come to: findings that are open, what checks remember, windows.

    promise: what the first release is held to. inputs, labels: open findings of each moment. remembered: a name of the
    memories and of the windows before, different where those are. windows: those looked at,
    oldest first, at most as many as checks are told of. explained: whether findings name their causes, by which they
    are grouped into incidents.
    """

    promise: Promise
    inputs: list[Finding] = field(default_factory=list)
    labels: list[Finding] = field(default_factory=list)
    memories: dict[str, Any] = field(default_factory=dict)
    remembered: str = ""
    windows: list[Window] = field(default_factory=list)
    explained: bool = False

    def copy(self) -> Watch:
        """The same, to be taken further apart from this one."""
        return replace(
            self, inputs=list(self.inputs), labels=list(self.labels), memories=dict(self.memories),
            windows=list(self.windows),
        )  # fmt: skip

    @property
    def open(self) -> list[Finding]:
        """All findings that stand."""
        return [*self.inputs, *self.labels]


class Watcher:
    """Profiles of windows and days, each counted once, and thresholds by the windows a model learnt from."""

    def __init__(self, history: History, models: Models, first: Reference) -> None:
        self.history, self.models, self.first = history, models, first
        self.settings = history.settings
        self.first_key: Key = (0, history.learnt - 1)
        self.pace = history.window_s / max(float(np.median([s.seen for s in history.slots])), 1.0)
        self._bins = [c.bins for c in first.profile.columns]
        self._score_bins = [c.bins for c in first.profile.scores]
        self._windows: dict[tuple[Champion | None, int], Profile] = {}
        self._references: dict[Key, Reference] = {self.first_key: first}
        self._thresholds: dict[tuple[Key, float], Thresholds] = {}
        self._metrics: dict[tuple[Champion, int], dict[str, Interval]] = {}
        self._days: tuple[np.ndarray, tuple[Profile, ...], Totals] | None = None
        self._looked: dict[bytes, Looked] = {}
        self._rows: dict[int, Rows] = {}

    def at_budget(self, false_alarms: float) -> Watcher:
        """The same watcher under another budget; what it has counted is shared."""
        other = Watcher.__new__(Watcher)
        other.__dict__.update(self.__dict__)
        monitor = msgspec.structs.replace(self.settings.monitor, false_alarms_per_month=false_alarms)
        other.settings = msgspec.structs.replace(self.settings, monitor=monitor)
        return other

    def inputs(self, watch: Watch, champion: Champion, window: int, rows: Rows | None = None) -> list[Finding]:
        """Judge the inputs of a window that is over; returns what began in it. rows: other ones than the history's."""
        seen = self._seen(watch, champion, window, "closed", rows)
        traffic = Traffic(tuple(w.rows for w in seen.earlier), None, self._newest(seen))
        looked = self._look("inputs", replace(seen, traffic=traffic), watch, champion, rows is None)
        carried = carry(watch.inputs, looked.findings)
        watch.inputs = carried.started + carried.continuing
        watch.windows = [*watch.windows, seen.window][-EARLIER:]
        return carried.started

    def labels(self, watch: Watch, champion: Champion, window: int, rows: Rows | None = None) -> list[Finding]:
        """Judge the labels of a window whose delay is over; returns what began with it, and moves the promise on."""
        seen = self._seen(watch, champion, window, "scored", rows)
        told = seen.rows
        if told is None or told.labelled is None or not len(told.times):
            return []
        if told.labelled.any():
            metrics = self._measured(champion, window, told, rows is not None)
            losses = self._losses(champion, window, told, rows is not None)
            done = step(watch.promise, float(losses.mean()), len(losses), seen.window.start, float(losses.std()))
            watch.promise = done.promise
            figures = {**{name: interval.value for name, interval in metrics.items()}, "loss": float(losses.mean())}
            scored = msgspec.structs.replace(seen.window, labelled=int(told.labelled.sum()), metrics=figures)
            seen = replace(seen, window=scored, metrics=metrics, step=done)
        looked = self._look("labels", seen, watch, champion, rows is None)
        # Without a label nothing is known of what labels began earlier: it stands, as it does live.
        judged, standing = watch.labels, []
        if not told.labelled.any():
            judged = [f for f in watch.labels if f.check in LABELLESS]
            standing = [f for f in watch.labels if f.check not in LABELLESS]
        carried = carry(judged, looked.findings)
        watch.labels = standing + carried.started + carried.continuing
        watch.windows = [seen.window if w.index == seen.window.index else w for w in watch.windows]
        return carried.started

    def calibrating(self, key: Key) -> bool:
        """Whether the reference of that model is too short for drift to be judged."""
        return self._known(key)[1].calibrating

    def rows(self, champion: Champion, window: int) -> Rows:
        """The rows of a window of the history, answered by that model; labelled where their truth ever came."""
        slot = self.history.slots[window]
        part = slice(slot.first, slot.last)
        material, times = self.history.material, self.history.times[part]
        answers = self.models.answers(champion[0], window, champion[1])
        known = Rows(
            columns={name: values[part] for name, values in material.columns.items()}, times=times,
            scores=answers.scores, labels=material.truth[part],
            labelled=np.ones(slot.rows, dtype=bool), arrived=times + self.history.delay,
        )  # fmt: skip
        rest = self.history.unlabelled
        if rest is not None and slot.seen != slot.rows:
            known = _with_untold(known, rest, slice(slot.untold, slot.untold_last), answers.untold)
        # Columns and times are the same whoever answered.
        known = known.sharing(self._rows.get(window, known))
        self._rows[window] = known
        while len(self._rows) > EARLIER:
            del self._rows[next(iter(self._rows))]
        return known

    def _seen(self, watch: Watch, champion: Champion, window: int, state: Any, rows: Rows | None) -> Seen:
        slot = self.history.slots[window]
        reference, thresholds = self._known(champion[0])
        # Windows have the numbers of their places, whatever their rows are.
        number = Window(
            self.settings.model.name, window, slot.start, slot.end, rows=slot.seen if rows is None else len(rows.times),
            state=state, bundle=bundle_of(*champion),
        )  # fmt: skip
        return Seen(
            window=number, profile=self._profile(champion, window, rows), reference=reference, thresholds=thresholds,
            settings=self.settings, signature=self.history.material.signature,
            rows=self.rows(champion, window) if rows is None else rows,
            earlier=tuple(w for w in watch.windows if w.index < window),
        )  # fmt: skip

    def _look(self, moment: Moment, seen: Seen, watch: Watch, champion: Champion, known: bool) -> Looked:
        """Every check of a moment; the watch remembers what they do. Checks are pure: what one policy was told of a
        window, another one is told, too, where nothing that they may look at differs. known: the rows are those of the
        history."""
        # As live: while an alarm about performance stands no window is quiet, whatever its inputs say.
        troubled = bool(alarms_of(watch.labels))
        if not known:
            looked = look(moment, seen, watch.memories, self.pace, troubled)
            watch.memories = looked.memories
            kept = msgspec.json.encode([looked.memories, seen.window, seen.earlier])
            watch.remembered = hashlib.sha256(kept).hexdigest()
            return looked
        told = [
            moment, champion, self.settings.monitor.false_alarms_per_month, seen.window, watch.remembered, seen.step,
            troubled, watch.explained,
        ]  # fmt: skip
        name = hashlib.sha256(msgspec.json.encode(told)).digest()
        if name not in self._looked:
            looked = look(moment, seen, watch.memories, self.pace, troubled)
            if watch.explained and looked.findings:
                looked = looked._replace(findings=explain(looked.findings, seen))
            self._looked[name] = looked
        # The same look leaves the same memories behind, so its name is theirs.
        watch.memories, watch.remembered = self._looked[name].memories, name.hex()
        return self._looked[name]

    def _newest(self, seen: Seen) -> float | None:
        return float(seen.rows.times[-1]) if seen.rows is not None and len(seen.rows.times) else None

    def _losses(self, champion: Champion, window: int, told: Rows, other: bool) -> np.ndarray:
        from fairlead.lab.stats import losses

        if not other:
            return self.models.answers(champion[0], window, champion[1]).losses
        chosen = np.flatnonzero(np.asarray(told.labelled))
        signature = self.history.material.signature
        found: np.ndarray = losses(
            signature.task, told.labels[chosen], told.scores[chosen], signature, self.models.clip  # type: ignore[index]
        )  # fmt: skip
        return found

    def _measured(self, champion: Champion, window: int, told: Rows, other: bool) -> dict[str, Interval]:
        from fairlead.lab.stats import metric_intervals, metrics

        name = champion, window
        if not other and name in self._metrics:
            return self._metrics[name]
        signature, chosen = self.history.material.signature, np.flatnonzero(np.asarray(told.labelled))
        truth, scores = np.asarray(told.labels)[chosen], np.asarray(told.scores)[chosen]
        found: dict[str, Interval]
        if self._known(champion[0])[0].held_out:
            found = metric_intervals(signature.task, truth, scores, signature, draws=METRIC_DRAWS, seed=window)
        else:
            # Nothing was held out from a later release that single metrics could be compared with.
            plain = metrics(signature.task, truth, scores, signature)
            found = {figure: Interval(value, value, value) for figure, value in plain.items()}
        if not other:
            self._metrics[name] = found
        return found

    def _profile(self, champion: Champion, window: int, rows: Rows | None) -> Profile:
        from fairlead.lab.stats import profile

        # What a model was released with says how its scores lie; later ones of a rehearsal have no such scores.
        scored = champion == (self.first_key, False)
        name = champion if scored else None, window
        if rows is None and name in self._windows:
            return self._windows[name]
        slot = self.history.slots[window]
        told = self.rows(champion, window) if rows is None else rows
        found: Profile = profile(
            told.columns, self._bins, scores=told.scores if scored else None,
            score_bins=self._score_bins if scored else (), start=slot.start, end=slot.end,
        )  # fmt: skip
        if rows is None:
            self._windows[name] = found
        return found

    def _known(self, key: Key) -> tuple[Reference, Thresholds]:
        if key not in self._references:
            starts, blocks, totals = self._blocks()
            begin, end = self.history.slots[key[0]].first, self.history.slots[key[1]].last
            first, last = (int(at) for at in np.searchsorted(starts, [begin, end]))
            self._references[key] = Reference(totals.of(first, last), blocks[max(first, last - MOST_BLOCKS) : last])
        reference = self._references[key]
        at = key, self.settings.monitor.false_alarms_per_month
        if at not in self._thresholds:
            self._thresholds[at] = calibrate(reference, self.settings, signature=self.history.material.signature)
        return reference, self._thresholds[at]

    def _blocks(self) -> tuple[np.ndarray, tuple[Profile, ...], Totals]:
        """First row and profile of each day of the history (of each window, where windows are shorter), and what they
        add up to."""
        from fairlead.lab.stats.merging import Totals
        from fairlead.lab.stats.runs import profiles_of

        if self._days is None:
            material, times = self.history.material, self.history.times
            day = np.floor(times / min(DAY, max(self.history.window_s, 1.0))).astype(np.int64)
            cuts = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), len(times)]
            profiles = tuple(
                msgspec.structs.replace(counted, start=float(times[a]), end=float(times[b - 1]))
                for (a, b), counted in zip(pairwise(cuts), profiles_of(material.columns, self._bins, cuts), strict=True)
            )
            self._days = np.asarray(cuts[:-1]), profiles, Totals(profiles)
        return self._days


def _with_untold(known: Rows, rest: Unlabelled, part: slice, scores: np.ndarray) -> Rows:
    """Rows with a truth and those without one, in the order they came."""
    count = part.stop - part.start
    times = np.concatenate([known.times, rest.times[part]])
    order = np.argsort(times, kind="stable")
    labels = np.asarray(known.labels)
    none = np.full(count, None if labels.dtype == object else np.nan, dtype=labels.dtype)
    return Rows(
        columns={n: np.concatenate([cells, rest.columns[n][part]])[order] for n, cells in known.columns.items()},
        times=times[order],
        scores=np.concatenate([np.asarray(known.scores), scores])[order],
        labels=np.concatenate([labels, none])[order],
        labelled=np.concatenate([np.asarray(known.labelled), np.zeros(count, dtype=bool)])[order],
        arrived=np.concatenate([np.asarray(known.arrived), np.full(count, np.nan)])[order],
    )


def bundle_of(key: Key, broken: bool) -> str:
    """What stands for the bundle of a model that was never sealed."""
    faded = f", weight halved every {key[2]:.3g}" if len(key) == 3 else ""
    return f"windows {key[0]}-{key[1]}{faded}" + (" (broken)" if broken else "")


def alarms_of(findings: list[Finding]) -> list[Finding]:
    """Those that would wake somebody."""
    return [f for f in findings if f.severity != "info"]
