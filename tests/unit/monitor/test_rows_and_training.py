"""Checks that compare rows with those learned from: seldom wrong of quiet windows, and they name what moved."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.estimation import Estimation
from fairlead.contract.events import Window
from fairlead.contract.plugins import variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.doors.cli.why_watched import tell_window
from fairlead.lab.stats import bins_for, profile, score_bins
from fairlead.ops.monitor import Rows, Seen, calibrate
from fairlead.ops.monitor.learnt import FEWEST_STRETCHES, Learnt, remembered, stretches_of, usual_of
from fairlead.ops.monitor.slicing import slice_causes

DAY = 86_400.0
A_DAY, DAYS = 60, 120
ALLOWED = 0.02
SIGNATURE = Signature(
    task="classification",
    columns=(Column("a", "number"), Column("b", "number"), Column("shop", "category", categories=("n", "s", "w"))),
    classes=("no", "yes"), positive="yes",
)  # fmt: skip
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", positive="yes", time="at"),
    monitor=MonitorSettings(window="1d", slices=("shop = 'w' and a > 0",)),
)
Cells = dict[str, np.ndarray]


def cells(rng: np.random.Generator, n: int) -> Cells:
    # A level of its own each day: rows of a day are alike, as in life.
    a = rng.normal(size=n) + 0.3 * rng.normal()
    shop = rng.choice(np.array(["n", "s", "w"], dtype=object), n, p=[0.5, 0.3, 0.2])
    return {"a": a, "b": 0.8 * a + 0.6 * rng.normal(size=n), "shop": shop}


def likely(columns: Cells) -> np.ndarray:
    yes = 1.0 / (1.0 + np.exp(-1.2 * columns["a"]))
    return np.column_stack([1.0 - yes, yes])


def joined(parts: list[Cells]) -> Cells:
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


@pytest.fixture(scope="module")
def world() -> tuple[Reference, Learnt]:
    parts = [cells(np.random.default_rng([0, day]), A_DAY) for day in range(DAYS)]
    whole = joined(parts)
    scores = likely(whole)
    made = profile(
        whole, bins_for(whole, SIGNATURE), scores=scores, score_bins=score_bins(SIGNATURE, scores), end=DAYS * DAY
    )
    times = np.repeat(np.arange(DAYS) * DAY, A_DAY) + np.tile(np.arange(A_DAY) * DAY / A_DAY, DAYS)
    curve = (tuple(np.linspace(0, 1, 5)), tuple(np.linspace(1.0, 0.0, 5)[::-1]))
    taught = Estimation("cbpe", len(times), curves=(curve,))
    return Reference(made, estimation=taught), Learnt(whole, times, timed=True, bundle="b")


def seen_of(world: tuple[Reference, Learnt], columns: Cells, day: int = DAYS + 3, memory: Any = None) -> Seen:
    reference, learnt = world
    n = len(columns["a"])
    scores = likely(columns)
    live = profile(columns, [c.bins for c in reference.profile.columns])
    truth = np.where(np.random.default_rng(day).random(n) < scores[:, 1], "yes", "no").astype(object)
    times = day * DAY + np.arange(n) * DAY / n
    return Seen(
        window=Window("m", day, day * DAY, (day + 1) * DAY, rows=n, bundle="b", state="closed"), profile=live,
        reference=reference, thresholds=calibrate(reference, SETTINGS), settings=SETTINGS, signature=SIGNATURE,
        rows=Rows(columns, times, scores, labels=truth, labelled=np.ones(n, dtype=bool)), learnt=learnt, memory=memory,
    )  # fmt: skip


def found_by(name: str, seen: Seen) -> list[Any]:
    return list(variant("window_check", name)().look(seen, ALLOWED))


def of(check: str, findings: list[Any]) -> list[Any]:
    return [f for f in findings if f.check == check]


def drifted(change: Callable[[Cells], None], n: int = A_DAY, seed: int = 5) -> Cells:
    columns = cells(np.random.default_rng(seed), n)
    change(columns)
    return columns


@pytest.mark.parametrize("windows", [25, pytest.param(400, marks=pytest.mark.long)])
def test_quiet_windows_are_quiet_as_often_as_was_allowed_for(world: tuple[Reference, Learnt], windows: int) -> None:
    memory: Any = None
    alarms = 0
    for day in range(windows):
        seen = seen_of(world, cells(np.random.default_rng([1, day]), A_DAY), DAYS + day, memory)
        alarms += bool([f for f in found_by("together", seen) if f.severity != "info"])
        memory = seen.kept[0]
    assert alarms <= windows * ALLOWED + 1.96 * np.sqrt(windows * ALLOWED)


def test_rows_are_told_from_those_learned_from_by_the_levels_that_are_expected_now(
    world: tuple[Reference, Learnt],
) -> None:
    """A person says that a new level is right: what was kept of the training rows was by the levels before."""
    reference, learnt = world
    learnt = dataclasses.replace(learnt, held={})
    columns = cells(np.random.default_rng(7), A_DAY)
    before = found_by("together", seen_of((reference, learnt), columns))
    whole = reference.profile
    at = [c.bins.name for c in whole.columns].index("b")
    narrow = [0] * len(whole.columns[at].counts)
    narrow[len(narrow) // 2] = whole.columns[at].rows
    expected = msgspec.structs.replace(whole.columns[at], counts=tuple(narrow))
    amended = msgspec.structs.replace(
        reference,
        profile=msgspec.structs.replace(whole, columns=(*whole.columns[:at], expected, *whole.columns[at + 1 :])),
    )
    found_by("together", seen_of((amended, learnt), columns))
    assert found_by("together", seen_of((reference, learnt), columns)) == before


def test_rows_that_moved_are_told_apart_by_what_moved(world: tuple[Reference, Learnt]) -> None:
    def moved(columns: Cells) -> None:
        columns["b"] += 3.0

    (finding,) = of("together", found_by("together", seen_of(world, drifted(moved))))
    assert finding.severity == "warning"
    assert finding.causes[0].name == "b"
    assert finding.low < finding.size < finding.high
    assert finding.size > finding.evidence["limit"] > finding.evidence["usual"]
    assert "rows can be told from those learned from" in finding.message


def test_columns_that_go_together_no_longer_are_named(world: tuple[Reference, Learnt]) -> None:
    def parted(columns: Cells) -> None:
        columns["b"] = np.random.default_rng(9).permutation(columns["b"])

    found = of("correlation", found_by("together", seen_of(world, drifted(parted))))
    assert [f.columns for f in found] == [("a", "b")]
    assert found[0].size == pytest.approx(-0.8, abs=0.35)
    assert found[0].low < found[0].size < found[0].high < 0.0


def test_a_slice_is_named_though_the_whole_hardly_moved(world: tuple[Reference, Learnt]) -> None:
    def one_shop(columns: Cells) -> None:
        columns["b"][columns["shop"] == "n"] += 4.0

    seen = seen_of(world, drifted(one_shop, n=4 * A_DAY))
    found = [f for f in found_by("together", seen) if f.check in {"slice_drift", "slice_shift"}]
    assert {f.segment for f in found} == {"shop = 'n'"}
    assert found[0].columns == ("shop = 'n'", "b")
    causes = slice_causes(seen, "b")
    assert [c.name for c in causes] == ["shop = 'n'"]
    assert causes[0].kind == "slice"
    assert causes[0].weight > 0.5


def test_a_slice_that_grew_is_named(world: tuple[Reference, Learnt]) -> None:
    def more(columns: Cells) -> None:
        columns["shop"][:] = np.where(np.arange(len(columns["shop"])) % 2 == 0, "w", columns["shop"])

    found = found_by("together", seen_of(world, drifted(more, n=3 * A_DAY)))
    assert "slice_share" in {f.check for f in found}
    assert "shop = 'w'" in {f.segment for f in found}


def test_a_reference_too_short_informs_at_most(world: tuple[Reference, Learnt]) -> None:
    reference, learnt = world
    few = 2 * FEWEST_STRETCHES + 4

    def cut(days: int) -> tuple[Reference, Learnt]:
        keep = slice(0, days * A_DAY)
        return reference, Learnt({n: c[keep] for n, c in learnt.columns.items()}, learnt.times[keep], True, bundle="b")

    def moved(columns: Cells) -> None:
        columns["b"] += 3.0

    assert {f.severity for f in found_by("together", seen_of(cut(few), drifted(moved)))} == {"info"}
    assert stretches_of(seen_of(cut(FEWEST_STRETCHES - 2), drifted(moved))) is None


def test_without_rows_that_were_learned_from_nothing_is_said(world: tuple[Reference, Learnt]) -> None:
    seen = dataclasses.replace(seen_of(world, cells(np.random.default_rng(0), A_DAY)), learnt=None)
    assert found_by("together", seen) == []


def test_windows_that_spoke_do_not_make_the_limit_narrower_nor_wider(world: tuple[Reference, Learnt]) -> None:
    seen = seen_of(world, cells(np.random.default_rng(0), A_DAY))
    values = np.random.default_rng(1).normal(size=60)
    before = usual_of(values, seen, 0.05)
    spoke = dataclasses.replace(seen, memory=remembered(seen, 99.0, quiet=False))
    after = usual_of(values, spoke, 0.05)
    assert spoke.memory == {"bundle": "b", "largest": [], "excluded": 1}
    assert after.limit >= before.limit
    assert after.limit < 99.0


def test_the_kind_of_a_shift_is_said_of_a_reference_whose_answers_were_put_on_a_curve(
    world: tuple[Reference, Learnt],
) -> None:
    def inputs(columns: Cells) -> None:
        columns["a"] += 1.0

    seen = seen_of(world, drifted(inputs, n=900))
    (finding,) = found_by("shifts", seen)
    assert finding.check == "shift_covariate"
    (told,) = [one for one in seen.told if one.check == "shift"]
    assert (told.key, told.judged.speaks, told.judged.why) == ("covariate", True, finding.message)
    assert finding.severity == "info"
    assert "the inputs moved and mean what they meant" in finding.message


def test_the_kind_of_a_shift_of_more_classes_is_said_not_to_be_told(
    world: tuple[Reference, Learnt], capsys: pytest.CaptureFixture[str]
) -> None:
    seen = seen_of(world, cells(np.random.default_rng(0), A_DAY))
    three = msgspec.structs.replace(seen.signature, classes=("no", "maybe", "yes"), positive="")
    seen = dataclasses.replace(seen, signature=three, told=[])
    assert found_by("shifts", seen) == []
    ((why, value),) = [(one.judged.why, one.judged.value) for one in seen.told if one.check == "shift"]
    assert why == "not told: of two classes alone, this model has 3; look at columns and metrics"
    assert np.isnan(value)
    line = {"check": "shift", "key": "", "value": None, "limit": None, "usual": None, "speaks": False, "why": why}
    window = {"index": 1, "start": 0.0, "end": 60.0, "rows": 5, "state": "scored", "calibration": "", "left_out": 0}
    tell_window({**window, "lines": [line]})
    assert f"Kind of shift: {why}." in " ".join(capsys.readouterr().out.split())
