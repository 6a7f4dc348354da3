"""Causes, first minutes and costs against tables of which the truth is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract import records
from fairlead.contract.events import Finding, Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.ops.monitor import calibrate
from fairlead.ops.monitor.beginnings import change_of_codes, change_of_level
from fairlead.ops.monitor.blame import carriers, changed_part, codes_of, counts_of, drawn_from, explained_loss
from fairlead.ops.monitor.causes import explain
from fairlead.ops.monitor.promise import start, step
from fairlead.ops.monitor.seen import Rows, Seen

MINUTE = 60.0
SIGNATURE = Signature(
    "classification", (Column("x", "number"), Column("z", "number"), Column("kind", "category")), target="y",
    classes=("no", "yes"), positive="yes",
)  # fmt: skip
SETTINGS = Settings(model=ModelSettings(name="m", task="classification", target="y"))


def world(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    kinds = np.array(["a", "b", "c"], dtype=object)[rng.choice(3, rows, p=[0.6, 0.3, 0.1])]
    return {"x": rng.normal(0, 1, rows), "z": rng.normal(5, 2, rows), "kind": kinds}


def answers(columns: Any) -> np.ndarray:
    """A model that looks at x alone."""
    chance = 1.0 / (1.0 + np.exp(-2.0 * np.nan_to_num(columns["x"])))
    return np.column_stack([1.0 - chance, chance])


REFERENCE_ROWS = world(8000, 0)
BINS = bins_for(REFERENCE_ROWS, SIGNATURE)
REFERENCE = Reference(profile(REFERENCE_ROWS, BINS))
USUAL = {c.bins.name: c for c in REFERENCE.profile.columns}


def seen(columns: dict[str, np.ndarray], passed: dict[str, np.ndarray] | None = None, **more: Any) -> Seen:
    rows = len(columns["x"])
    times = np.arange(rows) * MINUTE
    told = Rows(columns, times, scores=answers(columns), passed=passed or {}, **more.pop("rows", {}))
    window = Window("m", 3, 0.0, rows * MINUTE, rows=rows, state="closed")
    given: dict[str, Any] = {"importance": {"x": 0.9, "z": 0.05, "kind": 0.05}, **more}
    return Seen(
        window, profile(columns, BINS), REFERENCE, calibrate(REFERENCE, SETTINGS), SETTINGS, SIGNATURE, told, **given
    )


def found(area: Any, *columns: str, **more: Any) -> Finding:
    told: dict[str, Any] = {
        "check": "drift", "since": 0.0, "size": 0.3, "low": 0.2, "high": 0.4, "unit": "distance", "message": "moved",
    }  # fmt: skip
    return Finding("f", "m", area, window=3, columns=columns, **{**told, **more})


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_first_affected_minute_is_found(share: float) -> None:
    missed = []
    for seed in range(20):
        columns = world(1000, seed + 1)
        at = int(1000 * share)
        columns["x"][at:] *= 1000.0
        first = change_of_codes(
            np.arange(1000) * MINUTE, codes_of(columns["x"], USUAL["x"].bins), counts_of(USUAL["x"])
        )
        assert first is not None
        missed.append(abs(first / MINUTE - at))
    assert np.median(missed) <= 1
    assert max(missed) <= 15


def test_where_nothing_changed_no_minute_is_named() -> None:
    times = np.arange(1000) * MINUTE
    named = 0
    for seed in range(200):
        columns = world(1000, seed + 1000)
        named += sum(
            change_of_codes(times, codes_of(columns[name], USUAL[name].bins), counts_of(USUAL[name])) is not None
            for name in columns
        )
    assert named <= 30, "of 600, at most 5 %"


def test_a_mean_that_rises_is_dated() -> None:
    rng = np.random.default_rng(0)
    losses = np.r_[rng.beta(2, 8, 400), rng.beta(4, 4, 200)]
    first = change_of_level(np.arange(600) * MINUTE, losses, 0.2)
    assert first is not None
    assert abs(first / MINUTE - 400) <= 20
    assert change_of_level(np.arange(400) * MINUTE, losses[:400], 0.2) is None
    assert change_of_level(np.arange(0), losses[:0], 0.2) is None


def test_the_source_that_sends_wrong_cells_is_named_and_no_other() -> None:
    columns = world(1200, 5)
    callers = np.array([f"till {n % 4}" for n in range(1200)], dtype=object)
    shops = np.array([f"shop {n % 7}" for n in range(1200)], dtype=object)
    wrong = (callers == "till 2") & (np.arange(1200) >= 300)
    columns["x"][wrong] = np.nan
    passed = {records.CALLER: callers, "pass.shop": shops, records.REQUEST: np.arange(1200).astype(object)}
    (told,) = explain([found("quality", "x", check="missing")], seen(columns, passed), answers)
    assert [(c.kind, c.name) for c in told.causes] == [("source", "caller till 2")]
    assert told.causes[0].weight > 0.9
    assert told.first is not None
    assert abs(told.first / MINUTE - 302) <= 4


def test_sources_are_not_named_by_chance() -> None:
    named = 0
    for seed in range(100):
        columns = world(600, seed + 50)
        columns["x"] += 0.7
        rng = np.random.default_rng(seed)
        passed = {f"pass.{n}": rng.choice(np.array(["p", "q", "r"], dtype=object), 600) for n in range(3)}
        blame = changed_part(codes_of(columns["x"], USUAL["x"].bins), counts_of(USUAL["x"]))
        named += len(carriers(passed, blame))
    assert named == 0


def test_a_new_version_that_loses_more_is_named() -> None:
    columns = world(1000, 9)
    rng = np.random.default_rng(1)
    truth = np.where(rng.random(1000) < answers(columns)[:, 1], "yes", "no").astype(object)
    variants = np.array(["champion", "challenger"], dtype=object)[(np.arange(1000) % 4 == 0).astype(int)]
    scores = answers(columns)
    scores[variants == "challenger"] = scores[variants == "challenger"][:, ::-1]
    promised = step(start([0.1, 0.11, 0.1, 0.09, 0.1, 0.11, 0.1, 0.1]), 0.3, 1000, 0.0)
    labels = {"labels": truth, "labelled": np.ones(1000, dtype=bool)}
    about = seen(columns, {records.VARIANT: variants}, step=promised, rows=labels)
    rows = Rows(columns, about.rows.times, scores, about.rows.passed, **labels)  # type: ignore[union-attr]
    (told,) = explain(
        [found("performance", check="promise", size=0.2, low=0.1, high=0.3)], dataclasses.replace(about, rows=rows)
    )
    assert [(c.kind, c.name) for c in told.causes[:1]] == [("version", "variant challenger")]
    assert told.cost is not None
    assert (told.cost.value, told.cost_in) == (0.2, "loss a row")


def test_performance_names_the_column_that_moved_and_matters() -> None:
    columns = world(1000, 3)
    columns["x"] += 1.5
    columns["z"] += 9.0
    (told,) = explain([found("performance", check="promise")], seen(columns))
    assert [(c.kind, c.name) for c in told.causes] == [("column", "x"), ("column", "z")]
    assert "carries 90% of the answer" in told.causes[0].why
    assert sum(c.weight for c in told.causes) == pytest.approx(1.0, abs=0.01)


def test_performance_that_fell_while_no_column_moved_is_another_concept() -> None:
    (told,) = explain([found("performance", check="promise")], seen(world(1000, 4)))
    assert [(c.kind, c.name) for c in told.causes] == [("time", "concept")]


def test_a_season_that_was_never_held_out_is_not_taken_for_a_changed_concept_with_certainty() -> None:
    columns = world(1000, 4)
    about = seen(columns)
    away = profile({**columns, "x": columns["x"] + 9.0}, BINS).columns[0]
    reference = msgspec.structs.replace(
        REFERENCE, profile=msgspec.structs.replace(REFERENCE.profile, scores=(USUAL["x"],))
    )
    far = dataclasses.replace(
        about, profile=msgspec.structs.replace(about.profile, scores=(away,)), reference=reference
    )
    (told,) = explain([found("performance", check="promise")], far)
    (cause,) = told.causes
    assert (cause.kind, cause.name, cause.weight) == ("time", "concept", 0.5)
    assert "shares only" in cause.why


def test_columns_that_change_in_one_minute_have_one_source() -> None:
    columns = world(1000, 6)
    columns["x"][500:], columns["z"][500:] = np.nan, np.nan
    both = explain(
        [found("quality", "x", check="missing"), found("quality", "z", check="missing")], seen(columns), answers
    )
    named = {(c.kind, c.name) for f in both for c in f.causes}
    assert named == {("upstream", "of x, z")}


def test_the_cost_of_wrong_cells_covers_what_they_cost() -> None:
    """Truth follows the cells as they should have been; the model gets noise in a third of them."""
    covered, costs = 0, []
    for seed in range(60):
        columns = world(1500, seed + 300)
        wrong = np.arange(1500) % 3 == 0
        # The mean answer over usual cells is what the truth follows.
        broken = {**columns, "x": np.where(wrong, 40.0, columns["x"])}
        (told,) = explain([found("quality", "x", check="out_of_range")], seen(broken), answers)
        assert told.cost is not None
        usual = answers({"x": np.random.default_rng(7).normal(0, 1, 20_000)})[:, 1].mean()
        true = wrong.mean() * (answers({"x": np.array([40.0])})[0, 1] - usual) ** 2
        covered += told.cost.low <= true <= told.cost.high
        costs.append(told.cost.value)
    assert np.mean(costs) == pytest.approx(true, rel=0.1)
    assert covered >= 52, f"of 60, in 95 % intervals; costs {np.mean(costs):.3f} for {true:.3f}"


def test_what_a_new_mix_explains_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(2, 4000, p=[0.2, 0.8])
    losses = np.where(codes == 1, 0.5, 0.1) + rng.normal(0, 0.05, 4000)
    usual = np.array([800.0, 200.0])
    assert explained_loss(losses, codes, usual, promised=0.18) == pytest.approx(1.0, abs=0.05)
    assert explained_loss(losses + 0.3, codes, usual, promised=0.18) == pytest.approx(0.44, abs=0.05)
    assert explained_loss(losses, np.ones(4000, dtype=np.int64), np.array([900.0, 100.0]), 0.18) is None, "no overlap"


def test_cells_are_drawn_as_the_reference_has_them() -> None:
    for name, column in USUAL.items():
        cells = drawn_from(column, 20_000, np.random.default_rng(0))
        drawn = np.bincount(codes_of(cells, column.bins), minlength=len(column.counts) + 1) / 20_000
        assert np.abs(drawn - counts_of(column) / counts_of(column).sum()).max() < 0.01, name


def test_empty_and_tiny_windows_are_left_as_they_are() -> None:
    for rows in (0, 1, 3):
        columns = world(rows, 1)
        one = found("quality", "x", check="missing")
        (told,) = explain([one], seen(columns), answers)
        assert (told.causes, told.first, told.cost) == ((), None, None)
    no_rows = seen(world(50, 1))
    import dataclasses

    assert explain([found("quality", "x")], dataclasses.replace(no_rows, rows=None)) == [found("quality", "x")]


def labelled(columns: dict[str, np.ndarray], chance: np.ndarray, seed: int = 2, before: float = 0.13) -> Seen:
    """A window whose truth follows `chance`, after windows that lost about `before`."""
    truth = np.where(np.random.default_rng(seed).random(len(chance)) < chance, "yes", "no").astype(object)
    promised = step(start([before, before + 0.01, before] * 3), 0.4, len(chance), 0.0)
    return seen(columns, step=promised, rows={"labels": truth, "labelled": np.ones(len(chance), dtype=bool)})


def test_a_sensor_that_matters_little_is_not_blamed_for_a_changed_concept() -> None:
    columns = world(1200, 8)
    columns["z"][300:] = 5.0
    # The world turned round: what x meant for the target it means no more.
    (told,) = explain([found("performance", check="promise")], labelled(columns, answers(columns)[:, 0]), answers)
    weights = {(c.kind, c.name): c.weight for c in told.causes}
    assert weights["column", "z"] < 0.1
    assert weights["time", "concept"] > 0.9


def test_a_sensor_that_matters_is_blamed_for_the_loss_that_it_causes() -> None:
    columns = world(1200, 8)
    chance = answers(columns)[:, 1]
    columns["x"] = np.where(np.arange(1200) >= 300, 3.0, columns["x"])
    (told,) = explain([found("performance", check="promise")], labelled(columns, chance), answers)
    (first, *_) = told.causes
    assert (first.kind, first.name) == ("column", "x")
    assert first.weight > 0.5
    assert ("time", "concept") not in {(c.kind, c.name) for c in told.causes}


def test_what_was_so_from_the_first_row_on_did_not_begin_together() -> None:
    columns = world(1000, 6)
    columns["x"] += 2.0
    columns["z"] += 4.0
    told = explain([found("data_drift", "x"), found("data_drift", "z")], seen(columns), answers)
    assert not [c for f in told for c in f.causes if c.kind == "upstream"]
