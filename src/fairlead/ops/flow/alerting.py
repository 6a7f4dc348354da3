"""How each channel stands, and whether it takes a message: asked by an operator, told by channel."""

from __future__ import annotations

import time

import msgspec

from fairlead.contract.errors import FairleadError
from fairlead.contract.incidents import Alert
from fairlead.ops.alerts import channels
from fairlead.ops.alerts.addresses import named
from fairlead.ops.alerts.sending import SEND_S, Job
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.state.rows import DeliveryRow


class ChannelState(msgspec.Struct, frozen=True):
    """state: unused (nothing was sent yet), works, waiting (it failed and is tried again at `due_at`), given_up.

    further: told only what nobody answered. sent_at: of the newest message that it took; waiting, given_up: messages;
    missed: those that it never got. error: of the newest try that failed, empty where none did since.
    """

    channel: str
    state: str
    further: bool = False
    sent_at: float | None = None
    waiting: int = 0
    missed: int = 0
    due_at: float | None = None
    error: str = ""


class Tried(msgspec.Struct, frozen=True):
    """What happened to one test message. ok: the channel took it. seconds: how long that took. error: else why."""

    channel: str
    ok: bool
    seconds: float
    error: str = ""


def states_of(ws: Workspace) -> list[ChannelState]:
    """How every channel stands by what the deliveries say, those of the escalation last."""
    asked = ws.settings.alerts
    every = list(named([*channels(asked.to), *channels(asked.escalate.to)]))
    by_channel: dict[str, list[DeliveryRow]] = {name: [] for name in every}
    for row in ws.state.deliveries():
        by_channel.setdefault(row.channel, []).append(row)
    return [_state(name, by_channel[name], n >= len(asked.to)) for n, name in enumerate(every)]


def _state(name: str, rows: list[DeliveryRow], further: bool) -> ChannelState:
    sent = [row.done_at for row in rows if row.state == "sent" and row.done_at is not None]
    waiting = [row for row in rows if row.state == "waiting"]
    missed = [row for row in rows if row.state == "failed"]
    newest = max(sent, default=None)
    failing = [row for row in waiting if row.error]
    # What it took after a message was given up shows that it works again.
    lost = [row for row in missed if newest is None or (row.done_at or 0.0) > newest]
    state = "given_up" if lost else "waiting" if failing else "works" if sent else "unused"
    error = next((row.error for row in reversed([*lost, *failing])), "")
    due = min((row.due_at for row in failing), default=None)
    return ChannelState(name, state, further, newest, len(waiting), len(missed), due, error)


def try_channels(ws: Workspace) -> list[Tried]:
    """Send one test message through every channel at once; at most ten seconds. It stands in no incident."""
    asked = ws.settings.alerts
    now = ws.clock()
    test = Alert(
        f"test:{now:.0f}", "notice", "info", f"{ws.model}: a test of this channel (nothing is wrong)",
        f"{ws.actor} asked Fairlead to show that alerts about {ws.model} arrive here. They do.", now,
    )  # fmt: skip
    jobs = {}
    found: dict[str, Tried] = {}
    for name, channel in named([*channels(asked.to), *channels(asked.escalate.to)]).items():
        try:
            getattr(channel, "check", lambda: None)()
        except FairleadError as wrong:
            found[name] = Tried(name, False, 0.0, str(wrong))
            continue
        found[name] = Tried(name, False, SEND_S, f"no answer within {SEND_S:.0f} s")
        jobs[name] = Job(channel, [(DeliveryRow(test.id, name, "waiting", 0, now, None, ""), test)])
    began = time.monotonic()
    while jobs and time.monotonic() - began < SEND_S:
        for name, job in list(jobs.items()):
            job.wait(0.02)
            for result in job.take():
                seconds = round(time.monotonic() - began, 3)
                found[name] = Tried(name, not result.error, seconds, result.error)
                del jobs[name]
    return list(found.values())
