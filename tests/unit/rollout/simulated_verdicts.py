"""Rollouts by simulation, with fixed seeds: how often a verdict is wrong, and how many rows it takes.

Every scenario gives the outcomes of some runs; a quick sample is a test, the whole fills docs/explanation/verdicts.md
(`python -m tests.unit.rollout.simulated_verdicts`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fairlead.ops.rollout.fixed import judge_fixed
from fairlead.ops.rollout.guardrails import Counted, decisions_guard, errors_guard, latency_guard
from fairlead.ops.rollout.shares import bandit_shares, next_share
from fairlead.ops.rollout.values import judge_values
from fairlead.ops.rollout.verdict import judge, judge_two

MAX_LOSS = 0.01
Outcomes = list[str]
Scenario = Callable[[np.random.Generator, int], Outcomes]
LOOKS = (50, 100, 200, 400, 800, 1500, 3000, 6000)


def paired(harm: float) -> Scenario:
    """Losses of both models on the same rows, `harm` apart; every row is a look."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        spread = 0.1
        return [judge(np.clip(rng.normal(harm, spread, 6000), -1, 1), MAX_LOSS).outcome for _ in range(runs)]

    return run


def unpaired(harm: float) -> Scenario:
    """Losses of whichever answered, the challenger one row in twenty."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        made = []
        for _ in range(runs):
            old, new = rng.beta(0.8, 3.2, 19 * 600), np.clip(rng.beta(0.8, 3.2, 600) + harm, 0, 1)
            made.append(judge_two(old, new, 0.05, ratio=19).outcome)
        return made

    return run


def drawn(rng: np.random.Generator, n: int, arms: np.ndarray, kind: str, lifts: np.ndarray) -> np.ndarray:
    """Values a row: bought (1) or not (0), or money with a heavy tail."""
    if kind == "money":
        return rng.lognormal(0.0, 1.0, n) * (1.0 + lifts[arms])
    return (rng.random(n) < 0.3 * (1.0 + lifts[arms])).astype(float)


def valued(lift: float, share: float, kind: str, bounds: tuple[float, float] | None) -> Scenario:
    """A business number, higher is better, `lift` (relative) for the challenger; tolerated is a loss of 5 %."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        made, n = [], 6000
        for _ in range(runs):
            arms = (rng.random(n) < share).astype(int)
            values = drawn(rng, n, arms, kind, np.array([0.0, lift]))
            made.append(judge_values(values, arms, np.tile([1 - share, share], (n, 1)), 0.05, bounds=bounds).outcome)
        return made

    return run


def bandit(lift: float, bounds: tuple[float, float] | None) -> Scenario:
    """Two variants by Thompson sampling on what they bring, republished every 200 rows, with a floor of 10 %."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        from fairlead.lab.stats.propensity import variant_scores

        made = []
        for number in range(runs):
            shares, arms, values, weights = [], [], [], [0.5, 0.5]
            for _look in range(20):
                drawn_arms = (rng.random(200) < weights[1]).astype(int)
                arms.append(drawn_arms)
                values.append(drawn(rng, 200, drawn_arms, "bought", np.array([0.0, lift])))
                shares.append(np.tile(weights, (200, 1)))
                y, a, p = np.concatenate(values), np.concatenate(arms), np.concatenate(shares)
                weights = bandit_shares(variant_scores(y, a, p), [int((a == k).sum()) for k in (0, 1)], 0.1, number)
            made.append(judge_values(y, a, p, 0.05, bounds=bounds).outcome)
        return made

    return run


def several(harm: float, challengers: int = 3) -> Scenario:
    """Three challengers, each judged with its part of the error; one verdict of that kind among them counts."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        made = []
        for _ in range(runs):
            old = rng.normal(0.0, 0.07, 4000)
            found = {
                judge(np.clip(rng.normal(harm, 0.07, 4000) - old, -1, 1), MAX_LOSS, 0.05 / challengers).outcome
                for _ in range(challengers)
            }
            wrong = "pass" if harm > 0 else "fail"
            made.append(wrong if wrong in found else "other")
        return made

    return run


def planned(harm: float) -> Scenario:
    """Five looks up to 1,000 rows, by O'Brien and Fleming's boundaries."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        return [judge_fixed(np.clip(rng.normal(harm, 0.1, 1000), -1, 1), MAX_LOSS, 1000).outcome for _ in range(runs)]

    return run


def guarded(what: str, excess: float) -> Scenario:
    """A guardrail looked at again and again; excess 1: the challenger is exactly at its limit, 0: like the champion."""

    def look(rng: np.random.Generator) -> str:
        n = LOOKS[-1]
        if what == "latency":
            old, new = rng.lognormal(-4.0, 0.7, n), rng.lognormal(-4.0, 0.7, n) * (1.0 + 0.5 * excess)
            states = [latency_guard(old[:m], new[:m], 1.5).outcome for m in LOOKS]
        elif what == "errors":
            bad, worse = rng.random(n) < 0.01, rng.random(n) < 0.01 + 0.01 * excess
            states = [
                errors_guard(Counted(int(bad[:m].sum()), m), Counted(int(worse[:m].sum()), m), 0.01).outcome
                for m in LOOKS
            ]
        else:
            yes, more = rng.random(n) < 0.3, rng.random(n) < 0.3 + 0.1 * excess
            states = []
            for m in LOOKS:
                one, other = int(yes[:m].sum()), int(more[:m].sum())
                states.append(decisions_guard({"y": one, "n": m - one}, {"y": other, "n": m - other}, 0.1).outcome)
        return "fail" if "fails" in states else "pass" if "holds" in states else "inconclusive"

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        return [look(rng) for _ in range(runs)]

    return run


def growing(rng: np.random.Generator, runs: int) -> Outcomes:
    """A challenger whose harm of 0.03 allows a share of a third: does it ever get half of the requests?"""
    made = []
    for _ in range(runs):
        x, share = np.clip(rng.normal(0.03, 0.1, 3000), -1, 1), 0.05
        for n in range(100, 3001, 100):
            step = next_share([judge(x[:n], MAX_LOSS)], [()], share, (0.05, 0.2, 0.5), MAX_LOSS)
            share = step or share
        made.append("fail" if share * 0.03 > MAX_LOSS else "pass")
    return made


class Case:
    """name: of the scenario; wrong: the outcome that is an error; nominal: its largest rate."""

    def __init__(self, name: str, wrong: str, scenario: Scenario, nominal: float = 0.05) -> None:
        self.name, self.wrong, self.scenario, self.nominal = name, wrong, scenario, nominal

    def errors(self, runs: int, seed: int) -> int:
        """Of so many runs, how many were wrong."""
        return self.scenario(np.random.default_rng(seed), runs).count(self.wrong)


CASES = (
    Case("loss, same rows: harm at the limit is promoted", "pass", paired(MAX_LOSS)),
    Case("loss, same rows: an equal challenger is rolled back", "fail", paired(0.0)),
    Case("loss, other rows (1 in 20): harm at the limit is promoted", "pass", unpaired(0.05)),
    Case("loss, other rows (1 in 20): an equal challenger is rolled back", "fail", unpaired(0.0)),
    Case("value, A/B 50 %, in a known range: promoted at the limit", "pass", valued(-0.05, 0.5, "bought", (0, 1))),
    Case("value, A/B 50 %, in a known range: an equal one rolled back", "fail", valued(0.0, 0.5, "bought", (0, 1))),
    Case("value, A/B 50 %, no known range: promoted at the limit", "pass", valued(-0.05, 0.5, "bought", None)),
    Case("value, A/B 50 %, no known range: an equal one rolled back", "fail", valued(0.0, 0.5, "bought", None)),
    Case("value, 10 %, heavy tail: promoted at the limit", "pass", valued(-0.05, 0.1, "money", None)),
    Case("value, 10 %, heavy tail: an equal one rolled back", "fail", valued(0.0, 0.1, "money", None)),
    Case("bandit, in a known range: promoted at the limit", "pass", bandit(-0.05, (0, 1))),
    Case("bandit, in a known range: an equal one rolled back", "fail", bandit(0.0, (0, 1))),
    Case("bandit, no known range: promoted at the limit", "pass", bandit(-0.05, None)),
    Case("bandit, no known range: an equal one rolled back", "fail", bandit(0.0, None)),
    Case("three challengers: any harmful one is promoted", "pass", several(MAX_LOSS)),
    Case("three challengers: any equal one is rolled back", "fail", several(0.0)),
    Case("planned, five looks: harm at the limit is promoted", "pass", planned(MAX_LOSS)),
    Case("planned, five looks: an equal challenger is rolled back", "fail", planned(0.0)),
    Case("guardrail on p99 of latency, at its limit, fails", "fail", guarded("latency", 1.0)),
    Case("guardrail on errors, at its limit, fails", "fail", guarded("errors", 1.0)),
    Case("guardrail on decisions, at its limit, fails", "fail", guarded("decisions", 1.0)),
    Case("a canary outgrows what its harm allows", "fail", growing),
)


def interval(wrong: int, runs: int) -> tuple[float, float]:
    """Exact 95 % interval of a share (Clopper and Pearson)."""
    from scipy.stats import beta

    low = 0.0 if wrong == 0 else float(beta.ppf(0.025, wrong, runs - wrong + 1))
    high = 1.0 if wrong == runs else float(beta.ppf(0.975, wrong + 1, runs - wrong))
    return low, high


POWERS = ((-0.02, 0.1), (0.0, 0.05), (0.0, 0.1), (0.0, 0.2), (0.02, 0.1), (0.05, 0.1), (0.05, 0.2))


def rows_until(harm: float, spread: float, runs: int, seed: int) -> tuple[dict[str, float], float, float]:
    """Shares of the verdicts within 20,000 rows, and the median and 0.9 quantile of rows until one."""
    from fairlead.lab.stats.evalues import log_wealth

    rng, bar = np.random.default_rng(seed), math.log(20.0)
    ends, outcomes = [], {"pass": 0.0, "fail": 0.0, "inconclusive": 0.0}
    for _ in range(runs):
        x = np.clip(rng.normal(harm, spread, 20_000), -1, 1)
        crossed = [np.flatnonzero(w >= bar) for w in (log_wealth(x, 0.0), log_wealth(-x, -MAX_LOSS))]
        failed, passed = (int(at[0]) + 1 if at.size else 10**9 for at in crossed)
        ends.append(min(failed, passed))
        outcomes["inconclusive" if ends[-1] == 10**9 else "fail" if failed <= passed else "pass"] += 1.0 / runs
    return outcomes, float(np.median(ends)), float(np.quantile(ends, 0.9))


def tables(runs: int) -> str:
    """Both tables as Markdown."""
    lines = ["| what is an error | wrong | 95 % interval | nominal |", "|---|---|---|---|"]
    for number, case in enumerate(CASES):
        wrong = case.errors(runs, 1000 + number)
        low, high = interval(wrong, runs)
        lines.append(f"| {case.name} | {wrong / runs:.1%} | {low:.1%} to {high:.1%} | {case.nominal:.0%} |")
        sys.stderr.write(lines[-1] + "\n")
    lines += ["", "| true harm | spread | pass | fail | rows, median | rows, 9 in 10 |", "|---|---|---|---|---|---|"]
    for number, (harm, spread) in enumerate(POWERS):
        told, half, most = rows_until(harm, spread, min(runs, 400), 2000 + number)
        said = [f"{one:,.0f}" if one < 10**8 else "over 20,000" for one in (half, most)]
        lines.append(f"| {harm:+.2f} | {spread:g} | {told['pass']:.0%} | {told['fail']:.0%} | {said[0]} | {said[1]} |")
        sys.stderr.write(lines[-1] + "\n")
    return "\n".join(lines)


BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"


def main(runs: int = 1000) -> None:
    """Write the tables into the page, between its marks."""
    page = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "verdicts.md"
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{runs:,} runs each.\n\n{tables(runs)}\n\n{END}{after}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
