"""What a rehearsal has to show: changes found in time, a gate that costs little and stops what is no good.

    python benchmarks/rehearsal_targets.py [--runs 60] [--data ../shared/data] [--keep FOLDER]

Many short histories whose truth is known, each its own seed; the rows of docs/explanation/rehearsal.md's first table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fairlead.ops.rehearse import Rehearsal, agrawal
from fairlead.ops.rehearse.history import history_of
from fairlead.ops.rehearse.models import Meter
from fairlead.ops.rehearse.rates import share_of
from fairlead.ops.rehearse.replay import Policy, Replay
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.stage import Stage, one_thread, performance_policy
from rehearsal import bike_settings, credit_settings

RUNS, LEARNT, BEFORE, AFTER, ROWS = 60, 12, 4, 6, 500
POINTS, GUESSED = 0.10, 0.2
SOON = 5
SEEDS = 5
EVERY = 3

Say = Callable[[str], None]


def changed(seed: int) -> pd.DataFrame:
    """A rule that a linear model can follow, but for a fifth of the decisions, which go the other way by chance; from
    `LEARNT + BEFORE` weeks on a sixth of the applicants are decided the other way, so that whoever was right about them
    is wrong: ten points of error more."""
    windows = LEARNT + BEFORE + AFTER
    frame = agrawal(windows * ROWS, functions=(9,), seed=seed, rows_per_week=ROWS)
    late = np.arange(len(frame)) >= (LEARNT + BEFORE) * ROWS
    # One end of a column that the rule does not use: the same applicants, another decision.
    low = frame["hyears"].rank(method="first", pct=True) <= POINTS / (1.0 - 2.0 * GUESSED)
    guessed = np.random.default_rng([seed, 1]).random(len(frame)) < GUESSED
    frame["approved"] = np.where((late & low) ^ guessed, 1 - frame["approved"], frame["approved"])
    return frame


def found_after(runs: int, say: Say) -> tuple[list[int | None], int, int, float]:
    """Windows until an alarm about performance, by run (None: not within `AFTER`); windows before the change with one,
    and how many those were; by how many points the error rose."""
    delays: list[int | None] = []
    early, rises = 0, []
    change = LEARNT + BEFORE
    for seed in range(runs):
        stage = Stage.of(changed(seed), credit_settings(), learner="logistic", learnt=LEARNT)
        lived = Replay(stage.history, stage.models, stage.watcher, Policy("watched", when=())).run(Meter())
        series = stage.series(lived)
        rises.append(float(series[BEFORE:].mean() - series[:BEFORE].mean()))
        early += sum(w < change for w in set(lived.alarms))
        delays.append(next((w - change + 1 for w in lived.alarms if w >= change), None))
        if seed % 10 == 9:
            say(f"changes of ten points: {seed + 1} of {runs}")
    return delays, early, runs * BEFORE, 100 * float(np.mean(rises))


def blocked_while_healthy(runs: int, say: Say) -> tuple[int, int]:
    """Challengers that learnt truths in random order, where nothing changes: blocked, of how many."""
    blocked = total = 0
    for seed in range(runs):
        frame = agrawal(30 * ROWS, functions=(9,), seed=1000 + seed, rows_per_week=ROWS)
        stage = Stage.of(frame, credit_settings(), learner="logistic", learnt=LEARNT)
        forced = tuple(range(LEARNT + 1, 29, EVERY))
        policy = Policy("breaking", (), forced=forced, breaks=1.0, seed=seed)
        lived = Replay(stage.history, stage.models, stage.watcher, policy).run(Meter())
        # What was begun last may still be on trial when the history ends.
        ended = [fate for fate in lived.broken.values() if ":" in fate]
        blocked += sum(fate.endswith(":blocked") for fate in ended)
        total += len(ended)
    say(f"broken challengers where nothing changes: {blocked} of {total} blocked")
    return blocked, total


def gate_on_bike(data: Path, keep: Path | None, say: Say) -> dict[str, float]:
    """Shares of the gap with and without the gate, and with a third of the challengers broken."""
    history = history_of(pd.read_csv(data / "bike-sharing-hour.csv"), bike_settings())
    shelf = Shelf(keep / "bike" / "answers" if keep else None)
    stage = Stage(history, shelf=shelf)
    for name in ("never", "always"):
        stage.play(name)
    rows = np.asarray([history.slots[w].rows for w in history.live], dtype=np.float64)
    means = {name: float(stage.series(stage.lived[name][0]) @ rows / rows.sum()) for name in ("never", "always")}

    def closed(**way: object) -> tuple[float, Replay]:
        replay = Replay(history, stage.models, stage.watcher, performance_policy(history, **way))
        error = float(stage.series(replay.run(Meter())) @ rows / rows.sum())
        return (means["never"] - error) / (means["never"] - means["always"]), replay

    gated, free = closed()[0], closed(gated=False)[0]
    say(f"bike: {gated:.0%} of the gap with the gate, {free:.0%} without")
    shares: dict[bool, list[float]] = {True: [], False: []}
    fates: list[str] = []
    for seed in range(SEEDS):
        for gate in (True, False):
            share, replay = closed(gated=gate, breaks=1 / 3, seed=seed)
            shares[gate].append(share)
            fates += list(replay.lived.broken.values()) if gate else []
        say(f"bike, a third broken: {seed + 1} of {SEEDS}")
    healthy = [f for f in fates if f.startswith("healthy") and ":" in f]
    return {
        "gated": gated, "free": free, "third_gated": float(np.mean(shares[True])),
        "third_free": float(np.mean(shares[False])), "healthy": len(healthy),
        "healthy_blocked": sum(f.endswith(":blocked") for f in healthy),
    }  # fmt: skip


def targets(
    bike: Rehearsal | None, credit: Rehearsal | None, data: Path, keep: Path | None, runs: int, say: Say
) -> list[str]:
    """The table. bike, credit: rehearsals of the page, whose own targets are told where they are given."""
    lines = ["| what | asked | measured |", "|---|---|---|"]
    with one_thread():
        delays, early, calm, rise = found_after(runs, say)
        blocked, total = blocked_while_healthy(max(runs // 6, 1), say)
        gate = gate_on_bike(data, keep, say)
    soon = [d is not None and d <= SOON for d in delays]
    known = sorted(d if d is not None else AFTER + 1 for d in delays)
    lines += [
        f"| an abrupt change of {rise:.1f} points, a fifth being wrong anyway, found within {SOON} windows | "
        f"95 % of runs | {told(sum(soon), len(soon))} |",
        f"| the same, windows until the alarm, median | at most 2 | {np.median(known):g} |",
        f"| the same, windows before the change with an alarm | | {early} of {calm} |",
    ]
    if credit is not None:
        behind = 100 * (credit.policy("performance").quality.value - credit.policy("recent").quality.value)
        lines.append(
            "| Agrawal, points of error above a model of the last 4 windows, over all windows | at most 2 | "
            f"{behind:.2f} |"
        )
    if bike is not None:
        trigger, always = bike.policy("performance"), bike.policy("always")
        gap = trigger.gap
        share = "" if gap is None else f"{gap.value:.0%} [{gap.low:.0%}, {gap.high:.0%}]"
        lines.append(
            f"| bike, share of the gap between never and always | at least 80 % | {share} |\n"
            f"| bike, share of the retrainings | at most 15 % | {trigger.retrains / max(always.retrains, 1):.0%} |"
        )
    lines += [
        "| bike, share of the gap lost to gate and canary | at most 5 points | "
        f"{100 * (gate['free'] - gate['gated']):.1f} points |",
        "| bike, a third of the challengers broken: share of the gap with the gate, without | | "
        f"{gate['third_gated']:.0%}, {gate['third_free']:.0%} |",
        "| bike, broken challengers blocked while the champion is healthy | at least 80 % | "
        f"{told(int(gate['healthy_blocked']), int(gate['healthy']))} |",
        f"| stationary histories, every challenger broken: blocked | at least 80 % | {told(blocked, total)} |",
    ]
    return lines


def told(count: int, total: int) -> str:
    """A share with its 95 % Wilson interval."""
    if not total:
        return "none tried"
    share = share_of(count, total)
    return f"{count} of {total}, {share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    parser.add_argument("--keep", type=Path, default=None)
    asked = parser.parse_args()
    lines = targets(
        None, None, asked.data, asked.keep, asked.runs, lambda what: print(what, file=sys.stderr, flush=True)
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
