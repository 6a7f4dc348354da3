"""How long a verdict takes, before a rollout begins: rows that are needed, and days at the traffic that is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

SHARES = (0.05, 0.1, 0.2, 0.5)
POWER = 0.9
LEARNING = 1.15
"""Rows more than a bettor needs who knows the spread from the start: as measured, `docs/explanation/verdicts.md`."""


class ShareDays(msgspec.Struct, frozen=True):
    """days: until a verdict with this share for the challenger; inf where it never comes."""

    share: float
    days: float


class Plan(msgspec.Struct, frozen=True):
    """rows: labelled rows (or values) until a harmless challenger passes with a chance of 90 %, all variants together.

    deviation: of a row's difference (loss), or of a value, as a share of the mean. per_day: such rows a day now, 0 when
    unknown. days: until the verdict at `share`. shares: the same for other shares; of paired losses all alike.
    paired: both models are asked about every labelled row, so the share decides nothing. why: in words.
    """

    rows: int
    deviation: float
    per_day: float
    share: float
    days: float
    shares: tuple[ShareDays, ...]
    paired: bool
    why: str


def plan(
    deviation: float,
    max_loss: float,
    per_day: float,
    share: float,
    *,
    paired: bool,
    alpha: float = 0.05,
    anytime: bool = True,
    delay_days: float = 0.0,
    max_days: float = math.inf,
    what: str = "labelled rows",
) -> Plan:
    """The plan of a rollout. deviation: standard deviation of what is compared, in the unit of `max_loss`.

    per_day: rows a day with a label or value; delay_days: how long these take to come; max_days: after which an
    undecided rollout ends. Not paired, a row tells of one variant alone, so the rarer one decides.
    """
    from fairlead.lab.stats.spending import needed_rows

    once = needed_rows(deviation, max_loss, alpha, POWER)
    if anytime:
        once = anytime_rows(deviation, max_loss, alpha)

    return _spread(once, deviation, per_day, share, paired, delay_days, max_days, what)


def at_pace(known: Mapping[str, Any], per_day: float, delay_days: float = 0.0, max_days: float = math.inf) -> Plan:
    """The plan of a rollout that goes on, `known` as it was kept, at another number of rows a day."""
    rows, share, paired = float(known["rows"]), float(known["share"]), bool(known["paired"])
    once = rows if paired else rows / (1.0 / share + 1.0 / (1.0 - share))
    what = "labelled rows" if paired else "values"
    return _spread(once, float(known["deviation"]), per_day, share, paired, delay_days, max_days, what)


def _spread(
    once: float, deviation: float, per_day: float, share: float, paired: bool, delay: float, max_days: float, what: str
) -> Plan:
    """The plan for each share. once: rows of a comparison in which every row tells of both variants."""

    def rows_at(one: float) -> float:
        return once if paired else once * (1.0 / one + 1.0 / (1.0 - one))

    def days_at(one: float) -> float:
        return rows_at(one) / per_day + delay if per_day > 0 else math.inf

    offered = tuple(ShareDays(one, days_at(one)) for one in sorted({*SHARES, share}))
    rows, days = math.ceil(rows_at(share) - 1e-9 * once), days_at(share)
    why = _said(rows, per_day, share, days, offered, paired, what)
    if max_days < days < math.inf:
        why += f"; that is longer than the {max_days:g} days of rollout.max_days, after which it ends undecided"
    return Plan(rows, deviation, per_day, share, days, offered, paired, why)


def anytime_rows(deviation: float, margin: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Differences until a harmless challenger passes with this chance in a test that may be looked at for ever.

    The best bet against the margin wins g a row on average with a spread of s; its log wealth is a random walk that has
    to reach log(1 / alpha).
    """
    from scipy.special import ndtri

    from fairlead.lab.stats.evalues import CAUTION

    second = deviation**2 + margin**2
    bet = min(margin / second, CAUTION / (1.0 - min(margin, 0.5)))
    gain, spread = bet * margin - bet**2 * second / 2.0, float(ndtri(power)) * bet * deviation
    root = (spread + math.sqrt(spread**2 + 4.0 * gain * math.log(1.0 / alpha))) / (2.0 * gain)
    return math.ceil(LEARNING * root**2)


def _said(
    rows: int, per_day: float, share: float, days: float, offered: Sequence[ShareDays], paired: bool, what: str
) -> str:
    if per_day <= 0:
        return f"a verdict takes about {rows:,} {what}; how many come a day is not known yet"
    told = f"a verdict takes about {rows:,} {what}, at {paced(per_day)} {in_days(days)}"
    if paired:
        return f"{told}; both versions are asked about each of them, so another share would not shorten it"
    best = min(offered, key=lambda one: one.days)
    if best.share != share and best.days < 0.8 * days:
        return f"{told} with {share:.0%}: {best.share:.0%} would take {in_days(best.days)}"
    return f"{told} with {share:.0%}"


def paced(per_day: float) -> str:
    """Rows a day as people say it.

    >>> paced(480.0), paced(0.25)
    ('480 a day', '7.5 a month')
    """
    return f"{per_day:,.0f} a day" if per_day >= 1 else f"{per_day * 30:,.1f} a month"


def in_days(days: float) -> str:
    """A span as people say it.

    >>> in_days(0.05), in_days(9.2), in_days(75), in_days(900)
    ('1 hour', '9 days', '2.5 months', '2.5 years')
    """
    if math.isinf(days):
        return "for ever"
    if days < 2.0:
        hours = max(1, round(days * 24))
        return f"{hours} hour{'s' if hours != 1 else ''}"
    if days < 60:
        return f"{days:.0f} days"
    return f"{days / 30:.1f} months" if days < 730 else f"{days / 365.25:.1f} years"
