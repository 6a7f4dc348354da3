"""What is to be predicted: classes that are rare or too many, truths that are missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Severity, Suggestion
from fairlead.lab.tables.roles import MAX_CLASSES

RARE_CLASS = 0.05
FEWEST = 50
_TAIL = 8.0  # robust deviations of the largest target of a regression


class Target:
    """Missing truths, one class or too many, rare classes, numbers with a long tail."""

    name = "target"

    def check(self, look: Look) -> Iterator[Issue]:
        """Nothing without a target."""
        if not look.target:
            return
        facts = look.facts[look.target]
        missing = look.column(look.target).missing
        if missing:
            share = missing / look.rows
            yield Issue(
                "unlabelled", "problem" if share > 0.5 else "warning" if share > 0.01 else "note",
                f"{share:.1%} of rows have no target and cannot be learned from", look.target, count=missing,
                of=look.rows,
            )  # fmt: skip
        if look.task == "classification":
            yield from self._classes(look)
        elif look.task == "regression" and facts.low == facts.high:
            yield Issue(self.name, "problem", "always the same number: there is nothing to learn", look.target,
                        count=look.rows, of=look.rows)  # fmt: skip
        elif look.task == "regression":
            yield from self._tail(look)

    def _classes(self, look: Look) -> Iterator[Issue]:
        facts = look.facts[look.target]
        if facts.levels is None or len(facts.levels) > max(MAX_CLASSES, 0.2 * facts.present):
            says = "more than 10,000" if facts.levels is None else f"{len(facts.levels):,}"
            yield Issue(self.name, "problem", f"{says} different classes: this is no target of a classification",
                        look.target, count=facts.present, of=look.rows)  # fmt: skip
            return
        counts = dict(sorted(((str(w), n) for w, n in facts.levels.items()), key=lambda c: c[1]))
        if len(counts) < 2:
            yield Issue(self.name, "problem", "only one class: there is nothing to learn", look.target,
                        count=facts.present, of=look.rows)  # fmt: skip
            return
        if len(counts) > MAX_CLASSES:
            yield Issue(self.name, "warning", f"{len(counts)} classes are many", look.target, count=len(counts),
                        of=len(counts))  # fmt: skip
        rare = {w: n for w, n in counts.items() if n < RARE_CLASS * facts.present / max(len(counts) / 2, 1)}
        few = {w: n for w, n in counts.items() if n < FEWEST}
        if not rare and not few:
            return
        smallest, least = next(iter(counts.items()))
        severity: Severity = "problem" if least < 10 else "warning"
        says = f"class {smallest!r} has {least:,} of {facts.present:,} rows ({least / facts.present:.2%})"
        if len(rare | few) > 1:
            says += f", and {len(rare | few) - 1} more classes are rare"
        yield Issue("imbalance", severity, says, look.target, count=least, of=facts.present,
                    evidence={"classes": dict(list(counts.items())[:20])}, suggestions=_for_rare(counts))  # fmt: skip

    def _tail(self, look: Look) -> Iterator[Issue]:
        values = look.floats(look.target)
        values = values[~np.isnan(values)]
        if values.size < 50:
            return
        first, median, third = np.quantile(values, [0.25, 0.5, 0.75])
        spread = (third - first) / 1.349
        ends = look.watches.get(look.target)
        most = float(ends.high.values[0]) if ends is not None and len(ends.high.values) else float(values.max())
        if spread and (most - median) / spread > _TAIL:
            says = f"a long tail: the largest is {(most - median) / spread:.0f} robust deviations above the median"
            yield Issue(self.name, "note", f"{says}; squared errors would follow few rows", look.target, count=1,
                        of=look.rows, evidence={"median": float(median), "most": most})  # fmt: skip


def _for_rare(counts: dict[str, int]) -> tuple[Suggestion, ...]:
    """With few events the share of rows answered rightly says nothing: more folds waste fewer of them."""
    if min(counts.values()) < 10:
        return (Suggestion(("train",), "folds", 2, "a class with so few rows fills no more folds"),)
    return (Suggestion(("data",), "holdout", 0.3, "enough of the rare class to judge on"),)
