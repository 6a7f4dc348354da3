"""How long rollouts take by simulation, with fixed seeds: until a verdict, until what is broken is taken out.

Part of the tables of docs/explanation/verdicts.md, see `simulated_verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fairlead.ops.flow.tallying import EDGES
from fairlead.ops.rollout.ending import ratio_mismatch
from fairlead.ops.rollout.guardrails import (
    GUARD_ALPHA,
    Counted,
    counted_latency_guard,
    decisions_guard,
    errors_guard,
    part_of_stage,
    share_of,
)

MAX_LOSS = 0.01
NEVER = 10**9
MOST = 100_000
"""Requests (callers) after which a guardrail or a split is no longer waited for."""
ALPHA = part_of_stage(share_of(GUARD_ALPHA, ("errors", "latency", "decision_rate")), 1)
"""Of one of three guardrails of one challenger in its first stage."""
AT = np.unique(np.geomspace(20, MOST, 90).astype(int))
"""Requests at which is looked: a tenth more each time, so what is told is at most a tenth too long."""

POWERS = (
    *((-0.02, 0.1), (0.0, 0.05), (0.0, 0.1), (0.0, 0.2), (0.02, 0.1), (0.05, 0.1), (0.05, 0.2), (0.1, 0.3)),
    *((0.3, 0.3),),
)


def rows_until(harm: float, spread: float, runs: int, seed: int) -> tuple[dict[str, float], float, float]:
    """Shares of the verdicts within 20,000 rows, and the median and 0.9 quantile of rows until one."""
    from fairlead.lab.stats.evalues import log_wealth

    rng, bar = np.random.default_rng(seed), math.log(20.0)
    ends, outcomes = [], {"pass": 0.0, "fail": 0.0, "inconclusive": 0.0}
    for _ in range(runs):
        x = np.clip(rng.normal(harm, spread, 20_000), -1, 1)
        crossed = [np.flatnonzero(w >= bar) for w in (log_wealth(x, 0.0), log_wealth(-x, -MAX_LOSS))]
        failed, passed = (int(at[0]) + 1 if at.size else NEVER for at in crossed)
        ends.append(min(failed, passed))
        outcomes["inconclusive" if ends[-1] == NEVER else "fail" if failed <= passed else "pass"] += 1.0 / runs
    return outcomes, float(np.median(ends)), float(np.quantile(ends, 0.9))


Ends = Callable[[np.random.Generator], int]
"""Requests of one run, all variants together, until it is out; NEVER within MOST."""


def slower(times: float, share: float) -> Ends:
    """Every answer of the challenger takes so many times as long; the champion's p99 is 59 ms."""

    def run(rng: np.random.Generator) -> int:
        tried = rng.random(MOST) < share
        seconds = rng.lognormal(-4.0, 0.5, MOST) * np.where(tried, times, 1.0)
        cells, sides = np.searchsorted(EDGES, seconds) - 1, np.zeros((2, len(EDGES) - 1), dtype=np.int64)
        before = 0
        for n in AT:
            new = slice(before, n)
            sides += [np.bincount(cells[new][tried[new] == side], minlength=sides.shape[1]) for side in (False, True)]
            before = n
            if counted_latency_guard(sides[0], sides[1], EDGES, 1.5, ALPHA).outcome == "fails":
                return int(n)
        return NEVER

    return run


def failing(rate: float, share: float) -> Ends:
    """The challenger fails so many of its requests, the champion one in a thousand."""

    def run(rng: np.random.Generator) -> int:
        tried = rng.random(MOST) < share
        bad = np.cumsum(rng.random(MOST) < np.where(tried, rate, 0.001))
        worse, asked = np.cumsum(tried & (np.diff(bad, prepend=0) > 0)), np.cumsum(tried)
        for n in AT:
            k, m, w = int(bad[n - 1]), int(asked[n - 1]), int(worse[n - 1])
            if errors_guard(Counted(k - w, int(n) - m), Counted(w, m), 0.01, ALPHA).outcome == "fails":
                return int(n)
        return NEVER

    return run


def deciding(rate: float, share: float) -> Ends:
    """The challenger says yes to so many callers, the champion to three in ten."""

    def run(rng: np.random.Generator) -> int:
        tried = rng.random(MOST) < share
        yes = rng.random(MOST) < np.where(tried, rate, 0.3)
        ours, theirs, asked = np.cumsum(yes & tried), np.cumsum(yes & ~tried), np.cumsum(tried)
        for n in AT:
            k, o, m = int(ours[n - 1]), int(theirs[n - 1]), int(asked[n - 1])
            old, new = {"yes": o, "no": int(n) - m - o}, {"yes": k, "no": m - k}
            if decisions_guard(old, new, 0.1, ALPHA).outcome == "fails":
                return int(n)
        return NEVER

    return run


def missplit(meant: float, real: float) -> Ends:
    """Callers are drawn by another share than the routes say."""

    def run(rng: np.random.Generator) -> int:
        met = np.cumsum(rng.random(MOST) < real)
        for n in AT:
            k = int(met[n - 1])
            if ratio_mismatch((int(n) - k, k), (1.0 - meant, meant)).mismatch:
                return int(n)
        return NEVER

    return run


BROKEN: tuple[tuple[str, Ends], ...] = (
    ("every request of half fails", failing(1.0, 0.5)),
    ("every request of 5 % fails", failing(1.0, 0.05)),
    ("one in five requests of half fails", failing(0.2, 0.5)),
    ("one in twenty requests of half fails", failing(0.05, 0.5)),
    ("half answers ten times as slowly", slower(10.0, 0.5)),
    ("5 % answer ten times as slowly", slower(10.0, 0.05)),
    ("half answers three times as slowly", slower(3.0, 0.5)),
    ("half answers twice as slowly", slower(2.0, 0.5)),
    ("half decides all one way", deciding(1.0, 0.5)),
    ("5 % decide all one way", deciding(1.0, 0.05)),
    ("half decides for 50 % instead of 30 %", deciding(0.5, 0.5)),
    ("split in halves, really 52 to 48", missplit(0.5, 0.52)),
    ("split in halves, really 55 to 45", missplit(0.5, 0.55)),
    ("5 % meant, really 6 %", missplit(0.05, 0.06)),
    ("5 % meant, really 10 %", missplit(0.05, 0.1)),
)


def found_out(ends: Ends, runs: int, seed: int) -> tuple[float, float, float]:
    """Share of the runs in which it was found, and the median and 0.9 quantile of the requests until then."""
    rng = np.random.default_rng(seed)
    took = np.array([ends(rng) for _ in range(runs)])
    return float((took < NEVER).mean()), float(np.median(took)), float(np.quantile(took, 0.9, method="higher"))


def said(rows: float, most: str) -> str:
    return f"{rows:,.0f}" if rows < NEVER / 2 else f"over {most}"


def delays(runs: int, cell: Callable[[str, Callable[[], Any]], Any]) -> list[str]:
    """Lines of the tables. cell: finds what is not known yet."""
    lines = [f"Rows until a verdict on losses, {runs} runs each:", ""]
    lines += ["| true harm | spread | pass | fail | rows, median | rows, 9 in 10 |", "|---|---|---|---|---|---|"]
    for number, (harm, spread) in enumerate(POWERS):
        find = lambda: rows_until(harm, spread, runs, 2000 + number)  # noqa: B023, E731
        told, half, most = cell(f"rows until a verdict, harm {harm:+g}, spread {spread:g} ({runs} runs)", find)
        ends = " | ".join(said(one, "20,000") for one in (half, most))
        lines.append(f"| {harm:+.2f} | {spread:g} | {told['pass']:.0%} | {told['fail']:.0%} | {ends} |")
    few = min(runs, 200)
    lines += ["", f"Requests, of all versions together, until what is broken is found ({few} runs each):", ""]
    lines += ["| what is broken | found | requests, median | requests, 9 in 10 |", "|---|---|---|---|"]
    for number, (name, broken) in enumerate(BROKEN):
        share, half, most = cell(f"{name} ({few} runs)", lambda: found_out(broken, few, 3000 + number))  # noqa: B023
        lines.append(f"| {name} | {share:.0%} | {said(half, '100,000')} | {said(most, '100,000')} |")
    return lines
