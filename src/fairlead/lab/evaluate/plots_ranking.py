"""The plot of a ranking: how near the first k rows are to the best order, against what is popular and chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.ranked import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Wanted = tuple[str, str, Callable[["Axes"], None], float, float]


def wanted_ranking(report: Report, colours: tuple[str, str, str, str]) -> list[Wanted]:
    """title, says, draw, width and height; colours: ink, faint, main, other. Nothing where no group says anything."""
    found = report.ranking
    at = next((one for one in found.at if one.k == found.k), None) if found is not None else None
    if found is None or at is None:
        return []
    says = f"Of the first {at.k}, NDCG is {at.ndcg.value:.2f}"
    if at.popularity_ndcg is not None:
        says += f"; in the order of what is popular it were {at.popularity_ndcg:.2f}"
    if at.random_ndcg is not None:
        says += f", by chance {at.random_ndcg:.2f}"
    return [("Order by k", says + ".", _by_k(found, colours), 4.6, 3.5)]


def _by_k(found: Ranking, colours: tuple[str, str, str, str]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ks = [one.k for one in found.at]
        value = [one.ndcg.value for one in found.at]
        spread = [[o.ndcg.value - o.ndcg.low for o in found.at], [o.ndcg.high - o.ndcg.value for o in found.at]]
        axes.errorbar(ks, value, yerr=spread, color=colours[2], marker="o", ms=4, capsize=2, lw=1.8, label="model")
        popular = [one.popularity_ndcg for one in found.at if one.popularity_ndcg is not None]
        if len(popular) == len(ks):
            axes.plot(ks, popular, color=colours[3], marker="s", ms=4, lw=1.4, ls="--", label="popularity")
        chance = [one.random_ndcg for one in found.at if one.random_ndcg is not None]
        if len(chance) == len(ks):
            axes.plot(ks, chance, color=colours[1], lw=1.2, ls=":", label="by chance")
        axes.set_xscale("log")
        axes.set_xticks(ks, [str(k) for k in ks])
        axes.minorticks_off()
        axes.set(xlabel="rows from the top", ylabel="NDCG", ylim=(0, 1.01))
        axes.legend()

    return draw
