"""Anomalous requests: false alarms within what is allowed, and planted ones found, named and told by request id."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from fairlead.contract.events import Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import CaptureSettings, ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.unusual import unusual_limits
from fairlead.ops.monitor import Rows, Seen, calibrate
from fairlead.ops.monitor.checks.bursts import Bursts, near_twins
from fairlead.ops.monitor.checks.unusual import UnusualRows
from fairlead.ops.monitor.extremes import chance_of_so_many, largest_limit

SIGNATURE = Signature(
    task="regression",
    columns=(Column("size", "number"), Column("weight", "number"), Column("kind", "category", categories=("a", "b"))),
)
SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y", time="at"))
WEEK = 7 * 86_400.0


def cells(rows: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    size = random.lognormal(3.0, 0.5, rows)
    kind = random.choice(np.array(["a", "b"], dtype=object), rows)
    return {"size": size, "weight": 2.0 * size * np.exp(0.1 * random.standard_normal(rows)), "kind": kind}


@pytest.fixture(scope="module")
def reference() -> Reference:
    columns = cells(10_000, 1)
    whole = profile(columns, bins_for(columns, SIGNATURE))
    return Reference(whole, unusual=unusual_limits(columns, SIGNATURE, whole))


def seen_of(
    reference: Reference, columns: dict[str, Any], memory: Any = None, settings: Settings = SETTINGS,
    callers: Any = None, index: int = 10, times: Any = None,
) -> Seen:  # fmt: skip
    n = len(columns["size"])
    begin = index * WEEK
    when = np.sort(np.random.default_rng(index).uniform(begin, begin + WEEK, n)) if times is None else times
    passed: dict[str, Any] = {"request": np.array([f"r{i}" for i in range(n)], dtype=object)}
    if callers is not None:
        passed["caller"] = callers
    live = profile(columns, [c.bins for c in reference.profile.columns], start=begin, end=begin + WEEK)
    return Seen(
        window=Window("m", index, begin, begin + WEEK, rows=n, state="closed"), profile=live, reference=reference,
        thresholds=calibrate(reference, settings), settings=settings, signature=SIGNATURE,
        rows=Rows(columns=columns, times=when, passed=passed), memory=memory,
    )  # fmt: skip


def test_usual_windows_are_silent_and_remembered(reference: Reference) -> None:
    seen = seen_of(reference, cells(2000, 7))
    assert UnusualRows().look(seen, 0.01) == []
    ((rows, count),) = seen.kept[0]["quiet"]
    assert rows == 2000
    assert count <= 8
    assert seen.told[0].judged.value == count / 2000


def test_planted_rows_are_found_with_when_they_began_why_and_examples(reference: Reference) -> None:
    columns = cells(2000, 8)
    columns["weight"][1500:1540] *= 60.0
    seen = seen_of(reference, columns)
    (finding,) = UnusualRows().look(seen, 0.001)
    assert finding.area == "requests"
    assert finding.size == pytest.approx(0.02, abs=0.004)
    assert finding.low < finding.size < finding.high
    assert finding.causes[0].name == "weight"
    assert "for example requests r15" in finding.message
    assert seen.rows is not None
    assert finding.first is not None
    assert abs(finding.first - float(seen.rows.times[1500])) <= 600.0
    assert not any(str(round(v, 2)) in finding.message for v in columns["weight"][1500:1540])
    # Forty rows in a row came on one day: that informs, and a second odd day within a week alarms.
    assert finding.severity == "info"
    (memory,) = seen.kept
    assert (memory["quiet"], len(memory["odd"])) == ([], 1)
    (again,) = UnusualRows().look(seen_of(reference, columns, memory, index=11), 0.001)
    assert again.severity == "warning"
    (late,) = UnusualRows().look(seen_of(reference, columns, memory, index=13), 0.001)
    assert late.severity == "info"
    spread = cells(2000, 8)
    spread["weight"][::50] *= 60.0
    (wide,) = UnusualRows().look(seen_of(reference, spread), 0.001)
    assert wide.severity == "warning"


def test_a_hidden_column_and_a_reference_without_limits_say_nothing(reference: Reference) -> None:
    columns = cells(500, 8)
    columns["weight"][:40] *= 60.0
    hidden = dataclasses.replace(
        seen_of(reference, columns),
        settings=Settings(model=SETTINGS.model, capture=CaptureSettings(redact=("weight",))),
    )
    assert UnusualRows().look(hidden, 0.001) == []
    older = dataclasses.replace(seen_of(reference, columns), reference=Reference(reference.profile))
    assert UnusualRows().look(older, 0.001) == []


@pytest.mark.parametrize("spread", [0.0, 0.5], ids=["by chance alone", "days differ"])
def test_so_many_by_chance_is_a_p_value(spread: float) -> None:
    random = np.random.default_rng(5)
    trials, low = 4000, 0
    for _ in range(trials):
        shares = 0.002 * random.lognormal(-(spread**2) / 2, spread, 41)
        counts = random.binomial(500, shares)
        p, _ = chance_of_so_many(int(counts[-1]), 500, [(500, int(k)) for k in counts[:-1]], 0.0)
        low += p <= 0.02
    assert low <= trials * 0.02 + 3 * np.sqrt(trials * 0.02)


def test_early_looks_keep_within_what_is_allowed(reference: Reference) -> None:
    """Windows of 3,000 rows looked at every 50, at the share that is usual."""
    random = np.random.default_rng(6)
    trials, allowed, alarms = 1500, 0.05, 0
    blocks = [(500, int(k)) for k in random.binomial(500, 0.001, 40)]
    for _ in range(trials):
        sums = np.cumsum(random.binomial(50, 0.001, 60))
        alarms += any(
            count >= 5 and chance_of_so_many(int(count), 50 * (at + 1), blocks, 5e-4)[0] <= allowed / 30
            for at, count in enumerate(sums)
        )
    assert alarms <= trials * allowed / 2 + 3 * np.sqrt(trials * allowed / 2)


@pytest.mark.parametrize("kind", ["poisson", "lognormal", "pareto"])
def test_the_largest_of_one_more_window_seldom_passes_its_limit(kind: str) -> None:
    random = np.random.default_rng(9)
    trials, allowed, over = 1500, 0.02, 0
    for _ in range(trials):
        n = int(random.integers(8, 40))
        shape = (n + 1, 100)
        sample = {
            "poisson": lambda shape=shape: random.poisson(4.0, shape),
            "lognormal": lambda shape=shape: random.lognormal(1.0, 1.0, shape),
            "pareto": lambda shape=shape: random.pareto(1.5, shape),
        }[kind]()
        peaks = np.log(sample.max(axis=1) + 10.0)
        limit = largest_limit(peaks[:-1].tolist(), allowed)
        assert limit is not None
        over += peaks[-1] > limit
    assert over <= trials * allowed + 3 * np.sqrt(trials * allowed)
    assert largest_limit([1.0] * 7, 0.5) is None


def callers_of(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(["k1", "k2", "k3"], dtype=object), n)


def taught(reference: Reference, windows: int = 10) -> Any:
    memory = None
    for index in range(windows):
        seen = seen_of(reference, cells(2000, 100 + index), memory, callers=callers_of(2000, index), index=index)
        assert Bursts().look(seen, 0.05) == []
        memory = seen.kept[0]
    return memory


def test_a_caller_that_sends_far_more_than_usual_is_named_with_the_minute(reference: Reference) -> None:
    memory = taught(reference)
    columns, callers = cells(2400, 3), callers_of(2400, 3)
    begin = 10 * WEEK
    times = np.sort(np.random.default_rng(4).uniform(begin, begin + WEEK, 2400))
    times[1000:1400], callers[1000:1400] = np.floor(times[1000] / 60) * 60 + np.linspace(0, 59, 400), "k2"
    order = np.argsort(times, kind="stable")
    seen = seen_of(
        reference, {k: v[order] for k, v in columns.items()}, memory, callers=callers[order], times=times[order]
    )
    found = Bursts().look(seen, 0.01)
    assert [f.check for f in found][:1] == ["bursts_caller"]
    assert found[0].causes[0].name == "caller k2"
    assert found[0].first == np.floor(times[1000] / 60) * 60
    assert "caller k2 sent 400 rows in one minute" in found[0].message
    assert seen.kept[0]["caller"] == memory["caller"]


def test_rows_that_differ_in_one_column_alone_are_probes(reference: Reference) -> None:
    memory = taught(reference)
    columns, callers = cells(2000, 3), callers_of(2000, 3)
    mine = np.flatnonzero(callers == "k3")
    for name in columns:
        columns[name][mine] = columns[name][mine[0]]
    columns["size"][mine] = np.linspace(1.0, 100.0, len(mine))
    found = Bursts().look(seen_of(reference, columns, memory, callers=callers), 0.01)
    assert [f.check for f in found] == ["bursts_probing"]
    assert "caller k3" in found[0].message


def test_without_callers_and_keys_nobody_is_blamed(reference: Reference) -> None:
    seen = seen_of(reference, cells(500, 3))
    assert Bursts().look(seen, 0.01) == []


def test_near_twins() -> None:
    one = np.array([1.0, 2.0, 3.0, 1.0, 9.0])
    two = np.array(["a", "a", "b", "a", "c"], dtype=object)
    assert near_twins([one, two]) == pytest.approx(2 / 5)


@pytest.mark.long
def test_quiet_weeks_alarm_no_more_often_than_allowed(reference: Reference) -> None:
    """Fifteen services for 60 weeks: callers of very different sizes, weeks that differ, minutes that are busy."""
    random = np.random.default_rng(21)
    allowed, looks = 0.02, 0
    alarms = {"unusual": 0, "bursts": 0}
    for service in range(15):
        memories: dict[str, Any] = {"unusual": None, "bursts": None}
        weights = random.lognormal(0.0, 1.5, 12)
        for week in range(60):
            n = int(400 * random.lognormal(0.0, 0.3))
            callers = random.choice(np.array([f"k{i}" for i in range(12)], dtype=object), n, p=weights / weights.sum())
            # Callers come in spells: what one sends falls into few minutes.
            begin = week * WEEK
            times = begin + WEEK * random.random(n)
            spell = random.random(n) < 0.3
            times[spell] = (
                begin + 600.0 * random.integers(0, 1000, int(spell.sum())) + random.exponential(60.0, int(spell.sum()))
            )
            times = np.clip(times, begin, begin + WEEK - 1.0)
            order = np.argsort(times, kind="stable")
            columns = cells(n, 10_000 + service * 100 + week)
            for check in (UnusualRows(), Bursts()):
                seen = seen_of(
                    reference, columns, memories[check.name], callers=callers[order], index=week, times=times[order]
                )
                alarms[check.name] += bool(check.look(seen, allowed))
                memories[check.name] = seen.kept[0] if seen.kept else seen.memory
            looks += 1
    for count in alarms.values():
        assert count <= looks * allowed + 3 * np.sqrt(looks * allowed)
