"""Whether labels that arrived disagree in blocks, as poisoned feedback does."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.doubtful import ENOUGH, Block, doubtful_labels, kinds_of
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.statistic import Judged

TASKS = ("classification", "regression")
REMEMBERED = 32
WINDOWS = 3
"""Windows from which the deviation of blocks of a kind is known where a window has few of them."""


class PoisonedLabels:
    """Blocks of labels by caller, arrival, key and source, against other rows that were answered alike."""

    name = "poisoned"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """One finding for each kind of block, of its most doubtful one."""
        rows = seen.rows
        if rows is None or rows.labels is None or rows.labelled is None or seen.signature.task not in TASKS:
            return []
        chosen, losses = losses_of(seen, rows)
        if not len(chosen) or rows.scores is None:
            return []
        memory: dict[str, list[float]] = seen.memory or {}
        usual = {kind: max(values) for kind, values in memory.items() if len(values) >= WINDOWS}
        doubt = doubtful_labels(losses, rows.scores[chosen], kinds_of(rows, chosen), allowed=allowed, usual=usual)
        for block in doubt.blocks:
            seen.tell("poisoned", f"{block.by} {block.name}", _told(block, allowed), "loss above the expected")
        found: dict[str, Finding] = {}
        for block in doubt.blocks:
            if block.suspicious and block.by not in found:
                at = chosen[kinds_of(rows, chosen)[block.by] == block.name]
                found[block.by] = _finding(seen, block, float(rows.times[at].min()), allowed)
        if not found:
            seen.keep(_learnt(memory, doubt.blocks))
        return list(found.values())


def losses_of(seen: Seen, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the labelled rows that the champion answered, and the loss of each."""
    from fairlead.lab.stats import losses

    nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    if rows.scores is None or rows.labels is None or rows.labelled is None:
        return nothing
    chosen = np.flatnonzero(rows.labelled & np.isfinite(rows.scores).all(axis=1))
    if not len(chosen):
        return nothing
    clip = seen.reference.loss_clip
    return chosen, np.asarray(
        losses(seen.signature.task, rows.labels[chosen], rows.scores[chosen], seen.signature, clip)
    )


def _learnt(memory: dict[str, list[float]], blocks: tuple[Block, ...]) -> dict[str, list[float]]:
    """Deviations of blocks from each other, of kinds that have few of them in a window."""
    kinds = {block.by for block in blocks}
    known = dict(memory)
    for kind in kinds:
        excess = [block.excess for block in blocks if block.by == kind]
        if 2 <= len(excess) <= ENOUGH:
            known[kind] = [*known.get(kind, []), round(float(np.std(excess, ddof=1)), 6)][-REMEMBERED:]
    return dict(sorted(known.items())[:REMEMBERED])


def _told(block: Block, allowed: float) -> Judged:
    why = (
        f"{block.rows} labels, loss {block.excess:+.3f} beside {block.expected:.3f}, p {block.p:.2g} for {allowed:.2g}"
    )
    why += "; goes on to the end: a change, not poison" if block.lasts else "" if block.usual else "; calibrating"
    return Judged(block.excess, max(0.05, block.expected / 2), 0.0, block.suspicious, not block.usual, block.p, why)


def _finding(seen: Seen, block: Block, first: float, allowed: float) -> Finding:
    window = seen.window
    severity: Literal["warning", "critical"] = "warning"
    said = f"{block.by} {block.name}"
    kind: Literal["time", "labels", "source"] = "time" if block.by == "arrival" else "source"
    what = (
        f"labels of {said} disagree: mean loss {block.expected + block.excess:.2f}, {block.expected:.2f} where others"
    )
    return Finding(
        id=finding_id(window.model, f"poisoned:{block.by}", (), window.start), model=window.model, area="labels",
        check=f"poisoned_{block.by}", window=window.index, since=window.start, size=block.excess, low=block.low,
        high=block.high, unit="loss above the expected",
        message=f"{what} were answered alike ({block.rows} labels): poisoned feedback, or a source that errs",
        severity=severity, evidence={"limit": allowed, "usual": 0.0, "p": block.p, "rows": float(block.rows)},
        segment=said, first=float(np.floor(first / 60.0) * 60.0),
        causes=(Cause(kind, said, 1.0, f"{block.rows} labels disagree beyond what blocks differ usually"),),
    )  # fmt: skip
