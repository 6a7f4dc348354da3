"""Verbs around trying versions beside the champion: deploy in all its ways, plan, analysis, a pilot's report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
Mode = Literal["replace", "canary", "shadow", "ab", "bandit", "pilot"]


def way_asked(
    ws: Workspace,
    canary: float | None,
    shadow: bool,
    ab: float | None,
    bandit: bool,
    pilot: str | None,
    cohort: str | None,
    until: str | None,
    question: str,
) -> Any:
    """What was asked for as a `Way`; None for a plain deployment. Raises UsageError for what does not go together."""
    from fairlead.ops.flow import piloting
    from fairlead.ops.flow.rolling import Way

    asked: list[Mode] = []
    for mode, given in (
        ("canary", canary is not None), ("shadow", shadow), ("ab", ab is not None), ("bandit", bandit),
        ("pilot", pilot is not None),
    ):  # fmt: skip
        if given:
            asked.append(mode)  # type: ignore[arg-type]
    if len(asked) > 1:
        raise UsageError(f"choose one of {', '.join(asked)}: a version is tried in one way at a time.")
    if "pilot" not in asked and (cohort or until or question):
        named = "--cohort" if cohort else "--until" if until else "--question"
        raise UsageError(f"{named} belongs to a pilot: add --pilot NAME.")
    if not asked:
        return None
    mode = asked[0]
    if mode == "pilot":
        if not cohort or not until:
            missing = "--cohort \"region in ('north', 'west')\"" if not cohort else "--until 2027-01-31"
            raise UsageError(f"a pilot has a cohort and an end: add {missing}.")
        column, values = piloting.cohort_of(cohort)
        piloting.known_column(ws, column)
        end = piloting.end_of(until, ws.settings.model.timezone, ws.clock())
        return Way("pilot", 0.5, column, values, end, str(pilot), question)
    share = canary if canary is not None else ab if ab is not None else ws.settings.rollout.start
    if not 0.0 < share < 1.0:
        raise UsageError("a share lies between 0 and 1, as 5% or 0.05.")
    return Way(mode, share)  # type: ignore[arg-type]


def deploy(ws: Workspace, versions: Sequence[int], way: Any, *, plan_only: bool = False) -> Answer:
    """See `Project.deploy`."""
    from fairlead.ops.flow import release, rolling

    chosen: tuple[int | None, ...] = tuple(versions) or (None,)
    if way is None:
        if len(chosen) > 1:
            cure = "add --canary, --ab, --shadow or --bandit"
            raise UsageError(f"several versions are tried beside the champion, not deployed: {cure}.")
        if plan_only:
            raise UsageError("--plan tells how long a trial takes: add --canary, --ab or --bandit.")
        before = ws.state.intent(ws.model)
        done = release.deploy(ws, chosen[0], why="deployed by hand")
        return {**answer_of(done), "note": _note_on(before, done)}
    rolling.require_way(ws, way, len(chosen))
    told = planned(ws, chosen, way)
    about = {"mode": way.mode, "plan": told, "note": rolling.note_on(ws, way)}
    if plan_only:
        return {"model": ws.model, **about}
    done = rolling.start(ws, chosen, way, why="deployed by hand", plan=told)
    return {**answer_of(done), **about}


def _note_on(before: Any, done: Any) -> str:
    """What a person may not have thought of: a trial that this ends, and a hold that stays."""
    if before is None:
        return ""
    answering = {one.bundle for one in done.variants}
    ended = [one for one in before.variants if one.name != "champion" and one.bundle not in answering]
    said = [f"the trial of version {one.version} is over" for one in ended]
    if before.hold in {"pinned", "frozen"}:
        said.append(f"still {before.hold}: no rule moves it until `fairlead release`")
    return "; ".join(said)


def answer_of(done: Any) -> Answer:
    return {
        "model": done.model,
        "variants": [msgspec.to_builtins(v) for v in done.variants],
        "generation": done.generation,
        "confirmed": done.confirmed,
    }


def planned(ws: Workspace, versions: Sequence[int | None], way: Any) -> Answer | None:
    """The plan as JSON has it (days null where they never come); None of a pilot, whose end was named."""
    from fairlead.ops.flow.planning import plan_of

    if way.mode == "pilot":
        return None
    number = versions[0] if versions[0] is not None else ws.state.version(ws.model, None).number
    each = 1.0 / (len(versions) + 1.0) if way.mode == "bandit" else way.share / len(versions)
    found = plan_of(ws, number, each, shadow=way.mode == "shadow", challengers=len(versions))
    told: Answer = msgspec.to_builtins(found)
    told["days"] = None if math.isinf(found.days) else found.days
    for one in told["shares"]:
        one["days"] = None if math.isinf(one["days"]) else one["days"]
    return told


def analysis(ws: Workspace) -> Answer:
    """See `Project.analysis`."""
    from fairlead.ops.flow.analysing import analysis_of, tell
    from fairlead.ops.flow.tracker import read_tracker
    from fairlead.ops.flow.trial import trials_of

    intent = ws.state.intent(ws.model)
    trials = trials_of(ws, intent, read_tracker(ws)) if intent is not None and intent.rollout is not None else []
    found: Answer = msgspec.to_builtins(tell(ws, analysis_of(ws, intent, trials)))
    return found


def pilot(ws: Workspace) -> Answer:
    """See `Project.pilot_report`."""
    from fairlead.ops.flow import piloting
    from fairlead.ops.flow.rolling import way_of
    from fairlead.ops.flow.situation import Trial
    from fairlead.ops.flow.tracker import read_tracker
    from fairlead.ops.flow.trial import trials_of

    intent = ws.state.intent(ws.model)
    if intent is None or intent.rollout is None or way_of(intent.rollout).mode != "pilot":
        raise UsageError("no pilot is in progress: `fairlead deploy VERSION --pilot NAME --cohort … --until DATE`.")
    trial = next(iter(trials_of(ws, intent, read_tracker(ws))), None)
    if trial is None:
        version = next(v for v in intent.variants if v.name != "champion")
        trial = Trial(version.bundle, intent.rollout.started_event, version=version.version, mode="pilot")
    report = piloting.report_of(ws, trial, closed=False)
    page = piloting.write_report(ws, report)
    return {**msgspec.to_builtins(report), "report": str(page)}
