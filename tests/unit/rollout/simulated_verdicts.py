"""Rollouts by simulation, with fixed seeds: how often a verdict is wrong, and how many rows it takes.

Every scenario gives the outcomes of some runs; a quick sample is a test, the whole fills docs/explanation/verdicts.md
(`python -m tests.unit.rollout.simulated_verdicts`, some six minutes; what it has found it keeps cell by cell in
benchmarks/results/verdicts.json, and goes on from there).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fairlead.ops.rollout.ending import ratio_mismatch
from fairlead.ops.rollout.fixed import judge_fixed, judge_values_fixed
from fairlead.ops.rollout.guardrails import Counted, decisions_guard, errors_guard, latency_guard
from fairlead.ops.rollout.shares import bandit_shares, next_share
from fairlead.ops.rollout.values import judge_values
from fairlead.ops.rollout.verdict import judge, judge_two

MAX_LOSS = 0.01
Outcomes = list[str]
Scenario = Callable[[np.random.Generator, int], Outcomes]
LOOKS = (50, 100, 150, 200, 300, 400, 600, 800, 1500, 2400, 4000, 6000)


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


def planned_values(lift: float) -> Scenario:
    """Five looks up to 4,000 values of an A/B test of half and half, by the same boundaries."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        made, n = [], 4000
        shares = np.tile([0.5, 0.5], (n, 1))
        for _ in range(runs):
            arms = (rng.random(n) < 0.5).astype(int)
            values = drawn(rng, n, arms, "bought", np.array([0.0, lift]))
            made.append(judge_values_fixed(values, arms, shares, 0.05, n).outcome)
        return made

    return run


def split(share: float) -> Scenario:
    """Callers drawn as the routes say, looked at after every fifty."""

    def run(rng: np.random.Generator, runs: int) -> Outcomes:
        made = []
        for _ in range(runs):
            met = np.cumsum(rng.random(10_000) < share)[49::50]
            found = (ratio_mismatch((50 * (at + 1) - int(k), int(k)), (1.0 - share, share)) for at, k in enumerate(met))
            made.append("fail" if any(one.mismatch for one in found) else "pass")
        return made

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
    Case("value, planned, five looks: promoted at the limit", "pass", planned_values(-0.05)),
    Case("value, planned, five looks: an equal one rolled back", "fail", planned_values(0.0)),
    Case("split in halves as intended is taken for a mismatch", "fail", split(0.5), 0.001),
    Case("5 % as intended are taken for a mismatch", "fail", split(0.05), 0.001),
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


def kept_in(path: Path) -> Callable[[str, Callable[[], Any]], Any]:
    """Remembers what was found for a cell, so that a run that was cut short goes on where it stopped."""
    known: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}

    def cell(name: str, find: Callable[[], Any]) -> Any:
        if name not in known:
            known[name] = find()
            path.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")
            sys.stderr.write(f"{name}: {known[name]}\n")
        return known[name]

    return cell


def tables(runs: int, cell: Callable[[str, Callable[[], Any]], Any]) -> str:
    """All tables as Markdown."""
    from tests.unit.rollout.simulated_delays import delays

    lines = ["| what is an error | wrong | 95 % interval | nominal |", "|---|---|---|---|"]
    for number, case in enumerate(CASES):
        many = runs if "outgrows" not in case.name else min(runs, 300)
        wrong = cell(f"{case.name} ({many} runs)", lambda: case.errors(many, 1000 + number))  # noqa: B023
        low, high = interval(wrong, many)
        about = case.name if many == runs else f"{case.name} ({many} runs)"
        lines.append(f"| {about} | {wrong / many:.1%} | {low:.1%} to {high:.1%} | {case.nominal:.1%} |")
    return "\n".join([f"{runs:,} runs each.", "", *lines, "", *delays(min(runs, 400), cell)])


BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"
ROOT = Path(__file__).resolve().parents[3]


def main(runs: int = 1000) -> None:
    """Write the tables into the page, between its marks."""
    page = ROOT / "docs" / "explanation" / "verdicts.md"
    found = tables(runs, kept_in(ROOT / "benchmarks" / "results" / "verdicts.json"))
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
