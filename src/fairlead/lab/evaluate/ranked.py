"""What a report says of a ranking."""

from __future__ import annotations

import msgspec

from fairlead.contract.evidence import Interval


class RankedAt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first k rows of each group: means over groups; of others without an interval, None where there is no such."""

    k: int
    ndcg: Interval
    hit_rate: Interval
    popularity_ndcg: float | None = None
    popularity_hit_rate: float | None = None
    random_ndcg: float | None = None
    random_hit_rate: float | None = None


class Ranking(msgspec.Struct, frozen=True, omit_defaults=True):
    """Groups put in order. k: `loss` of the report and of what it is compared with is 1 - NDCG of the first k rows.

    groups: all; judged: those that say something; irrelevant: without a relevant row; single: of one row alone;
    ungrouped: rows without a group, left out. straddling: groups of which it learned from other rows, as by time it
    may. item: the column that says what is popular; popular_from: "learned" rows, or other "judged" groups where those
    are not at hand.
    """

    group: str
    k: int
    groups: int
    judged: int
    irrelevant: int = 0
    single: int = 0
    ungrouped: int = 0
    straddling: int = 0
    item: str = ""
    popular_from: str = ""
    at: tuple[RankedAt, ...] = ()
