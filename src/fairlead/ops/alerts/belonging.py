"""Which findings belong together: pure, so that a repeated pass groups the same.

They belong together by evidence (`evidence`), not for beginning at the same time: what stands in an incident draws in
what shares a cause, a column or a loss with any of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from fairlead.contract.events import Cause, Finding
from fairlead.contract.incidents import GRAVITY, MOST_MEMBERS, MOST_POINTS, Entry, Incident, Trend
from fairlead.ops.alerts.evidence import HARM, LEAST_SHARED, OF_ROWS, STRENGTH, bridges, crowds_of, evidence

RETURNS = 4
"""Windows after its end within which the same trouble opens its incident again."""

MOST_CAUSES = 5
CLEAR = 0.5
"""Least weight of a changed concept that a title names."""
_AGAIN = "the same trouble again"
_TIMES: tuple[str, ...] = ("time",)


class Known(NamedTuple):
    """A finding of an incident as the state has it. closed_at: None while it lasts."""

    finding: Finding
    closed_at: float | None


class Grouped(NamedTuple):
    """incidents: those that changed. entries: (incident, line) to add. joined: (finding, incident).

    merged: (younger, older) incidents: what belonged to the younger belongs to the older.
    """

    incidents: list[Incident]
    entries: list[tuple[str, Entry]]
    joined: list[tuple[str, str]]
    merged: list[tuple[str, str]]


def incident_id(model: str, finding: str) -> str:
    """Deterministic from the finding that began it, so that a pass cut short begins the same incident again."""
    return hashlib.sha256(msgspec.json.encode([model, finding])).hexdigest()[:12]


def group(
    standing: Sequence[Incident], loose: Sequence[Finding], members: Mapping[str, Sequence[Known]], now: float,
    number: int,
) -> Grouped:  # fmt: skip
    """What changes: findings join or begin incidents, those that ended are closed, figures follow.

    standing: incidents not resolved, and those resolved lately. loose: open findings that belong to none. members: what
    each standing incident consists of. now: clock of the home; number: of the next incident.
    """
    work = {i.id: i for i in standing}
    known = {i.id: list(members.get(i.id, ())) for i in standing}
    entries: list[tuple[str, Entry]] = []
    joined: list[tuple[str, str]] = []
    merged: list[tuple[str, str]] = []
    crowds = crowds_of([*loose, *(one.finding for members_ in known.values() for one in members_)])
    # The gravest first, so that what is only worth a note finds something to join.
    for finding in sorted(loose, key=lambda f: (-GRAVITY[f.severity], not bridges(f), f.since, f.id)):
        standing_now = [i for i in work.values() if not i.merged_into]
        akin = [(why, i) for i in standing_now if (why := belongs(i, known[i.id], finding, crowds))]
        if not akin:
            if finding.severity == "info":
                continue
            begun = _begin(finding, now, number)
            number += 1
            work[begun.id], known[begun.id] = begun, [Known(finding, None)]
            entries.append(
                (begun.id, Entry(f"begun:{finding.id}", now, "begun", finding.message, "", finding.id, finding.since))
            )
            joined.append((finding.id, begun.id))
            continue
        why, home = min(akin, key=lambda found: (_ORDER.index(found[0]), found[1].state == "resolved", found[1].number))
        for _, other in akin:
            # What belongs to two that go on shows that they are one.
            if other.id != home.id and bridges(finding) and "resolved" not in (other.state, home.state):
                home = _merge(work, known, home.id, other.id, entries, merged, now)
        known[home.id].append(Known(finding, None))
        told = f"{finding.message} ({why})"
        entries.append(
            (home.id, Entry(f"joined:{finding.id}:{home.rounds}", now, "joined", told, "", finding.id, finding.since))
        )
        joined.append((finding.id, home.id))
        # What joins next is compared with what the incident is by now.
        work[home.id] = _figures(work[home.id], known[home.id])
    changed = []
    before = {i.id: i for i in standing}
    for id, incident in work.items():
        after = incident if incident.merged_into else _follow(incident, known[id], now, entries, before.get(id))
        if after != before.get(id):
            changed.append(msgspec.structs.replace(after, changed_at=now))
    return Grouped(sorted(changed, key=lambda i: i.number), entries, joined, merged)


_ORDER: tuple[str, ...] = (_AGAIN, *STRENGTH)


def belongs(incident: Incident, members: Sequence[Known], finding: Finding, crowds: Iterable[int] = ()) -> str:
    """Why a finding belongs to an incident of these members, in words; empty where it does not.

    What a person called expected is done with: what is found beyond it begins anew. Notes among the members are told
    in the incident and are no evidence. crowds: windows in which many columns changed.
    """
    if incident.model != finding.model or incident.state == "expected":
        return ""
    if incident.state == "resolved":
        same = finding.check in incident.checks and set(finding.columns) <= set(incident.columns)
        same = same and (not finding.segment or finding.segment in incident.segments)
        lately = 0 <= finding.window - incident.last_window <= RETURNS and finding.window >= 0
        return _AGAIN if same and lately else ""
    every = [one.finding for one in members]
    counted = [f for f in every if bridges(f)] or [f for f in every if f.severity != "info"] or every
    found = {evidence(one, finding, crowds) for one in counted}
    return next((why for why in STRENGTH if why in found), "")


def _begin(finding: Finding, now: float, number: int) -> Incident:
    incident = Incident(
        id=incident_id(finding.model, finding.id), number=number, model=finding.model, title="",
        severity=finding.severity, state="open", since=finding.since, opened_at=now, changed_at=now,
        first_window=finding.window, last_window=finding.window,
    )  # fmt: skip
    return _figures(incident, [Known(finding, None)])


def _merge(
    work: dict[str, Incident], known: dict[str, list[Known]], one: str, other: str,
    entries: list[tuple[str, Entry]], merged: list[tuple[str, str]], now: float,
) -> Incident:  # fmt: skip
    """The younger of two becomes part of the older; returns the older."""
    older, younger = sorted((work[one], work[other]), key=lambda i: i.number)
    known[older.id] += known.pop(younger.id)
    known[younger.id] = []
    told = f"incident #{younger.number} turned out to be part of this one"
    entries.append((older.id, Entry(f"merged:{younger.id}", now, "merged", told, "", younger.id)))
    work[younger.id] = msgspec.structs.replace(
        younger, state="resolved", merged_into=older.id, open=(), closed_at=now, ended=now
    )
    merged.append((younger.id, older.id))
    keeps = msgspec.structs.replace(older, assignee=older.assignee or younger.assignee)
    work[older.id] = _figures(keeps, known[older.id])
    return work[older.id]


def _follow(
    incident: Incident, known: Sequence[Known], now: float,
    entries: list[tuple[str, Entry]], before: Incident | None,
) -> Incident:  # fmt: skip
    """The incident after its findings went on or ended."""
    after = _figures(incident, known)
    for one in known:
        if one.closed_at is not None and before is not None and one.finding.id in before.open:
            line = Entry(
                f"ended:{one.finding.id}:{before.rounds}",
                now,
                "ended",
                one.finding.message,
                "",
                one.finding.id,
                one.closed_at,
            )
            entries.append((after.id, line))
    if after.state != "resolved" and not after.open:
        ended = max((one.closed_at for one in known if one.closed_at is not None), default=after.since)
        entries.append(
            (after.id, Entry(f"resolved:{after.rounds}", now, "resolved", "all of it has ended", event=ended))
        )
        return msgspec.structs.replace(after, state="resolved", closed_at=now, ended=ended, snoozed_until=None)
    if after.state == "resolved" and after.open:
        entries.append((after.id, Entry(f"reopened:{after.rounds + 1}", now, "reopened", "it is back")))
        return msgspec.structs.replace(
            after, state="open", closed_at=None, ended=None, rounds=after.rounds + 1, acknowledged_by=""
        )
    if after.state == "snoozed" and not after.silent(now):
        entries.append((after.id, Entry(f"awake:{after.snoozed_until}", now, "reopened", "the snooze is over")))
        after = msgspec.structs.replace(after, state="open", snoozed_until=None)
    if before is not None and after.open and _worse(before, after):
        after = msgspec.structs.replace(after, worsened=after.worsened + 1)
        told = f"it got worse: {after.title} ({after.severity})"
        entries.append((after.id, Entry(f"worse:{after.worsened}", now, "worse", told)))
        if after.state == "acknowledged" or (after.state == "snoozed" and after.severity == "critical"):
            after = msgspec.structs.replace(after, state="open", snoozed_until=None, acknowledged_by="")
    return after


def _worse(before: Incident, after: Incident) -> bool:
    """Graver than it was, or of more than it was: harm that labels show, a column or an area that no message named."""
    if GRAVITY[after.severity] > GRAVITY[before.severity]:
        return True
    return bool(set(after.areas) - set(before.areas) or set(after.columns) - set(before.columns))


def _figures(incident: Incident, known: Sequence[Known]) -> Incident:
    """What an incident says of itself, from its findings; of those that last, as long as any does."""
    if not known:
        return incident
    # What is worth a note alone keeps no incident open.
    lasting = [k.finding for k in known if k.closed_at is None and k.finding.severity != "info"]
    every = [k.finding for k in known]
    # What only informs is listed, and speaks for the incident only where nothing else does.
    alarms = [f for f in every if f.severity != "info"] or every
    told = lasting or alarms
    # Of findings about no column, those that explain them.
    columns = [c for f in alarms for c in f.columns] or [
        c.name for f in alarms for c in f.causes if c.kind == "column" and c.weight >= LEAST_SHARED
    ]
    lead = leading(told)
    causes = causes_of(told)
    costs = [f for f in told if f.cost is not None]
    dear = max(costs, key=lambda f: f.cost.value if f.cost else 0.0, default=None)
    # Of several, that of the clearest finding: a weak one may take an accident before it for the beginning.
    timed = [f for f in alarms if f.first is not None]
    ids = list(dict.fromkeys([*incident.findings, *(f.id for f in every)]))
    # Once resolved, it keeps what it was at its worst.
    severity = lead.severity if lasting else incident.severity
    if lasting and incident.open and GRAVITY[incident.severity] > GRAVITY[severity]:
        severity = incident.severity
    return msgspec.structs.replace(
        incident,
        title=title_of(told, causes),
        severity=severity,
        since=min([incident.since, *(f.since for f in alarms)]),
        first=leading(timed).first if timed else None,
        first_window=min([incident.first_window, *(f.window for f in alarms)]),
        last_window=max([incident.last_window, *(f.window for f in every)]),
        findings=tuple(ids[:MOST_MEMBERS]),
        more=max(incident.more, len(ids) - MOST_MEMBERS, 0),
        open=tuple(f.id for f in lasting)[:MOST_MEMBERS],
        areas=tuple(dict.fromkeys([*incident.areas, *(f.area for f in alarms)])),
        checks=tuple(dict.fromkeys([*incident.checks, *(f.check for f in alarms)])),
        columns=tuple(dict.fromkeys([*incident.columns, *columns]))[:MOST_MEMBERS],
        segments=tuple(dict.fromkeys([*incident.segments, *(f.segment for f in alarms if f.segment)]))[:MOST_MEMBERS],
        causes=causes,
        cost=dear.cost if dear else None,
        cost_in=dear.cost_in if dear else "",
    )


def leading(findings: Sequence[Finding]) -> Finding:
    """The one that speaks for all: harm shown by labels first, then the gravest, then the furthest past its limit."""

    def rank(finding: Finding) -> tuple[bool, int, float, str]:
        limit = finding.evidence.get("limit", 0.0)
        past = finding.size / limit if limit > 0 else finding.size
        return finding.severity != "info" and finding.area in HARM, GRAVITY[finding.severity], past, finding.id

    return max(findings, key=rank)


def causes_of(findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """Causes of many findings as one list: the heaviest statement of each, most likely first, at most 5."""
    heaviest: dict[tuple[str, str], Cause] = {}
    for finding in findings:
        for cause in finding.causes:
            key = cause.kind, cause.name
            if key not in heaviest or cause.weight > heaviest[key].weight:
                heaviest[key] = cause
    ranked = sorted(heaviest.values(), key=lambda c: (-c.weight, c.kind, c.name))
    return tuple(ranked[:MOST_CAUSES])


def trend_of(incident: Incident, lead: Finding, event: float) -> Trend:
    """The sizes of the leading finding as time went on; begun anew when another one leads."""
    name = f"{lead.check} {', '.join(lead.columns[:2])}".strip()
    before = incident.trend if incident.trend is not None and incident.trend.name == name else None
    points = before.points if before is not None else ((lead.since, lead.size),)
    if event > points[-1][0]:
        points = (*points, (event, lead.size))[-MOST_POINTS:]
    return Trend(name, lead.unit, points, lead.evidence.get("limit"), lead.evidence.get("usual"))


_AREA = {
    "quality": "data quality", "contract": "data contract", "data_drift": "data drift", "score_drift": "score drift",
    "estimated": "estimated performance", "requests": "strange requests", "traffic": "traffic", "late": "late data",
    "performance": "performance", "concept_drift": "concept drift", "definition": "definition of the target",
    "labels": "labels", "infrastructure": "infrastructure", "code": "code", "alerts": "alerts", "registry": "registry",
}  # fmt: skip
MOST_NAMED = 3


def title_of(findings: Sequence[Finding], causes: Sequence[Cause]) -> str:
    """A line for people: what it is about, where, and the likeliest cause.

    >>> title_of([Finding("a", "m", "data_drift", "drift", 1, 0.0, 1.0, 1.0, 1.0, "", "age moved", ("age",))], ())
    'data drift: age'
    """
    lead = leading(findings)
    if lead.severity != "info":
        # What only informs is told in the incident, and names no alarm.
        findings = [f for f in findings if f.severity != "info"]
        named = {(c.kind, c.name) for f in findings for c in f.causes}
        causes = [c for c in causes if (c.kind, c.name) in named]
    areas = list(dict.fromkeys([lead.area, *(f.area for f in findings if f.severity != "info")]))
    shown = [_AREA[area] for area in areas[:2]] + (["more"] if len(areas) > 2 else [])
    text = " and ".join(shown) if len(shown) < 3 else ", ".join(shown[:2]) + " and more"
    columns = _columns_of(findings, lead, causes)
    if columns:
        rest = len(columns) - MOST_NAMED
        text += ": " + ", ".join(columns[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    elif lead.segment:
        text += f" of {lead.segment}"
    elif lead.area not in OF_ROWS:
        # A version or a resource is what such an incident is about.
        to_blame = next((c.name for c in lead.causes if c.weight >= LEAST_SHARED), "")
        if to_blame:
            return f"{text}: version {to_blame}" if to_blame.isdecimal() else f"{text}: {to_blame}"
    wrong = next((f for f in findings if f.area == "labels" and f.check.startswith("poisoned")), None)
    if wrong is not None and lead.severity != "info":
        # Labels that are wrong explain a loss measured with them, whatever else moved.
        return f"{text} (likely poisoned)" if wrong is lead else f"{text} (likely poisoned labels of {wrong.segment})"
    strong = [c for c in causes if c.weight >= LEAST_SHARED and c.kind not in (*_TIMES, "upstream")]
    # Who sent it says more than which column; a column is news only if it is likelier than those named already.
    likely = next((c for c in strong if c.kind != "column"), strong[0] if strong else None)
    if likely is not None and likely.name not in columns:
        return f"{text} (likely {likely.kind} {likely.name})"
    world = [c for c in lead.causes if (c.kind, c.name) == ("time", "concept") and c.weight >= CLEAR]
    return f"{text} (likely a changed concept)" if world and areas == ["performance"] else text


def _columns_of(findings: Sequence[Finding], lead: Finding, causes: Sequence[Cause]) -> list[str]:
    """Columns as people look for them: likely causes first, then those of the leading finding; outputs if alone."""
    named = list(dict.fromkeys(c for f in (lead, *findings) if f.area != "score_drift" for c in f.columns))
    if not named:
        return list(dict.fromkeys(c for f in (lead, *findings) for c in f.columns))
    weights = {c.name: c.weight for c in causes if c.kind == "column"}
    return sorted(named, key=lambda name: -weights.get(name, 0.0))
