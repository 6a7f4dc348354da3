"""Guardrails watched every second: a challenger that fails one is taken out, whatever else the watcher is doing.

A pass of the watcher may take minutes when it retrains. Beside it this reads the live counters (errors) and what was
collected since its last look (latency, decisions), asks the guardrails, and publishes routes without the failing
version. Decisions are recorded as those of the watcher are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from fairlead.contract.events import Decision
from fairlead.contract.routes import Variant
from fairlead.ops.flow.analysing import refresh
from fairlead.ops.flow.beside import Beside
from fairlead.ops.flow.counting import Counting, counted
from fairlead.ops.flow.holding import stands_of
from fairlead.ops.flow.rolling import stages_of, way_of
from fairlead.ops.flow.tallying import tally_of
from fairlead.ops.flow.trial import unit_of
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rollout.guardrails import Guardrail, errors_guard
from fairlead.ops.state import FileLock, Intent

EVERY_S = 1.0
DAY = 86_400.0
CHAMPION_ALPHA = 0.01
"""How often a champion that is as good as the one before is rolled back for its errors."""


def guards_of(ws: Workspace, intent: Intent, counting: Counting) -> dict[int, tuple[Guardrail, ...]]:
    """Every guardrail of each challenger, by version; of records what was collected up to now."""
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    tried = [v for v in intent.variants if v.name != "champion"]
    if champion is None or not tried:
        return {}
    stages = stages_of(intent.rollout) if intent.rollout is not None else []
    chosen = intent.rollout is not None and way_of(intent.rollout).mode == "pilot"
    tally = None
    if stages and not stages[-1].until and set(ws.settings.rollout.guardrails) - {"errors"}:
        asked = sum(requests for requests, _ in counting.seen.values())
        tally = tally_of(ws, stages[-1], unit_of(ws)).follow(ws, asked)
    return stands_of(ws, champion, tried, tally, counting, max(len(stages), 1), chosen=chosen)


def champion_guard(ws: Workspace, intent: Intent, counting: Counting) -> Guardrail | None:
    """The errors of a champion that took over lately, beside those of the one before; None where that is over."""
    promoted, rollout = counting.promoted, ws.settings.rollout
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    limit = rollout.guardrails.get("errors")
    if promoted is None or champion is None or limit is None or promoted.version != champion.version:
        return None
    if intent.previous != promoted.previous or ws.clock() - promoted.at > rollout.max_days * DAY:
        return None
    return errors_guard(promoted.before, counting.of(champion.version), limit, CHAMPION_ALPHA)


def look(ws: Workspace) -> list[Decision]:
    """One look: ends the trial of what fails, rolls back a champion that fails; what was decided now.

    A frozen model is left alone, as a person asked for; of a pinned one challengers are ended, never the champion.
    """
    intent = ws.state.intent(ws.model)
    if intent is None or not intent.variants or intent.hold == "frozen":
        return []
    counting = counted(ws)
    failed, ends = {}, []
    champion = next(v for v in intent.variants if v.name == "champion")
    for version, stands in guards_of(ws, intent, counting).items():
        guard = next((one for one in stands if one.outcome == "fails"), None)
        if guard is not None:
            tried = next(v for v in intent.variants if v.version == version)
            failed[version] = f"fails its guardrail on {guard.name}: {guard.why}"
            ends.append(ended(ws, intent, tried, guard))
    # Told before it is done: who asks while the routes change hears why.
    refresh(ws, intent, failed)
    done = [one for end in ends for one in _act(ws, end)]
    guard_of_champion = champion_guard(ws, intent, counting) if not intent.hold else None
    if guard_of_champion is not None and guard_of_champion.outcome == "fails":
        done += _act(ws, rolled_back(ws, intent, champion, guard_of_champion))
    if done:
        refresh(ws, ws.state.intent(ws.model), {})
    return done


def ended(ws: Workspace, intent: Intent, tried: Variant, guard: Guardrail) -> Decision:
    """The trial of a version that failed a guardrail is over."""
    began = intent.rollout.started_wall if intent.rollout else intent.since
    why = f"version {tried.version} fails its guardrail on {guard.name}: {guard.why}"
    details = {"bundle": tried.bundle, "version": tried.version, "guardrail": msgspec.to_builtins(guard)}
    return Decision(_id(ws, "end", tried.bundle, began), ws.model, "end_rollout", ws.clock(), why, (), details)


def rolled_back(ws: Workspace, intent: Intent, champion: Variant, guard: Guardrail) -> Decision:
    """The champion before answers again."""
    earlier = ws.state.version(ws.model, intent.previous)
    why = f"version {champion.version} fails its guardrail on {guard.name} since it took over: {guard.why}"
    details = {"bundle": earlier.bundle, "version": earlier.number, "from": champion.bundle}
    details |= {"guardrail": msgspec.to_builtins(guard)}
    return Decision(_id(ws, "back", champion.bundle, intent.since), ws.model, "roll_back", ws.clock(), why, (), details)


def _id(ws: Workspace, what: str, bundle: str, since: float) -> str:
    return hashlib.sha256(f"{ws.model}|guard|{what}|{bundle}|{since!r}".encode()).hexdigest()[:24]


def acting_lock(ws: Workspace) -> FileLock:
    """Held while a decision changes what answers, so that the watcher and its guard never act at once."""
    return FileLock(ws.home.run / f"act-{ws.model}.lock")


def _act(ws: Workspace, decision: Decision) -> list[Decision]:
    from fairlead.ops.flow import acting

    if not ws.state.plan(decision):
        return []
    acting.carry_out(ws, decision)
    return [decision]


def guarded(ws: Workspace, told: Callable[[str], None], every_s: float = EVERY_S) -> Beside:
    """The guard of one project beside its watcher. told: called with a line where it decided or failed."""

    def lines(mine: Workspace) -> Iterator[str]:
        for decision in look(mine):
            yield f"decided: {decision.action}: {decision.why}"

    return Beside(ws, lines, told, every_s, "the guard failed")
