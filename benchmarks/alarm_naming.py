"""How often poisoned labels are named so, and how often other things are: the check alone, in the worlds of
`alarm_faults`, four quiet weeks before and six of the fault. Writes its part of docs/explanation/false-alarms.md.

    python -m benchmarks.alarm_naming --worlds 40 [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.alarm_checks import MONDAY
from benchmarks.alarm_faults import AFTER, DAYS, FAULTS, QUIET
from benchmarks.alarm_streams import DAY
from benchmarks.alarm_world import SIGNATURES, WEEK, between, drawn, settings_of
from fairlead.contract.signature import Task
from fairlead.lab.stats import losses
from fairlead.ops.monitor import Rows
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.doubtful import doubtful_labels, kinds_of
from fairlead.ops.monitor.scattered import Spread, scattered_labels
from fairlead.ops.rehearse.rates import share_of

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "false-alarms.md"
BEGIN, END = "<!-- naming: begin -->", "<!-- naming: end -->"
CLIP = 4.0
"""Absolute error that counts as loss 1."""
SEED = 900
Changes = Callable[[Rows, np.random.Generator], Rows]


def wandering(task: Task) -> Changes:
    """Nothing is wrong, but labels that came together (25 of them) have a level of their own, 1 sd of the answer."""

    def happen(rows: Rows, rng: np.random.Generator) -> Rows:
        n, order = len(rows.times), np.argsort(np.asarray(rows.arrived), kind="stable")
        level, said = np.empty(n), np.asarray(rows.scores)
        level[order] = np.repeat(rng.standard_normal(n // 25 + 1), 25)[:n]
        if task == "regression":
            return replace(rows, labels=np.asarray(rows.labels) + level)
        yes = 1.0 / (1.0 + np.exp(-np.log(said[:, 1] / said[:, 0]) - level))
        return replace(rows, labels=np.where(rng.random(n) < yes, "yes", "no").astype(object))

    return happen


WORLDS: dict[str, Callable[[Task], Changes | None]] = {
    "10 % of labels poisoned": FAULTS["10 % of labels poisoned"][1],
    "20 % of labels poisoned": FAULTS["20 % of labels poisoned"][1],
    "nothing": lambda task: None,
    "nothing, and labels that come together differ by 1 sd": wandering,
    "another rule for 30 % of the rows": FAULTS["concept: another rule for 30 % of the rows"][1],
    "the same over four weeks": FAULTS["the same over four weeks"][1],
}


def named(task: Task, what: str, seed: int) -> tuple[list[bool], list[bool]]:
    """Whether labels of each week after the quiet ones look poisoned: by blocks alone, and with short runs."""
    rng = np.random.default_rng(seed)
    rows = drawn(rng, task, MONDAY + DAYS, (QUIET + AFTER) * WEEK, 60, 0.1)
    happens = WORLDS[what](task)
    rows = rows if happens is None else happens(rows, rng)
    chance = allowed(settings_of(task), "concept") / 2.0
    earlier: list[Spread] = []
    blocks, every = [], []
    for week in range(QUIET + AFTER):
        begin = (MONDAY + DAYS + week * WEEK) * DAY
        part = between(rows, begin, begin + WEEK * DAY)
        arrived, scores, truth = np.asarray(part.arrived), np.asarray(part.scores), np.asarray(part.labels)
        come = np.flatnonzero(arrived <= begin + 2 * WEEK * DAY)
        lost = losses(task, truth[come], scores[come], SIGNATURES[task], CLIP if task == "regression" else 1.0)
        kinds = kinds_of(part, come)
        blocks.append(bool(doubtful_labels(lost, scores[come], kinds, allowed=chance).left_out.any()))
        half = bool(doubtful_labels(lost, scores[come], kinds, allowed=chance / 2.0).left_out.any())
        runs = scattered_labels(lost, scores[come], arrived[come], earlier, chance / 2.0)
        every.append(half or (runs is not None and bool(runs.rows.any())))
        if runs is not None and not every[-1]:
            earlier.append(runs.spread)
    return blocks[QUIET:], every[QUIET:]


def lines(worlds: int) -> list[str]:
    """The table."""
    told = [
        "## Whether poisoned labels are named so",
        "",
        "Parts of worlds in which labels were called poisoned within six weeks (95 %), and of their weeks; the check",
        f"alone, {worlds} worlds a line, seeds fixed. *Blocks alone*: as it was before short runs were looked at, too.",
        "",
        "| what is wrong | task | blocks alone | weeks | with short runs | weeks |",
        "|---|---|---|---|---|---|",
    ]
    for what in WORLDS:
        for task in SIGNATURES:
            found = [named(task, what, SEED + seed) for seed in range(worlds)]
            cells = []
            for way in (0, 1):
                share = share_of(sum(any(one[way]) for one in found), worlds)
                weeks = np.mean([week for one in found for week in one[way]])
                cells.append(f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}] | {weeks:.1%}")
            told.append(f"| {what} | {task} | {' | '.join(cells)} |")
            print(told[-1], flush=True)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="into docs/explanation/false-alarms.md")
    asked = parser.parse_args()
    table = lines(asked.worlds)
    if asked.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text("\n".join([before + BEGIN, *table, END]) + rest.split(END)[1])


if __name__ == "__main__":
    main()
