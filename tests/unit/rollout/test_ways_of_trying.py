"""Every way of trying a version with every objective and design: tried, or refused with what would be right."""

from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np
import pytest

from fairlead.lab.stats.spending import needed_rows
from fairlead.ops.rollout.fixed import judge_fixed, judge_values_fixed
from fairlead.ops.rollout.guardrails import Guardrail
from fairlead.ops.rollout.shares import next_share
from fairlead.ops.rollout.verdict import RolloutVerdict
from fairlead.ops.rollout.ways import Design, Mode, Objective, judged_by, note, refusal

ONE = "a pilot tries one version"
STAYS = "needs a share that stays"
LABELS = "judged by loss on labels, not by value"
DATE = "a pilot ends on its date"

# (mode, objective, design): what one version is judged by, or why not; the same of several; what is said besides.
TABLE: dict[tuple[Mode, Objective, Design], tuple[str, str, str]] = {
    ("canary", "loss", "anytime"): ("loss", "loss", ""),
    ("canary", "loss", "fixed"): ("loss", "loss", ""),
    ("canary", "value", "anytime"): ("value", "value", ""),
    ("canary", "value", "fixed"): (STAYS, STAYS, ""),
    ("shadow", "loss", "anytime"): ("loss", "loss", ""),
    ("shadow", "loss", "fixed"): ("loss", "loss", ""),
    ("shadow", "value", "anytime"): ("loss", "loss", LABELS),
    ("shadow", "value", "fixed"): ("loss", "loss", LABELS),
    ("ab", "loss", "anytime"): ("loss", "loss", ""),
    ("ab", "loss", "fixed"): ("loss", "loss", ""),
    ("ab", "value", "anytime"): ("value", "value", ""),
    ("ab", "value", "fixed"): ("value", "value", ""),
    ("bandit", "loss", "anytime"): ("loss", "loss", ""),
    ("bandit", "loss", "fixed"): ("loss", "loss", ""),
    ("bandit", "value", "anytime"): ("value", "value", ""),
    ("bandit", "value", "fixed"): (STAYS, STAYS, ""),
    ("pilot", "loss", "anytime"): ("loss", ONE, ""),
    ("pilot", "loss", "fixed"): ("loss", ONE, DATE),
    ("pilot", "value", "anytime"): ("loss", ONE, LABELS),
    ("pilot", "value", "fixed"): ("loss", ONE, LABELS),
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(product(get_args(Mode), get_args(Objective), get_args(Design)))


@pytest.mark.parametrize(("asked", "told"), TABLE.items(), ids=["-".join(asked) for asked in TABLE])
def test_each_way_is_tried_or_refused_with_what_would_be_right(
    asked: tuple[Mode, Objective, Design], told: tuple[str, str, str]
) -> None:
    for number, expected in ((1, told[0]), (3, told[1])):
        why = refusal(*asked, number)
        if expected in ("loss", "value"):
            assert (why, judged_by(*asked[:2])) == ("", expected)
        else:
            assert expected in why
            assert "use --ab" in why or "one version" in why
    said = note(*asked)
    assert (told[2] in said) if told[2] else said == ""


def open_verdict(high: float) -> RolloutVerdict:
    return RolloutVerdict("inconclusive", 500, 0.0, -0.1, high, 1.0, 100, "not decided")


def guard(outcome: str, high: float) -> Guardrail:
    return Guardrail("errors", outcome, 0.0, 0.0, high, 0.01, "share of requests", 900, "")  # type: ignore[arg-type]


def test_challengers_grow_together_by_the_sum_of_what_each_may_harm() -> None:
    steps, quiet = (0.05, 0.2, 0.5), (guard("holds", 0.0),)
    # 0.02 of each at half of the requests of a half each: 0.02 x 0.5 in all.
    assert next_share([open_verdict(0.02)] * 2, [quiet] * 2, 0.05, steps, 0.01) == 0.5
    assert next_share([open_verdict(0.03)] * 2, [quiet] * 2, 0.05, steps, 0.01) == 0.2
    # What one does better does not pay for what another may do.
    assert next_share([open_verdict(-0.5), open_verdict(0.06)], [quiet] * 2, 0.05, steps, 0.01) == 0.2
    assert next_share([open_verdict(0.0)] * 2, [quiet, (guard("fails", 0.3),)], 0.05, steps, 0.01) is None
    assert next_share([open_verdict(0.0)] * 2, [quiet, (guard("holds", 0.3),)], 0.05, steps, 0.01) is None
    assert next_share([open_verdict(0.0)] * 2, [quiet] * 2, 0.5, steps, 0.01) is None


def test_what_a_share_rests_on_in_a_planned_comparison_moves_with_looks_alone() -> None:
    x = np.random.default_rng(0).normal(0.0, 0.1, 1000)
    # Nothing before the first look, and between looks what the last one told.
    assert (judge_fixed(x[:199], 0.01, 1000).low, judge_fixed(x[:199], 0.01, 1000).high) == (-1.0, 1.0)
    first = judge_fixed(x[:200], 1e-6, 1000)
    assert (first.low, first.high) == (judge_fixed(x[:399], 1e-6, 1000).low, judge_fixed(x[:399], 1e-6, 1000).high)
    assert judge_fixed(x[:400], 1e-6, 1000).high < first.high


def test_values_are_decided_at_planned_looks_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    n, shares = 4000, np.tile([0.5, 0.5], (4000, 1))
    arms = (rng.random(n) < 0.5).astype(int)
    worse, better = (np.where(arms == 1, 5.0 + lift, 5.0) + rng.normal(0, 1, n) for lift in (-0.5, 0.5))
    early = judge_values_fixed(worse[:799], arms[:799], shares[:799], 0.05, n)
    assert (early.outcome, early.needed, early.low) == ("inconclusive", 1, -np.inf)
    assert "next after 1 more values" in early.why
    failed = judge_values_fixed(worse, arms, shares, 0.05, n)
    assert failed.outcome == "fail"
    assert "look 1 of 5" in failed.why
    assert judge_values_fixed(better, arms, shares, 0.05, n).outcome == "pass"
    assert judge_values_fixed(worse, arms, shares, 0.05, n, better="lower").outcome == "pass"
    # A few of a variant are too few for a central limit theorem, whatever was planned.
    rare = np.zeros(n, dtype=int)
    rare[:60] = 1
    assert judge_values_fixed(worse, rare, np.tile([0.985, 0.015], (n, 1)), 0.05, n).outcome == "inconclusive"
    nothing = judge_values_fixed(worse[:3], np.zeros(3, dtype=int), shares[:3], 0.05, n)
    assert (nothing.outcome, nothing.n) == ("inconclusive", 0)
    assert needed_rows(0.2, 0.05) < n
