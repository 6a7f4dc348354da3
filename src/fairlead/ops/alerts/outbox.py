"""What is told when. Messages are kept in the state database first, so none is lost and none told twice."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.events import Finding
from fairlead.contract.incidents import Alert, Entry, Incident
from fairlead.contract.ports import AlertChannel, Clock
from fairlead.contract.settings import AlertSettings
from fairlead.ops.alerts import wording
from fairlead.ops.alerts.addresses import named
from fairlead.ops.alerts.incidents import bring_up_to_date, of_finding
from fairlead.ops.alerts.sending import Delivered, Job, Result
from fairlead.ops.alerts.telling import FORGOTTEN_S, Due, Rules, due
from fairlead.ops.project.durations import parse_duration
from fairlead.ops.project.quiet import Quiet, parse_quiet
from fairlead.ops.state.rows import DeliveryRow, MessageRow
from fairlead.ops.state.state import State

PER_HOUR = 12
MAX_TRIES = 9
FIRST_RETRY_S = 30.0
LONGEST_RETRY_S = 3600.0
# Longer than a try may take: a delivery that a killed process had in hand is tried again after this.
_CLAIM_S = 60.0
_MAX_WORK = 20
MOST_LATE = 20
"""Messages that a channel gets late when it works again after it was given up, the newest."""
_TOLD = {
    "notice": "told", "worse": "told that it got worse", "reminder": "reminded", "escalation": "told further",
    "all_clear": "all-clear", "passed": "told after its end", "digest": "summed up",
}  # fmt: skip
_ORDER = {"critical": 0, "warning": 1, "info": 2}
_PATIENT = ("reminder", "passed")
"""Kinds of messages that wait until the morning and behind others, critical or not."""


def backoff_s(tries: int) -> float:
    """Seconds until the next try after `tries` that failed.

    >>> [backoff_s(n) for n in (1, 2, 3, 8)]
    [30.0, 60.0, 120.0, 3600.0]
    """
    return float(min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (tries - 1)))


class Outbox:
    """Alerts of one home: what is told of incidents, never of each finding.

    Delivered at least once: a process killed between a channel's answer and its record tells twice, never not at all.
    A channel that failed `MAX_TRIES` times over (about two hours) is a finding of area "alerts" until it works again.
    escalate_to: channels that get alone what nobody acknowledged.
    """

    def __init__(
        self,
        state: State,
        channels: Sequence[AlertChannel] = (),
        clock: Clock = time.time,
        *,
        settings: AlertSettings | None = None,
        per_hour: int = PER_HOUR,
        escalate_to: Sequence[AlertChannel] = (),
    ) -> None:
        settings = settings or AlertSettings()
        self._state = state
        every = named([*channels, *escalate_to])
        self._channels = dict(list(every.items())[: len(channels)])
        self._further = dict(list(every.items())[len(channels) :])
        self._every = every
        self._clock = clock
        waits = seconds_of(settings.escalate.after, "alerts.escalate.after") if escalate_to else None
        self._rules = Rules(seconds_of(settings.remind), waits)
        self._quiet = quiet_of(settings.quiet)
        self._per_hour = max(2, per_hour)
        self._jobs: dict[str, Job] = {}

    def notice(self, finding: Finding, doing: str = "") -> bool:
        """Tell of the incident that a finding belongs to, once; False if there is nothing to tell of it now.

        doing: what Fairlead does about it.
        """
        now = self._clock()
        with self._state.transaction():
            if self._state.finding(finding.id) is None:
                self._state.put_finding(finding)
            bring_up_to_date(self._state, now)
            incident = of_finding(self._state, finding.id)
            return incident is not None and self._tell(incident, now, doing)

    def all_clear(self, finding: Finding, at: float | None = None) -> bool:
        """Tell that the incident of a finding is over, once, if it is, and only if it was told of before."""
        now = self._clock()
        with self._state.transaction():
            bring_up_to_date(self._state, now)
            incident = of_finding(self._state, finding.id)
            return incident is not None and incident.state == "resolved" and self._tell(incident, now)

    def sweep(self, now: float | None = None) -> None:
        """Make every message that is due by what the database knows: whoever forgot to call the above loses nothing."""
        now = self._clock() if now is None else now
        with self._state.transaction():
            bring_up_to_date(self._state, now)
            for incident in [*self._state.incidents(), *self._state.incidents_to_clear(now - FORGOTTEN_S)]:
                self._tell(incident, now)

    def messages(self, last: int | None = None) -> list[MessageRow]:
        """Messages in the order they were made, sent or not."""
        return self._state.messages(last)

    def undelivered(self) -> list[DeliveryRow]:
        """Deliveries that were given up."""
        return self._state.deliveries(state="failed")

    def deliver(self, now: float | None = None, *, wait_s: float = 2.0) -> Delivered:
        """One pass: make what is due, send what may go, and come back within about `wait_s` seconds.

        A send still going on then is left to its thread and counted by the next pass. Not for several threads at once.
        """
        now = self._clock() if now is None else now
        self.sweep(now)
        return self.send(now, wait_s=wait_s)

    def send(self, now: float | None = None, *, wait_s: float = 2.0) -> Delivered:
        """One pass that makes nothing: what is due is left to who knows what is done about it. See `deliver`."""
        now = self._clock() if now is None else now
        self._release(now)
        results = self._harvest()
        self._record(results, now)
        self._dispatch(now)
        until = time.monotonic() + wait_s
        for job in self._jobs.values():
            job.wait(until - time.monotonic())
        late = self._harvest()
        self._record(late, now)
        tried = [result for result in results + late if result.tried]
        waiting = len(self._state.deliveries(state="waiting")) + len(self._state.messages(state="waiting"))
        sent = sum(not result.error for result in tried)
        return Delivered(sent=sent, failed=len(tried) - sent, waiting=waiting)

    def _tell(self, incident: Incident, now: float, doing: str = "") -> bool:
        """Make the messages that are due about an incident; in the caller's transaction."""
        rows = self._state.incident_findings(incident.id)
        findings = [row.finding for row in rows if row.closed_at is None or not incident.open]
        made = self._state.messages(incident=incident.id)
        told = {message.id: message.created_at for message in made}
        new = False
        for one in due(incident, findings, told, now, self._rules, doing):
            new |= self._add(incident, one, now)
            if one.kind == "all_clear":
                # What nobody was told of yet is told by its end alone, which says what it was.
                late = [m.id for m in made if m.state == "waiting"]
                self._state.merge_messages(late, one.id)
        return new

    def _add(self, incident: Incident, one: Due, now: float) -> bool:
        message = MessageRow(
            one.id, "", one.kind, incident.severity, one.title, one.body, now, "waiting", None, "", incident.id
        )
        self._state.add_entry(
            incident.id, Entry(f"alert:{one.id}", now, "alert", f"{_TOLD[one.kind]}: {one.title}", about=one.id)
        )
        return self._state.add_message(message)

    def _release(self, now: float) -> None:
        """Let messages out within the hour's bound, the worst first; the last place goes to a digest of the rest.

        What is critical has a bound of its own: lesser messages fill none of its places.
        """
        with self._state.transaction():
            waiting = self._state.messages(state="waiting")
            if not waiting:
                return
            since = now - 3600.0
            urgent = [message for message in waiting if _urgent(message)]
            self._release_within(urgent, self._state.released_since(since, severity="critical", but=_PATIENT), now)
            if self._quiet is not None and self._quiet.until(now) is not None:
                return
            rest = sorted((m for m in waiting if not _urgent(m)), key=lambda message: _ORDER.get(message.severity, 1))
            self._release_within(rest, self._state.released_since(since), now)

    def _release_within(self, waiting: list[MessageRow], gone: int, now: float) -> None:
        """As many as the hour still takes of them, in their order. gone: how many it has seen."""
        free = self._per_hour - gone
        if not waiting or free <= 0:
            return
        alone = waiting if len(waiting) <= free else waiting[: free - 1]
        for message in alone:
            self._state.release_message(message.id, self._channels_for(message), now)
        rest = waiting[len(alone) :]
        if rest:
            self._release_digest(rest, now)

    def _release_digest(self, rest: list[MessageRow], now: float) -> None:
        title, body = wording.digest(rest)
        id = f"digest:{rest[0].id}"
        worst = min(rest, key=lambda message: _ORDER.get(message.severity, 1)).severity
        self._state.add_message(MessageRow(id, "", "digest", worst, title, body, now, "waiting", None, ""))
        self._state.merge_messages([message.id for message in rest], id)
        # Who is told what nobody answered is told nothing else: without a place in the digest it would be lost.
        further = self._further if any(message.kind == "escalation" for message in rest) else {}
        self._state.release_message(id, [*self._channels, *further], now)

    def _channels_for(self, message: MessageRow) -> list[str]:
        if message.kind == "escalation":
            return list(self._further)
        # That a channel fails is told through the others.
        about = self._state.incident(message.incident) if message.incident else None
        failing = [id for id in about.findings if id.startswith("alerts:")] if about is not None else []
        return [name for name in self._channels if not any(id.startswith(_trouble_prefix(name)) for id in failing)]

    def _dispatch(self, now: float) -> None:
        ready = self._state.deliveries(state="waiting", due_by=now)
        for name, channel in self._every.items():
            if name in self._jobs:
                continue
            work = [(row, self._state.message(row.message)) for row in ready if row.channel == name][:_MAX_WORK]
            claimed = [(row, self._alert(m)) for row, m in work if m is not None and self._claim(row, now)]
            if claimed:
                self._jobs[name] = Job(channel, claimed)

    def _alert(self, message: MessageRow) -> Alert:
        incident = self._state.incident(message.incident) if message.incident else None
        return Alert(
            message.id, message.kind, message.severity, message.title, message.body, message.created_at, incident
        )

    def _claim(self, row: DeliveryRow, now: float) -> bool:
        taken = msgspec.structs.replace(row, attempts=row.attempts + 1, due_at=now + _CLAIM_S)
        return self._state.put_delivery(taken, attempts_were=row.attempts)

    def _harvest(self) -> list[Result]:
        results = []
        for name, job in list(self._jobs.items()):
            alive = job.alive
            results += job.take()
            # A channel that hangs keeps its one thread and gets no second.
            if not alive:
                del self._jobs[name]
        return results

    def _record(self, results: list[Result], now: float) -> None:
        for result in results:
            row = result.delivery
            tries = row.attempts + 1 if result.tried else row.attempts
            if not result.error:
                done = msgspec.structs.replace(row, state="sent", attempts=tries, done_at=now, error="")
                with self._state.transaction():
                    self._state.put_delivery(done)
                    self._works(row.channel, now)
                continue
            given_up = tries >= MAX_TRIES
            changed = msgspec.structs.replace(
                row,
                state="failed" if given_up else "waiting",
                attempts=tries,
                due_at=now + backoff_s(max(1, tries)),
                done_at=now if given_up else None,
                error=result.error,
            )
            with self._state.transaction():
                self._state.put_delivery(changed)
                if given_up:
                    self._fails(changed, now)

    def _fails(self, row: DeliveryRow, now: float) -> None:
        if self._state.get(_trouble_key(row.channel)) is not None:
            return
        about = self._state.message(row.message)
        known = self._state.incident(about.incident) if about else None
        trouble = Finding(
            id=f"{_trouble_prefix(row.channel)}{int(now)}",
            model=known.model if known else "",
            area="alerts",
            check="delivery",
            window=-1,
            since=now,
            size=float(row.attempts),
            low=float(row.attempts),
            high=float(row.attempts),
            unit="tries",
            message=f"alerts do not arrive through {row.channel}: {row.attempts} tries failed, the last: {row.error}",
        )
        self._state.put_finding(trouble)
        self._state.put(_trouble_key(row.channel), trouble.id.encode())

    def _works(self, channel: str, now: float) -> None:
        trouble = self._state.get(_trouble_key(channel))
        if trouble is not None:
            self._state.close_finding(trouble.decode(), now)
            self._state.drop(_trouble_key(channel))
            for row in [r for r in self._state.deliveries(state="failed") if r.channel == channel][-MOST_LATE:]:
                # Better late than never: what it missed follows, in its order.
                again = msgspec.structs.replace(row, state="waiting", attempts=0, due_at=now, done_at=None)
                self._state.put_delivery(again)


def _urgent(message: MessageRow) -> bool:
    """Whether it waits for no morning and behind nothing less: critical, and news or what became of what was told."""
    return message.severity == "critical" and message.kind not in _PATIENT


def seconds_of(duration: str, key: str = "alerts.remind") -> float:
    """Seconds of a setting, as configuration reads it. Raises ConfigInvalid."""
    try:
        return parse_duration(duration)
    except UsageError as wrong:
        raise ConfigInvalid(str(wrong), key=key) from wrong


def quiet_of(text: str) -> Quiet | None:
    """`alerts.quiet`, as configuration reads it. Raises ConfigInvalid."""
    try:
        return parse_quiet(text)
    except UsageError as wrong:
        raise ConfigInvalid(str(wrong), key="alerts.quiet") from wrong


def _trouble_prefix(channel: str) -> str:
    return f"alerts:{channel}:"


def _trouble_key(channel: str) -> str:
    return f"alerts.trouble:{channel}"
