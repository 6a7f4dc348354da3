"""Staying healthy: what is seen, what is wrong, and who looks after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fairlead.doors.python.verbs.opened import Answer, Opened, Progress


class Watching(Opened):
    """Verbs of staying healthy."""

    def collect(self) -> Answer:
        """Bring what the spool holds into records and labels, once."""
        from fairlead.doors.python import watching

        return watching.collect(self.workspace)

    def forget(
        self,
        key: str,
        *,
        column: str | None = None,
        request: bool = False,
        every_model: bool = False,
        wait_s: float = 30.0,
    ) -> Answer:
        """Erase one person's rows from spool, records and labels; `key` is of the id column, of `column`, or a request.

        `done` is False while a segment stays open longer than `wait_s`: the collector goes on by itself.
        """
        from fairlead.doors.python import forgetting

        return forgetting.forget(self.workspace, key, column, request, every_model, wait_s)

    def watch(self) -> Answer:
        """Close due windows, find, decide, act, once."""
        from fairlead.doors.python import watching

        return watching.watch(self.workspace)

    def watch_explained(self, last: int = 1) -> Answer:
        """Why each check of the newest `last` windows (4 are kept) spoke or was silent; looks at nothing anew."""
        from fairlead.doors.python import why_watched

        return why_watched.why_watched(self.workspace, last)

    def watching(self, every_s: float) -> Iterator[Answer]:
        """`watch` again and again; yields every pass that saw or did something."""
        from fairlead.doors.python import watching

        return watching.follow(self.workspace, every_s)

    def incidents(self, every: bool = False, last: int = 100) -> Answer:
        """Findings that belong together; those that are over too, with `every`."""
        from fairlead.doors.python import incidents

        return incidents.incidents(self.workspace, every, last)

    def incident(self, reference: str | int) -> Answer:
        """One incident with its findings and its timeline, by number or id."""
        from fairlead.doors.python import incidents

        return incidents.incident(self.workspace, reference)

    def alerts(self, test: bool = False) -> Answer:
        """Through what people are told, and how each channel stands; `test` sends a message through each."""
        from fairlead.doors.python import alerting

        return alerting.alerts(self.workspace, test)

    def ack(self, reference: str | int, why: str = "") -> Answer:
        """You look after it: no reminders, no escalation, until it gets worse."""
        from fairlead.doors.python import incidents

        return incidents.ack(self.workspace, reference, why)

    def assign(self, reference: str | int, who: str) -> Answer:
        """It is `who`'s to look after."""
        from fairlead.doors.python import incidents

        return incidents.assign(self.workspace, reference, who)

    def comment(self, reference: str | int, text: str) -> Answer:
        """A line in its timeline."""
        from fairlead.doors.python import incidents

        return incidents.comment(self.workspace, reference, text)

    def snooze(self, reference: str | int, span: str, why: str = "") -> Answer:
        """Silent for `span`, as "3d"; "off" ends it. What gets critical speaks all the same."""
        from fairlead.doors.python import incidents

        return incidents.snooze(self.workspace, reference, span, why)

    def expected(self, reference: str | int, why: str = "", *, undo: bool = False) -> Answer:
        """The new level is usual from the time it began: signed beside the sealed reference; `undo` takes it back."""
        from fairlead.doors.python import incidents

        return incidents.expected(self.workspace, reference, why, undo=undo)

    def performance(self, last: int = 20, *, page: bool = False) -> Answer:
        """How well the model does: estimated before labels, realised with them, each version beside its report.

        last: windows that are listed. page: also writes a page with plots, whose path is `report`.
        """
        from fairlead.doors.python import performing

        return performing.performance(self.workspace, last, page)

    def retrain(self, progress: Progress | None = None) -> Answer:
        """A new candidate from records and labels, through the gate to a canary."""
        from fairlead.doors.python import watching

        return watching.retrain(self.workspace, progress)

    def learn(
        self, progress: Progress | None = None, *, anew: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> Answer:
        """Learn what labels have come, label by label; seal, judge and try what is due ([retrain] online, seal).

        anew: begin with the training table again. stop: asked now and then; the next call goes on.
        """
        from fairlead.doors.python import learning

        return learning.learn(self.workspace, progress, anew=anew, stop=stop)

    def rehearse(
        self,
        data: Any = None,
        policies: tuple[str, ...] = (),
        progress: Progress | None = None,
        *,
        windows: bool = False,
        faults: bool | int = False,
        tune: bool = False,
        jobs: int = 1,
        write: bool = False,
        copies: int = 2,
    ) -> Answer:
        """Replay the project's history through the code that runs live; policies side by side, and a recommendation.

        windows: also the project with every choice of rows to learn from. faults: put faults in at random times, so
        many of each kind (20 for True). tune: search the settings of learners. jobs: processes. write: write the
        recommendation into fairlead.toml, beside a copy of it as it was. copies: shuffled ones on which false alarms
        are counted. What models answered is kept in the home, so one that was stopped goes on.
        """
        from fairlead.doors.python import rehearsing

        asked = rehearsing.Asked(
            policies, windows, 20 if faults is True else int(faults), tune, jobs, write, copies
        )  # fmt: skip
        return rehearsing.rehearse(self.workspace, data, asked, progress)
