"""What is likely behind a finding, since when, and what it costs: pure, so that live and rehearsal name it alike.

Columns are ranked by how far they moved times how much of the model's answer they carry; where labels are in, by how
much of the higher loss they can explain: their new mix, or answers that are other than they were. What no column
explains is the world's. Sources and versions are named where the rows to blame are theirs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from fairlead.contract import records
from fairlead.contract.events import Cause, CauseKind, Finding
from fairlead.contract.profile import ColumnProfile
from fairlead.ops.monitor.akin import Codes, akin_to
from fairlead.ops.monitor.beginnings import change_of_codes, change_of_level
from fairlead.ops.monitor.blame import (
    VERSIONS,
    Carrier,
    Score,
    carriers,
    changed_part,
    codes_of,
    cost_of_wrong,
    counts_of,
    explained_loss,
)
from fairlead.ops.monitor.looking import shown_by
from fairlead.ops.monitor.seen import Seen
from fairlead.ops.monitor.slicing import slice_causes
from fairlead.ops.monitor.statistic import Judged

MOST_CAUSES = 5
MOST_FINDINGS = 100
MOST_COLUMNS = 10
EXPLAINED = 0.5
"""Share of a higher loss from which on a column explains it; what explains less leaves room for another concept."""
MOST_SLICED = 5
"""Findings of a window whose slices are looked for: it takes a pass over the rows for each."""
MOVED = 0.1
"""Least Jensen-Shannon distance of a column that is named where its own limit is not known."""

TOGETHER_S = 300.0
"""Columns that changed within so long of one another changed together."""

UPSTREAM = 0.6
"""Weight of one source behind columns that changed together: likely, not seen."""

_OF_CELLS = frozenset({"quality", "data_drift", "contract"})
_OF_LOSS = frozenset({"performance", "concept_drift"})
_OF_ALL = frozenset({"score_drift", "estimated"}) | _OF_LOSS


def explain(findings: Sequence[Finding], seen: Seen, score: Score | None = None) -> list[Finding]:
    """The findings with causes, first affected minute and cost, where they can be told; others as they are.

    score: answers of the model in force to columns, (n, outputs). What a check named itself comes first.
    """
    about = _About(seen, score)
    told = [about.explained(f) if n < MOST_FINDINGS else f for n, f in enumerate(findings)]
    rows = seen.rows
    begins = float(rows.times.min()) if rows is not None and len(rows.times) else None
    held: Codes = {}
    return [
        msgspec.structs.replace(f, akin=akin_to(f.columns, seen, held)) if f.columns and f.severity != "info" else f
        for f in _together(told, begins)
    ]


class _About:
    """One window, with what several findings ask for worked out once."""

    def __init__(self, seen: Seen, score: Score | None) -> None:
        self.seen = seen
        self.score = score
        self.usual: dict[str, ColumnProfile] = {c.bins.name: c for c in seen.reference.profile.columns}
        self._codes: dict[str, np.ndarray] = {}
        self._sliced = 0
        self._losses: tuple[np.ndarray, np.ndarray] | None = None
        self._shares: dict[str, float | None] = {}

    def explained(self, finding: Finding) -> Finding:
        rows = self.seen.rows
        columns = [c for c in finding.columns if c in self.usual and rows is not None and c in rows.columns]
        if finding.area in _OF_CELLS and columns and not finding.segment:
            return self._of_cells(finding, columns)
        if finding.area in _OF_ALL:
            return self._of_all(finding)
        return finding

    def _of_cells(self, finding: Finding, columns: list[str]) -> Finding:
        rows, score = self.seen.rows, self.score
        assert rows is not None
        if not len(rows.times):
            return finding
        blame = {c: changed_part(self.codes(c), counts_of(self.usual[c])) for c in columns}
        worst = max(columns, key=lambda c: float(blame[c].mean()))
        found = [_source(c) for c in carriers(rows.passed, blame[worst])]
        if finding.area == "data_drift" and self._sliced < MOST_SLICED:
            self._sliced += 1
            found += slice_causes(self.seen, worst)
        first = finding.first
        if first is None and finding.since >= self.seen.window.start:
            first = change_of_codes(rows.times, self.codes(worst), counts_of(self.usual[worst]))
        cost, cost_in = finding.cost, finding.cost_in
        task = self.seen.signature.task
        if cost is None and score is not None and rows.scores is not None and task in ("classification", "regression"):
            classifies = task == "classification"
            cost = cost_of_wrong(rows.columns, rows.scores, blame, self.usual, score, classifies)
            what = "Brier loss" if classifies else "absolute error at most"
            cost_in = f"{what}, if the column is wrong" if cost is not None else ""
        return _with(finding, found, first, cost, cost_in)

    def _of_all(self, finding: Finding) -> Finding:
        losses = self.losses() if finding.area in _OF_LOSS else None
        found = self._columns(losses)
        first, cost, cost_in = finding.first, finding.cost, finding.cost_in
        if losses is not None:
            at, values = losses
            promised = self.seen.step.promise.loss if self.seen.step is not None else float(np.median(values))
            rows = self.seen.rows
            assert rows is not None
            chosen = {name: column[at] for name, column in rows.passed.items()}
            found = [*(_source(c) for c in carriers(chosen, values, promised)), *found]
            if first is None and finding.since >= self.seen.window.start:
                first = change_of_level(rows.times[at], values, promised)
        if cost is None and finding.check == "promise":
            from fairlead.contract.evidence import Interval

            cost, cost_in = Interval(finding.size, finding.low, finding.high), "loss a row"
        if not found and finding.area in _OF_LOSS:
            found = [self._concept()]
        return _with(finding, found, first, cost, cost_in)

    def _concept(self) -> Cause:
        """What is left where no column moved further than columns do."""
        from fairlead.ops.monitor.estimates import LEAST_OVERLAP, overlap

        still = "no column moved beyond its everyday variation"
        shared, column = overlap(self.seen.profile, self.seen.reference)
        if shared >= LEAST_OVERLAP:
            return Cause("time", "concept", 1.0, f"{still}: what the inputs mean for the target did")
        # Seasons move columns in every window: how such rows are answered was never seen either.
        told = f"but {column} shares only {shared:.0%} with rows held out, whose like may always have been answered so"
        return Cause("time", "concept", 0.5, f"{still}, {told}")

    def _columns(self, losses: tuple[np.ndarray, np.ndarray] | None) -> list[Cause]:
        """Columns that moved, by drift times importance; with losses, by what they can explain of them."""
        from fairlead.lab.stats.distances import jensen_shannon_rows

        judged = self._judged()
        moved: list[tuple[float, str, float]] = []
        for live in self.seen.profile.columns:
            name = live.bins.name
            before = self.usual.get(name)
            if before is None or not sum(live.counts) + live.missing:
                continue
            known = judged.get(name)
            if known is not None and np.isfinite(known.limit):
                size, limit = known.value, known.limit
            else:
                size = float(jensen_shannon_rows(counts_of(before), counts_of(live)[None, :])[0])
                usual = self.seen.thresholds.columns.get(name)
                limit = usual.limit if usual is not None else MOVED
            if size < limit:
                continue
            weight = self.seen.importance.get(name, 0.0) if self.seen.importance else 1.0
            moved.append((size * weight, name, size))
        moved = sorted(moved, reverse=True)[:MOST_COLUMNS]
        total = sum(score for score, _, _ in moved)
        if total <= 0:
            return []
        found = []
        for score, name, size in moved:
            part = score / total
            carries = (
                f", it carries {self.seen.importance[name]:.0%} of the answer" if name in self.seen.importance else ""
            )
            why = f"it moved by {size:.2f} (distance){carries}"
            share, how = self._explained(name, losses)
            if share is not None:
                why += f"; {how} {share:.0%} of the higher loss"
                # What can explain little of the loss is not blamed for it, however far it moved.
                part = share * (0.5 + 0.5 * min(part, 1.0))
            found.append(Cause("column", name, round(part, 3), why))
        found += self._unexplained([name for _, name, _ in moved])
        return sorted(found, key=lambda cause: -cause.weight)

    def _judged(self) -> Mapping[str, Judged]:
        """How far columns went by the calibration, so that a cause says the figure that `watch --explain` says."""
        seen = self.seen
        if not seen.judged and seen.calibration is not None and seen.profile.rows:
            shown, _ = shown_by(seen, seen.calibration)
            return seen.calibration.judge(shown, seen.profile, seen.reference.profile)[0].get("drift", {})
        return seen.judged.get("drift", {})

    def _unexplained(self, moved: Sequence[str]) -> list[Cause]:
        """What is left of a higher loss when the columns that moved have explained what they can."""
        shares = [self._shares.get(name) for name in moved]
        known = [share for share in shares if share is not None]
        most = max(known, default=1.0)
        if len(known) < len(shares) or most >= EXPLAINED:
            return []
        why = f"the columns that moved explain at most {most:.0%} of the higher loss: what the inputs mean moved, too"
        return [Cause("time", "concept", round(1.0 - most, 3), why)]

    def _explained(self, name: str, losses: tuple[np.ndarray, np.ndarray] | None) -> tuple[float | None, str]:
        """How much of the higher loss a column can explain, in [0, 1], and how: by its new mix of values, or by answers
        that are other than over usual cells. None where neither can be told."""
        rows, step = self.seen.rows, self.seen.step
        if losses is None or rows is None or step is None or name not in rows.columns:
            return None, ""
        at, values = losses
        mixed = explained_loss(values, self.codes(name)[at], counts_of(self.usual[name]), step.promise.loss)
        wrong = self._wrong(name, float(values.mean()) - step.promise.loss) if (mixed or 0.0) < EXPLAINED else None
        known = [share for share in (mixed, wrong) if share is not None]
        self._shares[name] = max(known, default=None)
        if wrong is not None and wrong > (mixed or 0.0):
            return wrong, "the answers that it moved explain at most"
        return self._shares[name], "its new mix explains"

    def _wrong(self, name: str, excess: float) -> float | None:
        """At most which share of a higher loss comes of answers that a column moved."""
        rows, task = self.seen.rows, self.seen.signature.task
        if self.score is None or rows is None or rows.scores is None or self.seen.step is None or excess <= 0:
            return None
        blame = {name: changed_part(self.codes(name), counts_of(self.usual[name]))}
        classifies = task == "classification"
        cost = cost_of_wrong(rows.columns, rows.scores, blame, self.usual, self.score, classifies)
        if cost is None:
            return None
        in_loss = cost.high if classifies else cost.high / self.seen.step.promise.clip
        return float(min(in_loss / excess, 1.0))

    def codes(self, name: str) -> np.ndarray:
        rows = self.seen.rows
        assert rows is not None
        if name not in self._codes:
            self._codes[name] = codes_of(rows.columns[name], self.usual[name].bins)
        return self._codes[name]

    def losses(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Positions of labelled rows and their losses in [0, 1], as the promise counts them; None without any."""
        from fairlead.lab.stats import losses

        rows, seen = self.seen.rows, self.seen
        if rows is None or rows.labels is None or rows.labelled is None or rows.scores is None:
            return None
        if seen.signature.task not in ("classification", "regression"):
            return None
        if self._losses is None:
            at = np.flatnonzero(rows.labelled & np.isfinite(rows.scores).all(axis=1))
            if not len(at):
                return None
            clip = seen.step.promise.clip if seen.step is not None else seen.reference.loss_clip
            values = losses(seen.signature.task, rows.labels[at], rows.scores[at], seen.signature, clip)
            self._losses = at, np.asarray(values, dtype=np.float64)
        return self._losses


def _source(carrier: Carrier) -> Cause:
    kind: CauseKind = "version" if carrier.column in VERSIONS else "source"
    column = carrier.column.removeprefix(records.PASSED_IN)
    why = (
        f"{carrier.part:.0%} of it comes from {carrier.share:.0%} of the rows, those with {column} {carrier.value[:40]}"
    )
    return Cause(kind, f"{column} {carrier.value[:40]}", round(carrier.part, 3), why)


def _with(finding: Finding, found: Sequence[Cause], first: float | None, cost: object, cost_in: str) -> Finding:
    known = {(c.kind, c.name) for c in finding.causes}
    causes = (*finding.causes, *(c for c in found if (c.kind, c.name) not in known))
    return msgspec.structs.replace(finding, causes=causes[:MOST_CAUSES], first=first, cost=cost, cost_in=cost_in)


def _together(findings: list[Finding], begins: float | None) -> list[Finding]:
    """Columns whose cells changed within minutes of one another have one source, most likely.

    begins: of the rows that were seen, or None; what was so from the first of them on may have begun before.
    """
    timed = [
        f for f in findings
        if f.area in _OF_CELLS and f.check != "correlation" and f.first is not None and f.columns
        and (begins is None or f.first > begins)
    ]  # fmt: skip
    changed = []
    for finding in findings:
        if finding not in timed:
            changed.append(finding)
            continue
        near = [f for f in timed if abs((f.first or 0.0) - (finding.first or 0.0)) <= TOGETHER_S]
        columns = sorted({c for f in near for c in f.columns})
        if len(columns) < 2:
            changed.append(finding)
            continue
        named = ", ".join(columns[:3]) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")
        at = dt.datetime.fromtimestamp(min(f.first or 0.0 for f in near), dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        why = f"{len(columns)} columns changed together at {at}"
        changed.append(
            _with(
                finding, [Cause("upstream", f"of {named}", UPSTREAM, why)], finding.first, finding.cost, finding.cost_in
            )
        )
    return changed
