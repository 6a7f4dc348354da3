"""One pass of the watcher: close due windows, find, decide, act. Repeating a pass changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.events import Decision, Finding, Window
from fairlead.ops.access import audit_refusals
from fairlead.ops.flow import acting, blaming, catching_up, closing, contracted, online, trending
from fairlead.ops.flow.analysing import analysis_of, tell
from fairlead.ops.flow.arriving import look_at_door
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.early import due_early, look_early
from fairlead.ops.flow.forgetting import bury
from fairlead.ops.flow.gauges import write_gauges
from fairlead.ops.flow.infrastructure import look_at_machine
from fairlead.ops.flow.late_labels import revise
from fairlead.ops.flow.leading import leading
from fairlead.ops.flow.reporting import write_incidents
from fairlead.ops.flow.situating import moment_of, situation_of
from fairlead.ops.flow.tracker import (
    first_start,
    next_window,
    over_silence,
    read_tracker,
    turn,
    write_tracker,
)
from fairlead.ops.flow.tracker import watermark as watermark_of
from fairlead.ops.flow.workspace import RULE, Workspace

if TYPE_CHECKING:
    from fairlead.ops.state import Intent

TURN_S = 120.0
"""How long a watcher waits for another one's pass."""

MOST_WINDOWS = 200
"""Windows that one pass works through before it looks at decisions again."""


class Pass(msgspec.Struct, frozen=True):
    """What one pass did. findings: those that began in it."""

    windows: tuple[Window, ...] = ()
    findings: tuple[Finding, ...] = ()
    decisions: tuple[Decision, ...] = ()


class Loop:
    """The watcher of one project; state between passes is in the database alone.

    machine: whether a pass looks at the machine, too; not where `attending.attended` does beside it.
    """

    def __init__(self, ws: Workspace, *, machine: bool = True) -> None:
        self.ws = ws if ws.actor == RULE else ws.as_rule()
        self.machine = machine

    def once(self) -> Pass:
        """One pass. Raises nothing that a rule of ours refused: that is recorded as the decision's outcome.

        Two watchers of one model take turns: what one decided, the other finds done. Of several control planes with
        one database the leader alone passes; another one's call raises NotLeader.
        """
        with leading(self.ws):
            return self._turn()

    def _turn(self) -> Pass:
        ws = self.ws
        audit_refusals(ws.state, ws.audit, ws.home.run)
        bury(ws)
        intent = ws.state.intent(ws.model)
        if intent is None or not intent.variants:
            return Pass()
        lock = turn(ws)
        if not lock.take(TURN_S):
            raise UsageError(f"another watcher of {ws.model} is at work (retraining takes a while): try again later.")
        try:
            return self._pass()
        finally:
            lock.release()

    def _pass(self) -> Pass:
        from fairlead.runtime.capture import tables_kept

        ws = self.ws
        intent = ws.state.intent(ws.model)
        if intent is None or not intent.variants:
            return Pass()
        decisions = acting.resume(ws)
        catching_up.catch_up(ws)
        blaming.over(ws)
        contracted.follow(ws, lambda: catching_up.publish_again(ws))
        # What was resumed may have changed what answers.
        intent = ws.state.intent(ws.model) or intent
        machine = look_at_machine(ws) if self.machine else []
        door = look_at_door(ws)
        with tables_kept():
            windows, findings = self._advance(intent)
        findings += machine + door
        online.in_pass(ws)
        trending.follow(ws, read_tracker(ws).largest)
        decisions += self._decide()
        write_gauges(ws)
        write_incidents(ws)
        return Pass(tuple(windows), tuple(findings), tuple(decisions))

    def _advance(self, intent: Intent) -> tuple[list[Window], list[Finding]]:
        """Close and score every window that is due, each in one transaction with all it led to."""
        from fairlead.runtime.capture import Records

        ws, settings = self.ws, self.ws.settings
        tracker = read_tracker(ws)
        records = Records(ws.home.root, ws.model)
        times, now = records.times(tracker.start, None), ws.clock()
        # What claims to be of the future waits until then: one caller with a wrong clock would have every window up to
        # now closed at once, and the next one begin in the year of its clock.
        times = times[: np.searchsorted(times, now, side="right")]
        if tracker.start is None and not len(times):
            return [], []
        if len(times):
            tracker.largest = max(min(tracker.largest, now), float(times[-1]))
        horizon = watermark_of(tracker, settings, now)
        champion = next(v for v in intent.variants if v.name == "champion").bundle
        if tracker.start is None:
            tracker.start = first_start(settings, times)
            tracker.champion, tracker.released = champion, tracker.start
        if tracker.promise is None:
            tracker.promise = closing.first_promise(ws, champion)
        if tracker.champion != champion:
            # By a person's hand: what rules promote has been taken over already.
            closing.take_over(ws, tracker, champion, horizon)
        done: list[Window] = []
        found: list[Finding] = []
        due: Window | None = None
        while len(done) < MOST_WINDOWS:
            tracker.start = over_silence(tracker.start, settings, times)
            due = next_window(tracker, ws.model, settings, times, horizon)
            if due is None:
                break
            window, started = closing.close(ws, tracker, due, horizon)
            done.append(window)
            found += started
            times = times[np.searchsorted(times, window.end) :]
        opened = due_early(ws, tracker, horizon) if due is None else None
        if opened is not None:
            found += look_early(ws, tracker, opened)
        for window in closing.due_for_labels(ws, tracker, horizon):
            scored, started = closing.score(ws, tracker, window)
            done.append(scored)
            found += started
        if done:
            # Labels that came late are looked for when windows are looked at anyway.
            revise(ws, tracker, horizon)
        write_tracker(ws, tracker)
        return done, found

    def _decide(self) -> list[Decision]:
        """Ask the rule and act until it has nothing new to say."""
        ws = self.ws
        done: list[Decision] = []
        for _ in range(8):
            intent = ws.state.intent(ws.model)
            if intent is None:
                break
            tracker = read_tracker(ws)
            now = moment_of(ws, tracker)
            situation = situation_of(ws, intent, tracker)
            trials = [t for t in (situation.rollout, *situation.others) if t is not None]
            tell(ws, analysis_of(ws, intent, trials))
            open_now = ws.state.findings(ws.model)
            fresh = [d for d in decide(situation, open_now, ws.settings, now) if ws.state.plan(d)]
            if not fresh:
                break
            for decision in fresh:
                acting.carry_out(ws, decision)
            done += fresh
        return done


def judged_until(ws: Workspace) -> float:
    """Event time up to which windows have been closed, scored and decided about."""
    return read_tracker(ws).judged
