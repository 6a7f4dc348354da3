"""What a model waits for, in words and with its time: for people who ask what comes next."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from fairlead.ops.flow.analysing import last_told
from fairlead.ops.flow.approving import missing
from fairlead.ops.flow.decide import frozen_words
from fairlead.ops.flow.forecasts import delay_of
from fairlead.ops.flow.freezing import frozen
from fairlead.ops.flow.freshness import knows_until
from fairlead.ops.flow.planning import days_left, plan_kept
from fairlead.ops.flow.policy import Triggers, cool_down_of, triggers_of
from fairlead.ops.flow.renewing import DAY, MONTH_DAYS
from fairlead.ops.flow.rolling import challengers, way_of
from fairlead.ops.flow.situating import moment_of, rows_per_day
from fairlead.ops.flow.spending import spent
from fairlead.ops.flow.tracker import Tracker, read_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import window_spec
from fairlead.ops.state import Intent


class Awaited(msgspec.Struct, frozen=True, omit_defaults=True):
    """what: a word for it. why: in a sentence. at: event time at which it comes, or about; None where nobody knows."""

    what: str
    why: str
    at: float | None = None


def awaited(ws: Workspace, intent: Intent | None) -> tuple[Awaited, ...]:
    """What has to happen before something is decided, what holds everything up first; reads state alone."""
    if intent is None or not intent.variants:
        return (Awaited("deployment", "a first deployment: `fairlead up`, or `fairlead deploy`"),)
    tracker = read_tracker(ws)
    found: list[Awaited] = []
    if intent.hold:
        held = intent.hold.replace("_", " ")
        found.append(Awaited("person", f"a person: the model is {held} (`fairlead release` lifts that)"))
    found += _freeze(ws)
    found += _approval(ws, tracker)
    found += _rollout(ws, intent, tracker)
    found += _windows(ws, tracker)
    if not intent.hold:
        found += _retraining(ws, tracker)
    return tuple(found)


def _freeze(ws: Workspace) -> list[Awaited]:
    found = frozen(ws)
    return [Awaited("freeze", f"the end of a freeze: {frozen_words(found, ws.settings)}", found[0])] if found else []


def _approval(ws: Workspace, tracker: Tracker) -> list[Awaited]:
    waiting = tracker.candidate
    lacks = missing(ws, waiting.bundle) if waiting is not None else ()
    if waiting is None or not lacks:
        return []
    who = ", ".join(lacks)
    return [
        Awaited("approval", f"approval of version {waiting.version} by {who}: `fairlead approve {waiting.version}`")
    ]


def _rollout(ws: Workspace, intent: Intent, tracker: Tracker) -> list[Awaited]:
    if intent.rollout is None:
        return []
    way = way_of(intent.rollout)
    if way.mode == "pilot":
        said = f"the end of the pilot {way.name} of version {intent.rollout.challenger}, {_day(ws, way.until)}"
        return [Awaited("verdict", f"{said}: `fairlead pilot` tells how it stands", way.until)]
    ends = intent.rollout.started_event + ws.settings.rollout.max_days * DAY
    what = "values" if ws.settings.rollout.objective == "value" else "labels"
    tried = ", ".join(str(v.version) for v in challengers(intent))
    said = f"a verdict on version {tried}, from {what} of rows answered since its trial began"
    told, days = last_told(ws), 0.0
    if told is not None and told.state == "running" and told.n:
        said += f": {told.why}"
        days = days_left(ws, intent.rollout, told.needed)[0] if told.needed > 0 else 0.0
    elif (plan := plan_kept(ws, intent.rollout)) is not None:
        said += f": {plan.why}"
    late = ", before that" if math.isfinite(days) and moment_of(ws, tracker) + days * DAY > ends else ""
    return [Awaited("verdict", f"{said}; undecided it ends {_day(ws, ends)}{late}", ends)]


def _windows(ws: Workspace, tracker: Tracker) -> list[Awaited]:
    spec = window_spec(ws.settings)
    champion = tracker.champion
    if tracker.start is None or not champion:
        size = ws.settings.monitor.window or ("7d" if spec.timed else f"{spec.rows}rows")
        return [Awaited("window", f"the first full window of records ({size})")]
    found: list[Awaited] = []
    windows = ws.state.windows(ws.model, last=64)
    if spec.timed:
        end = spec.bounds(spec.index(tracker.start))[1]
        found.append(Awaited("window", f"window {tracker.index}, which is over {_day(ws, end)} in event time", end))
    else:
        pace = rows_per_day(windows)
        at = tracker.start + spec.rows / pace * DAY if pace else None
        about = f", about {_day(ws, at)} at the pace of late" if at is not None else ""
        if at is not None and not ws.settings.model.time_columns and at < ws.clock():
            # It is not full although it should be: a time that is over would tell nobody anything.
            about, at = ", which come more slowly than of late", None
        found.append(Awaited("window", f"window {tracker.index}: {spec.rows:,} rows{about}", at))
    oldest = next((w for w in windows if w.state == "closed"), None)
    if oldest is not None:
        due = oldest.end + delay_of(ws, champion)
        found.append(Awaited("labels", f"labels of window {oldest.index}, judged {_day(ws, due)}", due))
    if tracker.promise is not None and tracker.promise.calibrating:
        lacks = 8 - len(tracker.promise.held_out)
        found.append(Awaited("calibration", f"{lacks} more labelled windows before a broken promise can be told"))
    return found


def _retraining(ws: Workspace, tracker: Tracker) -> list[Awaited]:
    """Which triggers are armed, from when, and what the budget leaves."""
    settings = ws.settings
    triggers, now = triggers_of(settings), moment_of(ws, tracker)
    found: list[Awaited] = []
    windows, seconds = cool_down_of(settings)
    if tracker.retrain_at is not None:
        spec = window_spec(settings)
        until = tracker.retrain_at + (seconds or (windows + 1) * (spec.seconds if spec.timed else math.nan))
        newest = tracker.retrain_window
        cooling = now < until if seconds else newest is not None and tracker.scored - 1 - newest <= windows
        if cooling:
            told = f" until about {_day(ws, until)}" if math.isfinite(until) else ""
            at = until if math.isfinite(until) else None
            found.append(Awaited("cool-down", f"no retraining follows the last one{told} (retrain.cool_down)", at))
    limits, used = settings.retrain, spent(ws, now)
    if limits.max_per_month and used.retrains >= limits.max_per_month:
        found.append(Awaited("budget", f"{used.retrains} retrainings in {MONTH_DAYS:g} days are all that is allowed"))
    armed = _armed(ws, tracker, triggers)
    if armed:
        found.append(armed)
    return found


def _armed(ws: Workspace, tracker: Tracker, triggers: Triggers) -> Awaited | None:
    words = [name for name in ("performance", "concept", "estimated", "drift", "cost") if getattr(triggers, name)]
    if triggers.labels:
        words.append(f"{triggers.labels:,} new labels")
    released = max(tracker.released, tracker.retrain_at or tracker.released)
    times: list[tuple[float, str]] = []
    if tracker.champion and released:
        fresh = max(knows_until(ws, tracker, tracker.champion), tracker.retrain_at or 0.0)
        if triggers.max_age_s is not None:
            times.append((fresh + triggers.max_age_s, "age"))
        if triggers.every_s is not None:
            times.append((released + triggers.every_s, "schedule"))
        zone = ZoneInfo(ws.settings.model.timezone)
        times += [(moment.after(released, zone), "calendar") for moment in triggers.at]
    words += [f"{name} ({_day(ws, at)})" for at, name in times]
    if not words:
        return None
    return Awaited("retraining", f"a reason to retrain: {', '.join(words)}", min(times)[0] if times else None)


def _day(ws: Workspace, at: float) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(ws.settings.model.timezone)):%Y-%m-%d %H:%M}"
