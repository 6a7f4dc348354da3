"""Whether labels that arrived disagree in blocks, as poisoned feedback does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.doubtful import ENOUGH, TIME, Block, doubtful_labels, kinds_of
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.scattered import Spread, scattered_labels
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.statistic import Judged

TASKS = ("classification", "regression")
REMEMBERED = 32
SPREAD = ("scattered:ratio", "scattered:freedom")
"""Entries of the memory: how much short runs of arrivals differed in earlier windows."""
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
        kinds = kinds_of(rows, chosen)
        doubt = doubtful_labels(losses, rows.scores[chosen], kinds, allowed=allowed / 2.0, usual=usual)
        arrived = (rows.times if rows.arrived is None else rows.arrived)[chosen]
        runs = scattered_labels(losses, rows.scores[chosen], arrived, spreads_in(memory), allowed / 2.0)
        told = list(doubt.blocks)
        if runs is not None and runs.block is not None and not doubt.why:
            # A sender that stands out alone explains short runs, and is told in their place.
            told.append(runs.block)
        for block in told:
            seen.tell("poisoned", f"{block.by} {block.name}", _told(block, allowed / 2.0), "loss above the expected")
        found: dict[str, Finding] = {}
        for block in told:
            if block.suspicious and block.by not in found:
                of_block = runs.rows if runs is not None and block is runs.block else kinds[block.by] == block.name
                found[block.by] = _finding(seen, block, float(rows.times[chosen[of_block]].min()), allowed / 2.0)
        if not found:
            known = _learnt(memory, doubt.blocks)
            seen.keep(known if runs is None else with_spread(known, runs.spread))
        return list(found.values())


def spreads_in(memory: Mapping[str, object]) -> tuple[Spread, ...]:
    """How much short runs of arrivals differed in earlier windows, as the memory has it."""
    ratios, freedoms = (memory.get(name) for name in SPREAD)
    if not isinstance(ratios, list) or not isinstance(freedoms, list):
        return ()
    return tuple(Spread(float(ratio), float(freedom)) for ratio, freedom in zip(ratios, freedoms, strict=False))


def with_spread(memory: dict[str, list[float]], spread: Spread) -> dict[str, list[float]]:
    """The memory with one more window."""
    return memory | {
        name: [*memory.get(name, []), round(value, 6)][-REMEMBERED:] for name, value in zip(SPREAD, spread, strict=True)
    }


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
    spread = {name: memory[name] for name in SPREAD if name in memory}
    known = {kind: values for kind, values in memory.items() if kind not in SPREAD}
    for kind in kinds:
        excess = [block.excess for block in blocks if block.by == kind]
        if 2 <= len(excess) <= ENOUGH:
            known[kind] = [*known.get(kind, []), round(float(np.std(excess, ddof=1)), 6)][-REMEMBERED:]
    return dict(sorted(known.items())[:REMEMBERED]) | spread


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
    kind: Literal["time", "labels", "source"] = "time" if block.by == TIME else "source"
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
