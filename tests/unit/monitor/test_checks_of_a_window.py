"""Drift and quality: calibrated in blocks, silent on what is usual, told once while it lasts."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import HeldOut, Profile, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile, total
from fairlead.ops.monitor import Seen, Thresholds, Traffic, calibrate, carry, check_drift, check_quality, start, step
from fairlead.ops.monitor.checks.promised import Promised
from fairlead.ops.monitor.performance import check_performance
from fairlead.ops.monitor.seen import Told

DAY = 86_400.0
ROWS = 40
SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("income", "number"), Column("age", "integer"), Column("region", "category", categories=("n", "s", "w")),
    ),
)  # fmt: skip
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", time="at"), monitor=MonitorSettings(window="7d")
)


def rows(rng: np.random.Generator, n: int, level: float = 0.0, shift: float = 0.0) -> dict[str, Any]:
    """level: of the day, as everyday variation; shift: of the income, as drift."""
    return {
        "income": rng.normal(level + shift, 1.0, n),
        "age": rng.integers(18, 80, n).astype(float),
        "region": rng.choice(np.array(["n", "s", "w"], dtype=object), n, p=[0.5, 0.3, 0.2]),
    }


def reference_of(days: int, seed: int, vary: float = 0.0) -> Reference:
    """A reference of day blocks; days vary by an autocorrelated level when asked for."""
    rng = np.random.default_rng(seed)
    level, parts = 0.0, []
    for _ in range(days):
        level = 0.8 * level + vary * rng.normal()
        parts.append(rows(rng, ROWS, level))
    whole = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    bins = bins_for(whole, SIGNATURE)
    blocks = tuple(profile(p, bins, start=i * DAY, end=(i + 1) * DAY - 1.0, gram=False) for i, p in enumerate(parts))
    return Reference(profile=total(blocks), blocks=blocks)


def week(reference: Reference, columns: dict[str, Any], start: float = 0.0) -> Profile:
    """A window in the reference's bins."""
    bins = [c.bins for c in reference.profile.columns]
    return profile(columns, bins, start=start, end=start + 7 * DAY, gram=False)


def test_few_blocks_are_calibrating_and_say_so() -> None:
    thresholds = calibrate(reference_of(20, 0), SETTINGS)
    assert thresholds.calibrating
    assert "calibrating" in thresholds.why
    reference = reference_of(20, 0)
    moved = week(reference, rows(np.random.default_rng(1), 280, shift=3.0))
    assert check_drift(moved, reference, thresholds) == []


def test_thresholds_survive_a_restart() -> None:
    thresholds = calibrate(reference_of(100, 0), SETTINGS)
    assert msgspec.json.decode(msgspec.json.encode(thresholds), type=Thresholds) == thresholds


def test_a_moved_column_is_found_and_named() -> None:
    reference = reference_of(100, 0)
    thresholds = calibrate(reference, SETTINGS)
    live = week(reference, rows(np.random.default_rng(1), 280, shift=1.0), start=100 * DAY)
    found = check_drift(live, reference, thresholds, model="m", window=3)
    assert [f.columns for f in found] == [("income",)]
    assert found[0].low <= found[0].size <= found[0].high
    assert found[0].evidence["shift"] == pytest.approx(1.0, abs=0.2)
    assert found[0].since == 100 * DAY


def test_what_the_model_does_not_use_informs_only() -> None:
    reference = reference_of(100, 0)
    live = week(reference, rows(np.random.default_rng(1), 280, shift=1.0))
    found = check_drift(live, reference, calibrate(reference, SETTINGS), {"income": 0.0, "age": 1.0})
    assert [f.severity for f in found] == ["info"]


def alarms_per_30(vary: float, copies: int = 12, weeks: int = 30) -> float:
    """Windows with any finding, of windows made as the reference is."""
    alarmed = 0
    for seed in range(copies):
        reference = reference_of(140, seed, vary)
        thresholds = calibrate(reference, SETTINGS)
        rng = np.random.default_rng(seed)
        for w in range(weeks):
            parts, level = [], 0.0
            for _ in range(7):
                level = 0.8 * level + vary * rng.normal()
                parts.append(rows(rng, ROWS, level))
            live = week(reference, {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, w * 7 * DAY)
            found = check_drift(live, reference, thresholds) + check_quality(live, reference, thresholds)
            alarmed += bool(found)
    return 30.0 * alarmed / (copies * weeks)


def test_at_most_half_an_input_alarm_in_thirty_windows_when_nothing_changes() -> None:
    assert alarms_per_30(vary=0.0) <= 0.5


def test_everyday_variation_between_days_is_no_alarm() -> None:
    # A row-wise test at the same budget alarms in most of these windows.
    assert alarms_per_30(vary=0.3) <= 1.0


def test_missing_cells_new_categories_and_strange_values_are_found() -> None:
    reference = reference_of(100, 0)
    thresholds = calibrate(reference, SETTINGS)
    columns = rows(np.random.default_rng(1), 280)
    columns["income"][:60] = np.nan
    columns["age"][0] = 900.0
    columns["region"][:50] = "elsewhere"
    found = {(f.check, f.columns) for f in check_quality(week(reference, columns), reference, thresholds)}
    assert {("missing", ("income",)), ("out_of_range", ("age",)), ("new_category", ("region",))} <= found


def test_volume_and_silence() -> None:
    reference = reference_of(100, 0)
    thresholds = calibrate(reference, SETTINGS)
    usual = Traffic(earlier=(280, 290, 270, 285, 275, 281, 279, 283))
    live = week(reference, rows(np.random.default_rng(1), 280))
    assert check_quality(live, reference, thresholds, usual) == []
    few = week(reference, rows(np.random.default_rng(1), 60))
    assert [f.check for f in check_quality(few, reference, thresholds, usual)] == ["volume"]
    none = week(reference, rows(np.random.default_rng(1), 0))
    assert [f.check for f in check_quality(none, reference, thresholds, usual)] == ["fresh"]
    repeated = msgspec.structs.replace(usual, duplicates=100)
    assert [f.check for f in check_quality(live, reference, thresholds, repeated)] == ["duplicates"]


def test_the_same_trouble_keeps_its_name_until_it_is_over() -> None:
    reference = reference_of(100, 0)
    thresholds = calibrate(reference, SETTINGS)

    def found(window: int, shift: float) -> list[Any]:
        live = week(reference, rows(np.random.default_rng(window), 280, shift=shift), window * 7 * DAY)
        told = check_quality(live, reference, thresholds, model="m", window=window)
        return told + check_drift(live, reference, thresholds, model="m", window=window)

    first = carry([], found(1, 1.0))
    second = carry(first.started, found(2, 1.0))
    third = carry(second.continuing, found(3, 0.0))
    assert [f.id for f in first.started] == [f.id for f in second.continuing]
    assert second.started == []
    assert second.continuing[0].since == 7 * DAY
    assert [f.id for f in third.ended] == [f.id for f in first.started]


def test_a_metric_alarms_in_the_bad_direction_alone() -> None:
    held = tuple(HeldOut(i, i + 1, 500, 0.1, {"accuracy": 0.9 + 0.005 * (i % 3), "brier": 0.1}) for i in range(10))
    reference = msgspec.structs.replace(reference_of(10, 0), held_out=held)

    def checked(accuracy: float) -> list[str]:
        metrics = {"accuracy": Interval(accuracy, accuracy - 0.02, accuracy + 0.02)}
        return [f.check for f in check_performance(metrics, reference, model="m", window=0, start=0.0)]

    assert checked(0.7) == ["metric:accuracy"]
    assert checked(0.9) == []
    assert checked(1.0) == []


def test_a_metric_of_few_labels_is_worse_by_chance_more_often_than_one_of_a_held_out_window() -> None:
    rng = np.random.default_rng(8)
    spoke = {84: 0, 420: 0, 0: 0}
    for _ in range(60):
        accuracies = rng.binomial(420, 0.8, 16) / 420
        held = tuple(HeldOut(i, i + 1, 420, 0.1, {"accuracy": float(a)}) for i, a in enumerate(accuracies))
        reference = msgspec.structs.replace(reference_of(10, 0), held_out=held)
        for labels, value in ((84, rng.binomial(84, 0.8) / 84), (420, 0.64), (0, 0.64)):
            half = 1.96 * np.sqrt(0.16 / max(labels, 84))
            told = check_performance(
                {"accuracy": Interval(value, value - half, value + half)}, reference, model="m", window=0, start=0.0,
                labelled=labels,
            )  # fmt: skip
            spoke[labels] += len(told)
    assert spoke[84] <= 2, "nothing happened"
    assert spoke[420] == spoke[0] == 60, "eight deviations less, of as many labels"


def test_a_loss_without_an_upper_end_varies_further_up_than_down() -> None:
    rng = np.random.default_rng(9)
    quiet = found = 0
    for _ in range(600):
        errors = 3000.0 * np.exp(0.5 * rng.normal(size=17))
        held = tuple(
            HeldOut(i, i + 1, 168, 0.1, {"mse": float(e), "r2": 1.0 - float(e) / 100_000.0})
            for i, e in enumerate(errors[:-1])
        )
        reference = msgspec.structs.replace(reference_of(10, 0), held_out=held)

        def told(mse: float, reference: Reference = reference) -> int:
            now = {"mse": mse, "r2": 1.0 - mse / 100_000.0}
            metrics = {name: Interval(value, value, value) for name, value in now.items()}
            return len(check_performance(metrics, reference, model="m", window=0, start=0.0))

        quiet += bool(told(float(errors[-1])))
        found += told(60_000.0) == 2
    assert quiet <= 4
    assert found >= 570


def test_a_share_that_few_rows_explain_is_no_finding() -> None:
    # A quiet window of 60 rows: 10 missing cells are what chance may give where 1 in 10 is usual.
    rng = np.random.default_rng(3)
    columns = rows(rng, ROWS * 90)
    columns["income"][rng.random(ROWS * 90) < 0.1] = np.nan
    bins = bins_for(columns, SIGNATURE)
    whole = profile(columns, bins, gram=False)
    reference = Reference(profile=whole, blocks=(whole,))
    few = rows(np.random.default_rng(4), 60)
    few["income"][:10] = np.nan
    by_rows = msgspec.structs.replace(SETTINGS, monitor=MonitorSettings(window="500rows"))
    thresholds = calibrate(reference, by_rows)
    assert thresholds.shares["income"].missing < 10 / 60
    assert not check_quality(week(reference, few), reference, thresholds)
    few["income"][:30] = np.nan
    assert [f.check for f in check_quality(week(reference, few), reference, thresholds)][:1] == ["missing"]


def test_more_categories_than_are_counted_are_told_apart_from_new_ones() -> None:
    rng = np.random.default_rng(5)
    many = Signature(task="classification", columns=(Column("city", "category"),))
    names = np.array([f"city {i}" for i in range(400)], dtype=object)
    columns = {"city": rng.choice(names, 4000)}
    whole = profile(columns, bins_for(columns, many), gram=False)
    reference = Reference(profile=whole, blocks=(whole,))
    bins = [c.bins for c in whole.columns]
    thresholds = calibrate(reference, SETTINGS)
    again = profile({"city": rng.choice(names, 500)}, bins, gram=False)
    assert not [f for f in check_quality(again, reference, thresholds) if f.check == "new_category"]
    elsewhere = profile({"city": np.array(["elsewhere"] * 500, dtype=object)}, bins, gram=False)
    found = [f for f in check_quality(elsewhere, reference, thresholds) if f.check == "new_category"]
    assert "usually" in found[0].message


def why_promised(held_out: list[float], losses: list[float]) -> Told:
    """What `watch --explain` is told of the promise after these windows."""
    done = step(start(held_out), losses[0], 500, 0.0)
    for at, loss in enumerate(losses[1:], start=1):
        done = step(done.promise, loss, 500, float(at))
    reference = reference_of(8, seed=1)
    live = week(reference, rows(np.random.default_rng(0), ROWS))
    window = Window("m", 3, 0.0, 7 * DAY, rows=ROWS, state="scored")
    seen = Seen(window, live, reference, calibrate(reference, SETTINGS), SETTINGS, SIGNATURE, step=done)
    Promised().look(seen, 0.01)
    (told,) = seen.told
    return told


def test_it_is_explained_why_the_promise_spoke_or_was_silent_and_what_it_rests_on() -> None:
    rng = np.random.default_rng(2)
    quiet = why_promised(rng.normal(0.1, 0.01, 16).tolist(), rng.normal(0.1, 0.01, 8).tolist())
    assert (quiet.check, quiet.unit, quiet.judged.speaks) == ("promise", "evidence", False)
    assert quiet.judged.value < quiet.judged.limit == 30.0
    assert quiet.judged.why.startswith("within what was promised; mean loss 0.0999 promised, 0.1041 now")
    assert quiet.judged.why.endswith(" in 24 windows")
    broken = why_promised(rng.normal(0.1, 0.01, 16).tolist(), rng.normal(0.2, 0.01, 8).tolist())
    assert broken.judged.speaks
    assert broken.judged.value > broken.judged.limit
    assert broken.judged.why.startswith("the loss is higher than was promised")
    learning = why_promised([0.1] * 3, [0.1])
    assert learning.judged.why.startswith("calibrating: 4 of 8 windows that it needs")
    slow = why_promised((0.1 + 0.01 * np.sin(np.arange(16) / 3.0)).tolist(), [0.1] * 4)
    assert "they depend on the window before, which the promise does not know" in slow.judged.why
