"""Levels that a person marked as expected, beside the sealed reference, which stays as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fairlead.contract.events import Finding
from fairlead.contract.incidents import Amendment
from fairlead.contract.profile import ColumnProfile, Profile, Reference

MOSTLY = 0.5
"""Weight of expected columns among the causes of a finding from which on it is theirs."""

SLACK = 0.1
"""Part by which a size that was marked as expected may be passed: the level of a few windows is known so well."""


def level_key(finding: Finding) -> str:
    """What a level about no column of the profile is kept by."""
    named = [finding.check, *finding.columns]
    return "|".join([*named, finding.segment] if finding.segment else named)


def amended(reference: Reference, amendments: Sequence[Amendment], at: float) -> Reference:
    """The reference with the newest expected level of each amended column in the place of the sealed one.

    at: event time of the window's end; amendments that begin later do not hold yet. Blocks, from which everyday
    variation is known, and held-out windows stay the sealed ones. A profile in other bins changes nothing.
    """
    from fairlead.lab.stats import decode_profile

    columns = {c.bins.name: c for c in reference.profile.columns}
    scores = {c.bins.name: c for c in reference.profile.scores}
    changed = False
    for one in sorted(amendments, key=lambda a: (a.at, a.id)):
        if one.since >= at or not one.profile:
            continue
        told = decode_profile(one.profile.encode())
        for known, levels in ((columns, told.columns), (scores, told.scores)):
            for level in levels:
                before = known.get(level.bins.name)
                if before is not None and before.bins == level.bins and level.bins.name in one.columns:
                    known[level.bins.name] = _widest(before, level)
                    changed = True
    if not changed:
        return reference
    profile = reference.profile
    return msgspec.structs.replace(
        reference,
        profile=msgspec.structs.replace(
            profile,
            columns=tuple(columns[c.bins.name] for c in profile.columns),
            scores=tuple(scores[c.bins.name] for c in profile.scores),
        ),
    )


def _widest(before: ColumnProfile, level: ColumnProfile) -> ColumnProfile:
    """The new level; what was in range stays in range."""
    lows = [v for v in (before.low, level.low) if v is not None]
    highs = [v for v in (before.high, level.high) if v is not None]
    return msgspec.structs.replace(level, low=min(lows, default=None), high=max(highs, default=None))


def levels_of(profiles: Iterable[Profile], columns: Iterable[str]) -> Profile | None:
    """The profile of all rows of some windows, of these columns and outputs alone; None without any row."""
    from fairlead.lab.stats import total

    filled = [p for p in profiles if p.rows]
    if not filled:
        return None
    whole, wanted = total(filled), set(columns)
    return msgspec.structs.replace(
        whole,
        columns=tuple(c for c in whole.columns if c.bins.name in wanted),
        scores=tuple(c for c in whole.scores if c.bins.name in wanted),
        gram=(),
    )


def unexpected(findings: Iterable[Finding], amendments: Sequence[Amendment], at: float) -> list[Finding]:
    """Findings less those about a level that is expected: no further than it was when a person said so, or, of a
    finding about no column, mostly because of columns whose new level is expected."""
    holding = [one for one in sorted(amendments, key=lambda a: (a.at, a.id)) if one.since < at]
    levels = {key: (level, one) for one in holding for key, level in one.levels.items()}
    left = []
    for finding in findings:
        known = levels.get(level_key(finding))
        if known is None:
            left.append(finding)
            continue
        (low, high), one = known
        room = SLACK * max(abs(low), abs(high))
        behind = sum(c.weight for c in finding.causes if c.kind == "column" and c.name in one.columns)
        if not (low - room <= finding.size <= high + room or behind >= MOSTLY):
            left.append(finding)
    return left
