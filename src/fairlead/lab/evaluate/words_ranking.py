"""The evidence about a ranking in plain words."""

from __future__ import annotations

from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.ranked import Ranking
from fairlead.lab.stats.ranking import KS

MEANING_RANKING = {
    **{f"ndcg_at_{k}": f"how near the first {k} of a group are to the best order of it; 1 is best" for k in KS},
    **{f"hit_rate_at_{k}": f"share of groups with a relevant row among the first {k}" for k in KS},
    "mrr": "mean of 1 / rank of the first relevant row",
}
OTHERS = {
    "popularity": "the order of what is popular",
    "random": "an order by chance",
}


def quality_ranking(report: Report, found: Ranking) -> list[str]:
    """What a reader who computes nothing is told of the order."""
    at = next((one for one in found.at if one.k == found.k), None)
    if at is None:
        return ["No group says anything about the order it puts rows in."]
    top, share = at.hit_rate, f"{found.judged:,} of {found.groups:,} groups of {found.group}"
    return [
        f"In {top.value:.0%} ({top.low:.0%} to {top.high:.0%}) of the groups a relevant row is among its first "
        f"{found.k} (judged on {share})."
    ]


def against_ranking(report: Report) -> str:
    """Whether its order is better than what is popular, or than chance."""
    if not report.baselines:
        return "Nothing says whether its order is better than none."
    base = report.baselines[0]
    what = OTHERS.get(base.name, base.name)
    if base.difference.high >= 0:
        return f"Its order is not surely better than {what}."
    share = 1 - report.loss.value / base.loss if base.loss > 0 else 0.0
    return f"Compared with {what}, it takes away {share:.0%} of what is missing to the best order."
