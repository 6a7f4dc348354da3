"""One policy lived through the history: answer, watch, decide, retrain, try, promote; in simulated event time.

Everything is decided by the functions that decide in `up`: the promise, the
triggers, the window picker, the gate, the canary's judge and `decide` itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec
import numpy as np

from fairlead.contract.events import Decision, Finding
from fairlead.contract.settings import Settings
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.picker import pick
from fairlead.ops.flow.retrain import able_ways
from fairlead.ops.flow.situation import Candidate, Live, Situation, Trial
from fairlead.ops.monitor.budget import between_alarms
from fairlead.ops.monitor.promise import reset, start
from fairlead.ops.project.learning_from import parse_ways
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.incidents import Incidents
from fairlead.ops.rehearse.limits import Ledger, with_limits
from fairlead.ops.rehearse.models import Key, Meter, Models
from fairlead.ops.rehearse.watching import Watch, Watcher, alarms_of, bundle_of
from fairlead.ops.rollout.verdict import in_random_order, judge


class Told(msgspec.Struct, frozen=True):
    """Something that happened: window (position), event time, what and why."""

    window: int
    at: float
    what: str
    why: str


class Beside(msgspec.Struct, frozen=True):
    """A challenger in a window: its share of the requests before row `turn` of the window, and from there on."""

    key: Key
    broken: bool
    share: float
    turn: int
    then: float


class Alarm(msgspec.Struct, frozen=True):
    """A finding that would wake somebody. window: in which it began (position). moment: inputs or labels."""

    window: int
    moment: str
    area: str
    check: str
    message: str
    columns: tuple[str, ...] = ()


class Lived(msgspec.Struct):
    """What came of a policy. answered: the model that answered each live window, by position; beside: the challenger
    that was tried in it. Windows of retrains, promotions, blocked challengers, alarms about labels and about inputs;
    waking: every single one of these; incidents: windows in which those began that they are grouped into."""

    answered: dict[int, tuple[Key, bool]] = {}
    beside: dict[int, Beside] = {}
    retrains: list[int] = []
    promotions: list[int] = []
    blocked: list[int] = []
    alarms: list[int] = []
    input_alarms: list[int] = []
    waking: list[Alarm] = []
    incidents: list[int] = []
    broken: dict[int, str] = {}
    told: list[Told] = []


class Policy(msgspec.Struct, frozen=True):
    """when: triggers as in `retrain.when`. forced: windows (positions) to retrain at, whatever is found.

    gated: challengers pass gate and canary before they answer. picked: the window picker chooses the rows, among the
    ways of `window` (empty: `retrain.window`), else all are taken.
    grouped: alarms are grouped into incidents. breaks: share of challengers broken on purpose, drawn with the seed.
    """

    name: str
    when: tuple[str, ...] = ()
    forced: tuple[int, ...] = ()
    gated: bool = True
    picked: bool = True
    window: str = ""
    watched: bool = True
    grouped: bool = False
    breaks: float = 0.0
    seed: int = 0


class _Try(msgspec.Struct):
    key: Key
    broken: bool
    window: int
    differences: list[np.ndarray] = []
    new: float = 0.0
    floor: float = 0.0
    rows: int = 0
    upto: int = 0


class Replay:
    """The state of one policy while it is lived through."""

    def __init__(self, history: History, models: Models, watcher: Watcher, policy: Policy) -> None:
        self.history, self.models, self.watcher, self.policy = history, models, watcher, policy
        retrain = msgspec.structs.replace(history.settings.retrain, when=policy.when, approve="auto")
        if policy.forced:
            # A calendar to compare with has as many retrainings as the policy, and no limits of its own.
            retrain = msgspec.structs.replace(retrain, when=("every:1s",), max_per_month=0, cpu_hours_per_month=0.0)
        self.settings: Settings = msgspec.structs.replace(history.settings, retrain=retrain)
        self.name = self.settings.model.name
        between = between_alarms(watcher.settings, "performance", watcher.pace)
        held_to = start(watcher.first.held_out, between, watcher.first.loss_clip)
        self.watch = Watch(held_to, explained=policy.grouped)
        self.incidents = Incidents()
        self.since: float | None = None
        task = history.material.signature.task
        self.ways = able_ways(parse_ways(policy.window or self.settings.retrain.window), models.learner, task)
        self.champion: tuple[Key, bool] = ((0, history.learnt - 1), False)
        self.released = history.slots[history.learnt - 1].end
        self.candidate: _Try | None = None
        self.trial: _Try | None = None
        self.last: tuple[float, int] | None = None
        self.ledger = Ledger(models.fit_s)
        self.scored = -1
        self.due = list(policy.forced)
        self.lived = Lived()
        self.rng = np.random.default_rng(policy.seed)

    def run(self, meter: Meter) -> Lived:
        """Live through all windows."""
        with self.models.charged_to(meter):
            for window in self.history.live:
                self._window(window)
        return self.lived

    def calm_window(self, window: int) -> None:
        """A window of a history in which nothing changes: after a false alarm things go on as after a retraining."""
        self._window(window)
        if any(f.check == "promise" for f in self.watch.labels):
            self.watch.promise = reset(self.watch.promise)
            self.watch.labels = [f for f in self.watch.labels if f.area != "performance"]

    def _window(self, window: int) -> None:
        now = self.history.slots[window].end
        self.lived.answered[window] = self.champion
        if self.trial is not None:
            self._look(self.trial, window)
        if self.policy.watched:
            self._watch(window)
        newest = self.history.labelled(now)
        for scored in range(max(self.scored + 1, self.history.learnt), newest + 1):
            self._score(scored)
        self.scored = max(newest, self.history.learnt - 1)
        if self.trial is not None:
            self._compare(self.trial, now)
        if window == self.history.live[-1]:
            # Nothing is left to be answered, and so nothing to be learnt for.
            return
        # A promotion or an end makes room for the next step, so it is asked again, as the loop would on its next pass.
        for _ in range(3):
            if not self._act(window, now):
                break

    def _look(self, trial: _Try, window: int) -> None:
        """Days within a window on which a challenger is tried: its judge may be asked as often as one likes."""
        slot, share = self.history.slots[window], self.settings.rollout.start
        turn, then = slot.rows, share
        for at in self.history.looks(window):
            self._compare(trial, at)
            before = self.champion
            self._end_trial(window, at)
            if self.trial is None:
                turn = int(np.searchsorted(self.history.times[slot.first : slot.last], at, side="left"))
                then = 1.0 if self.champion != before else 0.0
                break
        self.lived.beside[window] = Beside(trial.key, trial.broken, share, turn, then)

    def _watch(self, window: int) -> None:
        self._wakes(window, "inputs", self.watcher.inputs(self.watch, self.champion, window))

    def _score(self, scored: int) -> None:
        """Labels of a window have come: all that are known of the champion's answers there, whoever answered then."""
        if scored not in self.lived.answered:
            return
        found = self.watcher.labels(self.watch, self.champion, scored)
        broken = [f.since for f in found if f.check == "promise"]
        self.since = max([*broken, *([self.since] if self.since is not None else [])], default=None)
        self._wakes(scored, "labels", found)

    def _wakes(self, window: int, moment: str, started: list[Finding]) -> None:
        waking = alarms_of(started)
        if self.policy.grouped:
            end = self.history.slots[window].end
            for incident in self.incidents.follow(self.watch.open, window, end):
                self.lived.incidents.append(window)
                self._tell(window, "incident", incident.title)
        self.lived.waking += [Alarm(window, moment, f.area, f.check, f.message, f.columns) for f in waking]
        if waking:
            (self.lived.input_alarms if moment == "inputs" else self.lived.alarms).append(window)
            told = "input alarm" if moment == "inputs" else "alarm on labels"
            self._tell(window, told, "; ".join(f.message for f in waking[:3]))

    def _compare(self, trial: _Try, now: float) -> None:
        """Add the rows whose labels have come by `now` to the comparison; what comes at once, in random order."""
        history = self.history
        first = max(trial.upto, history.slots[trial.window].first)
        last = int(np.searchsorted(history.times, now - history.delay, side="left"))
        for window in history.holding(first, last):
            slot = history.slots[window]
            if not slot.rows:
                continue
            part = slice(max(first - slot.first, 0), min(last, slot.last) - slot.first)
            old = self.models.answers(self.champion[0], window, self.champion[1]).losses[part]
            new = self.models.answers(trial.key, window, trial.broken).losses[part]
            trial.differences.append(in_random_order(new - old, first))
            trial.new += float(new.sum())
            trial.floor += float(floor_losses(history, self.models, window)[part].sum())
            trial.rows += len(new)
        trial.upto = max(first, last)

    def _end_trial(self, window: int, now: float) -> bool:
        """Promote or end the challenger on trial, if that is decided."""
        if self.trial is None:
            return False
        for decision in decide(self._situation(now), self.watch.open, self.settings, now):
            if decision.action == "promote":
                self._promote(self.trial, window, now, decision.why)
                return True
            if decision.action == "end_rollout":
                self._block(self.trial, window, decision.why)
                self.trial = None
                return True
        return False

    def _act(self, window: int, now: float) -> bool:
        if self.trial is not None:
            return self._end_trial(window, now)
        forced = bool(self.due) and self.due[0] <= window
        settings = self.settings
        if self.policy.forced and not forced:
            settings = msgspec.structs.replace(settings, retrain=msgspec.structs.replace(settings.retrain, when=()))
        for decision in decide(self._situation(now), self.watch.open, settings, now):
            if decision.action == "retrain":
                self._retrain(decision, window, now)
                return True
            if decision.action == "hold":
                self._tell(window, "held", decision.why)
            if decision.action == "canary" and self.candidate is not None:
                self.trial, self.candidate = self.candidate, None
                self.trial.window = window + 1
                return False
        return False

    def _situation(self, now: float) -> Situation:
        trial = self.trial
        told: Trial | None = None
        if trial is not None:
            verdict = None
            if trial.rows:
                verdict = judge(np.concatenate(trial.differences), self.settings.rollout.max_loss)
            floor = trial.new < trial.floor if trial.rows else None
            told = Trial(bundle_of(trial.key, trial.broken), self.history.slots[trial.window - 1].end, verdict, floor)
        waiting = self.candidate
        # Nothing is kept back for judging here, so it is as fresh as the newest rows it learnt from.
        trained_to = self.history.slots[self.champion[0][1]].end
        situation = Situation(
            model=self.name,
            champion=Live(bundle_of(*self.champion), self.released, trained_to),
            candidate=Candidate(bundle_of(waiting.key, waiting.broken), self.released) if waiting else None,
            rollout=told,
            last_retrain_at=self.last[0] if self.last else None,
            last_retrain_window=self.last[1] if self.last else None,
            scored_window=self.scored,
            labelled_windows=len(self.history.told(self.scored)),
            calibrating=self.watch.promise.calibrating,
            window_s=self.history.window_s,
        )
        return with_limits(situation, self.history, self.watch, self.ledger, now)

    def _retrain(self, decision: Decision, window: int, now: float) -> None:
        self.lived.retrains.append(window)
        self.last = (now, self.scored)
        if self.due:
            self.due.pop(0)
        before = self.models.asked
        key, why = self._chosen()
        broken = bool(self.policy.breaks) and bool(self.rng.random() < self.policy.breaks)
        self._tell(window, "retrain", f"{decision.why}; learnt from {why}")
        made = _Try(key, broken, window + 1)
        if broken:
            alarmed = any(f.check == "promise" for f in self.watch.labels)
            self.lived.broken[window] = "alarm" if alarmed else "healthy"
        self.models.learn(key, broken)
        if not self.policy.gated:
            self._promote(made, window, now, "no gate")
        elif self._gate(key, broken, window):
            self.candidate = made
        self.ledger.enter(now, self.models.asked - before)

    def _chosen(self) -> tuple[Key, str]:
        # As live, windows without any label are none to learn from, to count, or to judge by.
        told = self.history.told(self.scored)
        if not self.policy.picked:
            return (0, told[-1]), "all rows"
        since = None if self.since is None else self.history.position(self.since)
        choice = pick(
            len(told),
            lambda first, last, *half_life: (_from(told, first), told[last], *half_life),
            lambda key, index: self.models.answers(key, told[index]).losses,
            ways=self.ways,
            since=None if since is None else bisect_left(told, since),
            window_s=self.history.spec.seconds,
        )
        key = _from(told, choice.first), told[choice.last]
        return ((*key, choice.half_life) if choice.half_life > 0 else key), choice.why

    def _gate(self, key: Key, broken: bool, window: int) -> bool:
        """The same way of learning without the newest window, judged on it, must not be worse than the champion."""
        told = self.history.told(self.scored)
        newest, first = told[-1], max(key[0] - 1, 0)
        if len(told) < 2 or told[-2] < first:
            return True
        contender: Key = (first, told[-2]) if len(key) == 2 else (first, told[-2], key[2])
        new = self.models.answers(contender, newest, broken).losses
        old = self.models.answers(self.champion[0], newest, self.champion[1]).losses
        verdict = judge(in_random_order(new - old, newest), self.settings.gate.margin)
        if verdict.outcome == "fail" and verdict.mean > self.settings.gate.margin:
            self._block(_Try(key, broken, window), window, f"gate: {verdict.why}")
            return False
        return True

    def _promote(self, trial: _Try, window: int, now: float, why: str) -> None:
        self.champion, self.released = (trial.key, trial.broken), now
        self.trial = self.candidate = None
        self.watch.promise = reset(self.watch.promise)
        # What was found about its predecessor's performance ends here, as it does live.
        self.watch.labels = [f for f in self.watch.labels if f.area != "performance"]
        self.lived.promotions.append(window)
        if trial.broken:
            at = max(w for w in self.lived.broken if w <= window)
            self.lived.broken[at] += ":promoted"
        self._tell(window, "promote", why)

    def _block(self, trial: _Try, window: int, why: str) -> None:
        self.lived.blocked.append(window)
        if trial.broken:
            at = max(w for w in self.lived.broken if w <= window)
            self.lived.broken[at] += ":blocked"
        self._tell(window, "challenger ended", why)

    def _tell(self, window: int, what: str, why: str) -> None:
        self.lived.told.append(Told(window, self.history.slots[window].end, what, why))


def _from(told: Sequence[int], first: int) -> int:
    """The window that learning begins with: all rows are those from the very first one on."""
    return told[first] if first else 0


def floor_losses(history: History, models: Models, window: int) -> np.ndarray:
    """Losses of the baseline on a window, (n,): most frequent class or mean of the rows known before it."""
    from fairlead.lab.stats import losses

    known = history.material.truth[: history.slots[window].first]
    signature, rows = history.material.signature, history.rows(window, window)
    scores = constant_scores(known, history, len(rows))
    found: np.ndarray = losses(signature.task, history.material.truth[rows], scores, signature, models.clip)
    return found


def constant_scores(known: np.ndarray, history: History, rows: int) -> np.ndarray:
    """What one answers who knows only how often each class came, or the mean: (rows, k)."""
    from fairlead.lab.stats import class_codes
    from fairlead.lab.stats.pinball import constant_quantile

    signature = history.material.signature
    if signature.task != "classification":
        numbers = known.astype(np.float64)
        mean = constant_quantile(numbers, signature.quantile) if signature.quantile else float(numbers.mean())
        return np.full((rows, 1), mean)
    codes = class_codes(known, signature.classes)
    shares = np.bincount(codes[codes >= 0], minlength=len(signature.classes)) / max((codes >= 0).sum(), 1)
    return np.tile(shares, (rows, 1))


def always(history: History, models: Models, meter: Meter, span: int | None = None) -> Lived:
    """Retrained after every window on all rows so far (or the last `span` windows), released at once, ungated."""
    lived = Lived()
    key: Key = (0, history.learnt - 1)
    with models.charged_to(meter):
        for window in history.live:
            lived.answered[window] = (key, False)
            models.answers(key, window)
            newest = max(history.learnable(history.slots[window].end), history.learnt - 1)
            fresh = (0 if span is None else max(newest - span + 1, 0), newest)
            if fresh != key and window + 1 < len(history.slots):
                key = fresh
                models.learn(key)
                lived.retrains.append(window)
                lived.promotions.append(window)
    return lived


def calm_alarms(history: History, models: Models, watcher: Watcher) -> Lived:
    """What wakes somebody on a history in which nothing changes."""
    replay = Replay(history, models, watcher, Policy("shuffled", when=()))
    for window in history.live:
        replay.calm_window(window)
    return replay.lived
