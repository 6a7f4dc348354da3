"""What people read: what, since when, how big, which columns, what Fairlead does about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fairlead.contract.events import Finding
from fairlead.ops.state.rows import MessageRow

_AREA = {
    "quality": "data quality",
    "data_drift": "data drift",
    "score_drift": "score drift",
    "performance": "performance",
    "traffic": "traffic",
    "late": "late data",
    "alerts": "alerts",
    "registry": "registry",
}
_MAX_COLUMNS = 5
_MAX_TITLES = 10


def notice(finding: Finding, doing: str = "") -> tuple[str, str]:
    """Title and body of the first message about a finding. doing: what Fairlead does about it, a sentence."""
    # What concerns versions rather than rows belongs to no window and has no size.
    place = f" (window {finding.window})" if finding.window >= 0 else ""
    lines = [_sentence(finding.message), f"Since {moment(finding.since)}{place}."]
    lines += _facts(finding) if finding.window >= 0 else []
    lines.append("Fairlead: " + (_sentence(doing) if doing else "watches on and tells you when it is over."))
    return f"{_about(finding)}: {_AREA[finding.area]} ({finding.severity})", "\n".join(lines)


def reminder(finding: Finding, now: float) -> tuple[str, str]:
    """Title and body while a finding lasts."""
    lines = [
        _sentence(finding.message),
        f"This has lasted for {span(now - finding.since)}: since {moment(finding.since)}.",
    ]
    return f"{_about(finding)}: {_AREA[finding.area]} still {finding.severity}", "\n".join(lines + _facts(finding))


def all_clear(finding: Finding, closed_at: float) -> tuple[str, str]:
    """Title and body when a finding is over."""
    lasted = span(max(0.0, closed_at - finding.since))
    body = f"Over after {lasted}, as of {moment(closed_at)}. It was: {_sentence(finding.message)}"
    return f"{_about(finding)}: {_AREA[finding.area]} is fine again", body


def digest(messages: Sequence[MessageRow]) -> tuple[str, str]:
    """Title and body of one message that speaks for many."""
    lines = [f"- {message.title}" for message in messages[:_MAX_TITLES]]
    if len(messages) > _MAX_TITLES:
        lines.append(f"- and {len(messages) - _MAX_TITLES} more")
    lines.append("They are summed up because many came at once; `fairlead status` shows each.")
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


def _about(finding: Finding) -> str:
    return finding.model or "Fairlead"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _facts(finding: Finding) -> list[str]:
    lines = []
    if finding.area != "alerts":
        unit = f" {finding.unit}" if finding.unit else ""
        between = f" (between {finding.low:.4g} and {finding.high:.4g})" if finding.low < finding.high else ""
        lines.append(f"Size: {finding.size:.4g}{unit}{between}.")
    if finding.columns:
        shown = ", ".join(finding.columns[:_MAX_COLUMNS])
        more = len(finding.columns) - _MAX_COLUMNS
        lines.append(f"Columns: {shown}{f' and {more} more' if more > 0 else ''}.")
    return lines
