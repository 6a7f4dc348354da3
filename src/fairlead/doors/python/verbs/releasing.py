"""Which version answers, and asking it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.doors.python.verbs.opened import Answer, Opened

if TYPE_CHECKING:
    from fairlead.doors.python.keys import Keys


class Releasing(Opened):
    """Verbs of releasing and answering."""

    def deploy(
        self,
        version: int | Sequence[int] | None = None,
        *,
        canary: float | None = None,
        shadow: bool = False,
        ab: float | None = None,
        bandit: bool = False,
        pilot: str | None = None,
        cohort: str | None = None,
        until: str | None = None,
        question: str = "",
        plan: bool = False,
    ) -> Answer:
        """Let a version answer: alone, or tried beside the champion; several versions may be tried at once.

        canary, ab: the share of the requests for all of them together. bandit: shares that follow what each brings.
        pilot: a name; `cohort` ("region in ('north', 'west')") is answered by it until `until` (a date), `question` is
        told in its report. plan: only say how long a verdict would take.
        """
        from fairlead.doors.python import rolling

        versions = () if version is None else (version,) if isinstance(version, int) else tuple(version)
        way = rolling.way_asked(self.workspace, canary, shadow, ab, bandit, pilot, cohort, until, question)
        return rolling.deploy(self.workspace, versions, way, plan_only=plan)

    def analysis(self) -> Answer:
        """How the rollout stands: `verdict`, `n`, `why` and more, as GET /analysis answers it."""
        from fairlead.doors.python import rolling

        return rolling.analysis(self.workspace)

    def pilot_report(self) -> Answer:
        """The report of the pilot in progress, written as it stands now; `report` is its page."""
        from fairlead.doors.python import rolling

        return rolling.pilot(self.workspace)

    def promote(self, version: int | None = None, *, despite_freeze: str = "") -> Answer:
        """A challenger becomes champion; version: which, where several are tried.

        despite_freeze: why a span of `rollout.freeze` is not waited for.
        """
        from fairlead.doors.python import serving

        return serving.move(self.workspace, "promote", despite_freeze, version)

    def rollback(self) -> Answer:
        """End the rollout, or go back to the champion before; held until `release`."""
        from fairlead.doors.python import serving

        return serving.move(self.workspace, "roll_back")

    def pin(self, why: str = "pinned by hand") -> Answer:
        """This champion stays until `release`; challengers may still be tried."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "pinned", why)

    def freeze(self, why: str = "frozen by hand") -> Answer:
        """Nothing moves by rule until `release`."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "frozen", why)

    def release(self, why: str = "released by hand") -> Answer:
        """Rules may act on this model again."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "", why)

    def release_from_git(self, tag: str | None = None, *, despite_freeze: str = "") -> Answer:
        """Let the version answer that a tag says, or without one the commit at hand; done twice it changes nothing.

        despite_freeze: why a span of `rollout.freeze` is not waited for.
        """
        from fairlead.doors.python import releasing

        return releasing.release_from_git(self.workspace, tag, despite_freeze)

    def predict(self, rows: Any, *, rank: bool = False) -> Answer:
        """Ask the running server. rows: DataFrame, list of dicts, or a path. rank: of a ranking, with `ranks`.

        A model that forecasts takes histories, or a long table: then each series is forecast from its newest value on,
        and `asked` says which and from when.
        """
        from fairlead.doors.python import serving

        return serving.predict(self.workspace, rows, rank)

    def feedback(self, labels: Any) -> Answer:
        """Send labels: rows with `request` and `row`, or with the key column (and time), and `label`.

        A model that forecasts takes lists as labels, or a long table of the values that came: they are the truth of
        every forecast that they lie in.
        """
        from fairlead.doors.python import serving

        return serving.feedback(self.workspace, labels)

    def decisions(self, last: int = 20) -> Answer:
        """What the rule decided, why, what came of it, and how to undo it; oldest first."""
        from fairlead.doors.python import deciding

        return deciding.decisions(self.workspace, last)

    def report(
        self, window: int | None = None, *, incident: str | None = None, out: str | Path | None = None
    ) -> Answer:
        """Write a page about a window (the newest without a number) or an incident, and its JSON beside it."""
        from fairlead.doors.python import reporting

        return reporting.report(self.workspace, window, incident, out)

    def undo(self, decision: str = "", *, why: str = "undone by hand") -> Answer:
        """Take a decision back, the newest that moved anything without `decision` (how its id begins)."""
        from fairlead.doors.python import deciding

        return deciding.undo(self.workspace, decision, why)

    def status(self) -> Answer:
        """What is served, since when, why, how healthy, what it waits for."""
        from fairlead.doors.python import serving

        return serving.status(self.workspace)

    @property
    def keys(self) -> Keys:
        """Who may ask: `.create(name)`, `.rotate(name)`, `.revoke(name)`, `.list()`."""
        from fairlead.doors.python.keys import Keys

        return Keys(self.workspace)
