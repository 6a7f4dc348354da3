"""How well a ranking puts the rows of each group in order, against what is popular and against chance.

What a ranking is compared by is the loss of a group, 1 - NDCG of its first k rows, not that of single rows: an answer
may be far off everywhere and still stand in the right order. Intervals draw whole groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.settings import GateSettings
from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.evidence import Comparison, Report
from fairlead.lab.evaluate.ranked import RankedAt, Ranking
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.blocks import Block, block_among
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.measures import Floats, Ints, label_text
from fairlead.lab.stats.ranking import (
    KS,
    SHOWN_AT,
    counts_of,
    gains_of,
    group_codes,
    group_measures,
    k_of,
    order_of,
    popularity,
    popularity_elsewhere,
    popularity_scores,
    ranking_intervals,
    ranking_metrics,
)
from fairlead.lab.stats.spans import spans_of

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.runtime.bundle import Model

POPULARITY, RANDOM = "popularity", "random"
PopularFrom = Literal["", "learned", "judged"]


@dataclass(frozen=True)
class Ranked:
    """The judged rows by group. measures: of the model, each (groups,); k: where it is compared with others."""

    judged: Judged
    codes: Ints
    gains: Floats
    ks: tuple[int, ...]
    k: int
    measures: dict[str, Floats]
    block: Block
    draws: int
    seed: int

    @property
    def said(self) -> np.ndarray:
        """Which groups say something, (groups,) of bool."""
        return np.isfinite(self.measures["mrr"])

    def metrics(self) -> dict[str, Interval]:
        """Every metric of the ranking with its interval."""
        return ranking_intervals(self.measures, draws=self.draws, seed=self.seed, block=self.block)

    def intervals(self, scores: Floats, signature: Signature) -> dict[str, Interval]:
        """The same of another model's scores (n, outputs), whose signature says what they mean."""
        theirs = self.measured(order_of(scores, signature))
        return ranking_intervals(theirs, draws=self.draws, seed=self.seed, block=self.block)

    def loss(self) -> Interval | None:
        """The mean loss of a group; None where no group says anything."""
        found = self.lost(self.measures)
        return self._drawn(found) if len(found) else None

    def lost(self, measures: Mapping[str, Floats]) -> Floats:
        """The loss of each group that says something."""
        found: Floats = 1.0 - measures[f"ndcg_at_{self.k}"][self.said]
        return found

    def measured(self, order: Floats) -> dict[str, Floats]:
        """Measures of the groups put in another order, by a number for each judged row (n,)."""
        return group_measures(self.codes, self.gains, order, self.ks)

    def against(self, name: str, order: Floats) -> Comparison:
        """Another order of the same groups. difference: of the mean loss of a group."""
        theirs = self.measured(order)
        means = {n: float(np.nanmean(values)) for n, values in theirs.items()}
        lost = self.lost(theirs)
        return Comparison(name, means, float(lost.mean()), self._drawn(self.lost(self.measures) - lost))

    def _drawn(self, values: Floats) -> Interval:
        block = block_among(self.block, np.flatnonzero(self.said))
        return bootstrap(values, draws=self.draws, seed=self.seed, block=block)


def ranked_rows(judged: Judged, rules: GateSettings, *, draws: int, seed: int) -> Ranked | None:
    """The judged rows by group; None of a model that ranks nothing, and where they do not say their groups."""
    signature = judged.signature
    if signature.group is None or signature.group not in judged.source.columns:
        return None
    asked = [k for k in (k_of(name) for name in (rules.min or {})) if k is not None]
    ks = tuple(sorted({*KS, *asked}))
    codes, gains = group_codes(judged.source[signature.group]), gains_of(judged.truth, signature)
    first = np.unique(codes, return_index=True)[1][int((codes < 0).any()) :]
    block: Block = judged.block[first] if isinstance(judged.block, np.ndarray) else 1
    ndcg = [k_of(name) for name in (rules.min or {}) if name.startswith("ndcg")]
    return Ranked(
        judged, codes, gains, ks, ndcg[0] if ndcg and ndcg[0] else SHOWN_AT,
        group_measures(codes, gains, order_of(judged.scores, signature), ks), block, draws, seed,
    )  # fmt: skip


def with_ranking(report: Report, ranked: Ranked, champion: Model | None, known: Any, window: str) -> Report:
    """The report of a ranking: metrics by group beside those by row, and losses those of groups.

    champion: answers the same rows; known: rows that the model learned from, for what is popular.
    """
    metrics = ranked.metrics()
    others, popular_from = ranking_baselines(ranked, known)
    section = ranking_of(ranked, metrics, others, popular_from, known)
    told = {"metrics": metrics | report.metrics, "ranking": section, "notes": (*report.notes, *_notes(section))}
    told |= {"baselines": others, "champion": None}
    loss = ranked.loss()
    if loss is None:
        return msgspec.structs.replace(report, **told)
    told |= {"loss": loss, "windows": _by_window(ranked, report.windows, window)}
    if champion is not None:
        theirs = order_of(ranked.judged.answered_by(champion), champion.signature)
        told["champion"] = ranked.against("champion", theirs)
    return msgspec.structs.replace(report, **told)


def _by_window(ranked: Ranked, windows: tuple[dict[str, Any], ...], window: str) -> tuple[dict[str, Any], ...]:
    """Each window's groups, as far as they lie in it."""
    judged = ranked.judged
    if not windows or judged.times is None:
        return windows
    cells = judged.source[judged.signature.group].to_numpy(dtype=object)
    made = []
    for line, span in zip(windows, spans_of(judged.rows, judged.times, window), strict=True):
        rows = slice(span.first, span.last)
        found = ranking_metrics(judged.truth[rows], judged.scores[rows], cells[rows], judged.signature, ranked.ks)
        if found:
            lost = 1.0 - found[f"ndcg_at_{ranked.k}"]
            made.append({**line, "loss": lost, "metrics": {**found, **line["metrics"]}})
    return tuple(made)


def _notes(section: Ranking) -> list[str]:
    """What a reader must know of groups that are not judged."""
    told = [f"Losses are of groups: 1 - NDCG of their first {section.k} rows."]
    left = {
        "have no relevant row": section.irrelevant,
        "are of one row": section.single,
    }
    said = [f"{count:,} {what}" for what, count in left.items() if count]
    if said:
        told.append(f"Of {section.groups:,} groups {' and '.join(said)}: they cannot be put in order and are left out.")
    if not section.judged:
        told.append("No group says anything about the order; only single rows are judged.")
    if section.ungrouped:
        told.append(f"{section.ungrouped:,} rows without a group are judged as single rows alone.")
    if section.straddling:
        told.append(
            f"Of {section.straddling:,} of {section.groups:,} groups it learned from other rows: it is not shown how "
            "well it does for groups it has never met."
        )
    if section.popular_from == "judged":
        told.append("What is popular is told by the other judged groups, as rows that it learned from are not at hand.")
    return told


def ranking_baselines(ranked: Ranked, known: pd.DataFrame | None) -> tuple[tuple[Comparison, ...], PopularFrom]:
    """What is popular, where the rows say their items, and an order by chance; and whose rows say what is popular.

    known: rows that the model learned from. Without them an item counts by its gains in all other judged groups, which
    is harder to beat: it knows the days that are judged.
    """
    if not ranked.said.any():
        return (), ""
    found, told = [], _popular(ranked, known)
    if told is not None:
        found.append(ranked.against(POPULARITY, told[0]))
    found.append(ranked.against(RANDOM, np.zeros(ranked.judged.rows)))
    return tuple(found), told[1] if told is not None else ""


def _popular(ranked: Ranked, known: pd.DataFrame | None) -> tuple[Floats, PopularFrom] | None:
    from fairlead.lab.tables import target_of

    signature, source = ranked.judged.signature, ranked.judged.source
    item = signature.item
    if item is None or item not in source.columns:
        return None
    if known is None or not {item, signature.target} <= set(known.columns):
        return popularity_elsewhere(item_cells(source[item]), ranked.codes, ranked.gains), "judged"
    truth = target_of(known, signature)
    there = np.array([v is not None and v == v for v in truth], dtype=bool)
    means, whole = popularity(item_cells(known[item])[there], gains_of(truth[there], signature))
    return popularity_scores(item_cells(source[item]), means, whole), "learned"


def item_cells(series: pd.Series[Any]) -> np.ndarray:
    """Items as text (n,), None where missing: a table read again may have other dtypes."""
    import pandas as pd

    codes, values = pd.factorize(np.asarray(series, dtype=object), use_na_sentinel=True)
    texts = np.array([*(label_text(v) for v in values), None], dtype=object)
    return texts[codes]


def ranking_of(
    ranked: Ranked,
    metrics: Mapping[str, Interval],
    others: tuple[Comparison, ...],
    popular_from: PopularFrom,
    known: pd.DataFrame | None,
) -> Ranking:
    """What the report says of it. metrics: `Ranked.metrics`."""
    signature = ranked.judged.signature
    counts = counts_of(ranked.codes, ranked.gains)
    by_name = {other.name: other.metrics for other in others}

    def of(name: str, metric: str) -> float | None:
        return by_name[name].get(metric) if name in by_name else None

    at = tuple(
        RankedAt(
            k, metrics[f"ndcg_at_{k}"], metrics[f"hit_rate_at_{k}"],
            of(POPULARITY, f"ndcg_at_{k}"), of(POPULARITY, f"hit_rate_at_{k}"),
            of(RANDOM, f"ndcg_at_{k}"), of(RANDOM, f"hit_rate_at_{k}"),
        )
        for k in ranked.ks
        if f"ndcg_at_{k}" in metrics
    )  # fmt: skip
    return Ranking(
        group=str(signature.group),
        k=ranked.k,
        groups=counts.groups,
        judged=counts.judged,
        irrelevant=counts.irrelevant,
        single=counts.single,
        ungrouped=int((ranked.codes < 0).sum()),
        straddling=_straddling(ranked, known),
        item=signature.item or "",
        popular_from=popular_from,
        at=at,
    )


def _straddling(ranked: Ranked, known: pd.DataFrame | None) -> int:
    """How many judged groups have rows that the model learned from."""
    group = ranked.judged.signature.group
    if known is None or group is None or group not in known.columns:
        return 0
    ours, theirs = item_cells(ranked.judged.source[group]), set(item_cells(known[group]).tolist())
    return sum(cell in theirs for cell in set(ours.tolist()) - {None})
