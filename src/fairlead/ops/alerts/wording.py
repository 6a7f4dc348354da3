"""What people read: what, since when, how big, why, what it costs, what Fairlead does about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fairlead.contract.events import Cause, Finding
from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.advice import advice
from fairlead.ops.state.rows import MessageRow

_MAX_COLUMNS = 5
_MAX_TITLES = 10
_MAX_FINDINGS = 5


def notice(incident: Incident, findings: Sequence[Finding], doing: str = "") -> tuple[str, str]:
    """Title and body of the first message about an incident. doing: what Fairlead does about it, a sentence."""
    lines = [*_messages(findings), _since(incident), *_reasons(incident), *_facts(incident, findings)]
    lines.append("Fairlead: " + (sentence(doing) if doing else "watches on and tells you when it is over."))
    lines += _advice(incident, findings)
    return _title(incident, f"({incident.severity})"), "\n".join([*lines, how_to_answer(incident)])


def worse(incident: Incident, findings: Sequence[Finding]) -> tuple[str, str]:
    """Title and body when an incident got graver than it was when it was told."""
    lines = [*_messages(findings), _since(incident), *_reasons(incident), *_facts(incident, findings)]
    lines += _advice(incident, findings)
    return _title(incident, f"got worse ({incident.severity})"), "\n".join([*lines, how_to_answer(incident)])


def reminder(incident: Incident, findings: Sequence[Finding], now: float) -> tuple[str, str]:
    """Title and body while an incident lasts."""
    lasted = f"This has lasted for {span(now - incident.since)}: since {moment(incident.since)}."
    lines = [*_messages(findings), lasted, *_reasons(incident), *_facts(incident, findings)]
    return _title(incident, f"still {incident.severity}"), "\n".join([*lines, how_to_answer(incident)])


def escalation(incident: Incident, findings: Sequence[Finding], now: float) -> tuple[str, str]:
    """Title and body for those who are told because nobody else answered."""
    waited = f"Nobody has acknowledged this for {span(now - incident.opened_at)}."
    lines = [waited, *_messages(findings), _since(incident), *_reasons(incident), *_facts(incident, findings)]
    return _title(incident, f"unanswered ({incident.severity})"), "\n".join([*lines, how_to_answer(incident)])


def all_clear(incident: Incident, findings: Sequence[Finding]) -> tuple[str, str]:
    """Title and body when an incident is over."""
    if incident.merged_into:
        body = "It turned out to be part of another incident, which goes on and is told of by itself."
        return _title(incident, "goes on under another number"), body
    ended = incident.ended if incident.ended is not None else incident.changed_at
    lasted = span(max(0.0, ended - incident.since))
    lines = [f"Over after {lasted}, as of {moment(ended)}. It was:", *_messages(findings), *_reasons(incident)]
    if incident.why:
        lines.append(f"It was marked as expected: {sentence(incident.why)}")
    return _title(incident, "is over"), "\n".join(lines)


def passed(incident: Incident, findings: Sequence[Finding]) -> tuple[str, str]:
    """Title and body of what was over before anybody was told: began and ended between two looks."""
    ended = incident.ended if incident.ended is not None else incident.changed_at
    began = incident.first if incident.first is not None else incident.since
    lines = [
        f"It lasted {span(max(0.0, ended - began))}, from {moment(began)} to {moment(ended)}, and was over before it "
        "could be told. It was:",
        *_messages(findings), *_reasons(incident), *_facts(incident, findings),
        f"Look: `fairlead incident {incident.number}`.",
    ]  # fmt: skip
    return _title(incident, f"was and is over ({incident.severity})"), "\n".join(lines)


def digest(messages: Sequence[MessageRow]) -> tuple[str, str]:
    """Title and body of one message that speaks for many."""
    lines = [f"- {message.title}" for message in messages[:_MAX_TITLES]]
    if len(messages) > _MAX_TITLES:
        lines.append(f"- and {len(messages) - _MAX_TITLES} more")
    lines.append("They are summed up because many came at once; `fairlead incidents` shows each.")
    return f"Fairlead: {len(messages)} more messages", "\n".join(lines)


def moment(at: float) -> str:
    """A time for people, in UTC.

    >>> moment(0.0)
    '1970-01-01 00:00 UTC'
    """
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return f"time {at:.0f}"


def span(seconds: float) -> str:
    """A duration for people.

    >>> span(40), span(5400), span(200000)
    ('40 s', '90 min', '56 h')
    """
    for unit, size, upto in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 259200)):
        if seconds < upto:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def sentence(text: str) -> str:
    """With its full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def how_to_answer(incident: Incident) -> str:
    """What a reader types next."""
    n = incident.number
    return f"Look: `fairlead incident {n}`. You look after it: `fairlead ack {n}`."


def _title(incident: Incident, how: str) -> str:
    return f"{incident.model or 'Fairlead'} #{incident.number}: {incident.title} {how}"


def _messages(findings: Sequence[Finding]) -> list[str]:
    lines = list(dict.fromkeys(sentence(f.message) for f in findings))
    rest = len(lines) - _MAX_FINDINGS
    return lines[:_MAX_FINDINGS] + ([f"And {rest} more findings."] if rest > 0 else [])


def _advice(incident: Incident, findings: Sequence[Finding]) -> list[str]:
    told = advice(incident, findings)
    return [f"What to do: {told}"] if told else []


def _since(incident: Incident) -> str:
    # What concerns versions rather than rows belongs to no window.
    place = f" (window {incident.first_window})" if incident.first_window >= 0 else ""
    exact = f"; first affected: {moment(incident.first)}" if incident.first is not None else ""
    return f"Since {moment(incident.since)}{place}{exact}."


def _reasons(incident: Incident) -> list[str]:
    if not incident.causes:
        return []
    return ["Likely cause: " + "; ".join(f"{named(c)} ({c.why})" for c in incident.causes[:3]) + "."]


def named(cause: Cause) -> str:
    """A cause in words.

    >>> named(Cause("time", "concept", 1.0, "")), named(Cause("version", "3", 1.0, ""))
    ('a changed concept', 'version 3')
    """
    if cause.kind == "time":
        return f"a changed {cause.name}"
    if cause.kind == "infrastructure" or cause.kind in cause.name:
        return cause.name
    return f"{cause.kind} {cause.name}"


def _facts(incident: Incident, findings: Sequence[Finding]) -> list[str]:
    lines = []
    if findings and findings[0].area != "alerts" and findings[0].window >= 0:
        one = findings[0]
        unit = f" {one.unit}" if one.unit else ""
        between = f" (between {one.low:.4g} and {one.high:.4g})" if one.low < one.high else ""
        lines.append(f"Size: {one.size:.4g}{unit}{between}.")
    if incident.cost is not None:
        cost = incident.cost
        between = f" (between {cost.low:.3g} and {cost.high:.3g})" if cost.low < cost.high else ""
        lines.append(f"Estimated cost: {cost.value:+.3g} {incident.cost_in}{between}.")
    if incident.columns:
        shown = ", ".join(incident.columns[:_MAX_COLUMNS])
        more = len(incident.columns) - _MAX_COLUMNS
        lines.append(f"Columns: {shown}{f' and {more} more' if more > 0 else ''}.")
    return lines
