"""Estimates, corrections and detectors of performance keep what they say: a sample of the simulations, fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.estimates import (
    SEASONS,
    chances,
    estimated,
    estimated_alarms,
    false_alarms,
    power,
    reasons,
    selected,
)
from benchmarks.worlds import CLASSES, NUMBERS, drawn, reference_of

from fairlead.lab.stats import losses
from fairlead.ops.monitor.detectors.confidence_sequence import ConfidenceSequence
from fairlead.ops.monitor.estimates import estimates
from fairlead.ops.monitor.selection import bounds_of, selection_of

ALLOWED = 1 / 43


@pytest.mark.parametrize("signature", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_intervals_hold_what_labels_show_with_and_without_a_shift_of_inputs(signature) -> None:
    for shift, least in ((0.0, 0.88), (0.5, 0.85)):
        for name, told in estimated(signature, 300, shift=shift, worlds=6, each=10).items():
            assert told.covered >= least, (name, shift, told)


def test_what_inputs_mean_cannot_be_seen_without_labels() -> None:
    before = estimated(CLASSES, 400, worlds=3, each=6)["accuracy"]
    after = estimated(CLASSES, 400, concept=0.1, worlds=3, each=6)["accuracy"]
    assert abs(before.bias) < 0.02
    assert after.bias > 0.07, "a change of ten error points is missed, whole"


def test_too_little_held_out_says_nothing_rather_than_something() -> None:
    rng = np.random.default_rng(0)
    short = reference_of(CLASSES, drawn(CLASSES, rng, 300), 3)
    now = drawn(CLASSES, rng, 200)
    assert estimates(short, CLASSES, now.columns, now.scores) == {}
    known = reference_of(CLASSES, drawn(CLASSES, rng, 3000), 10)
    few = now.take(np.arange(20))
    assert estimates(known, CLASSES, few.columns, few.scores) == {}
    hidden = np.full_like(now.scores, np.nan)
    assert estimates(known, CLASSES, now.columns, hidden) == {}
    without = {"a": now.columns["a"]}
    assert "accuracy" in estimates(known, CLASSES, without, now.scores), "columns that are not there count as missing"


def test_changes_of_concept_are_found_soon_and_nothing_else_alarms() -> None:
    assert power(ConfidenceSequence, concept=0.1, worlds=3, rows=300).share == 1.0
    found = power(ConfidenceSequence, concept=0.05, worlds=5, within=6)
    assert found.share >= 0.8
    assert found.delay <= 6
    # Months of 43 windows, of which one window may alarm.
    assert false_alarms(ConfidenceSequence, worlds=2) <= ALLOWED
    assert false_alarms(ConfidenceSequence, worlds=2, shift=0.5) <= 2.0 * ALLOWED


def test_a_change_is_explained_by_inputs_or_not_and_seldom_wrongly() -> None:
    assert reasons(shift=0.0, concept=0.1, worlds=4)["concept"] >= 0.75
    assert reasons(shift=0.5, concept=0.0, worlds=5).get("concept", 0.0) <= 0.2


@pytest.mark.parametrize("kind", ["random", "score", "decision", "outcome"])
def test_labels_are_corrected_where_that_mends_and_bounded_where_nothing_does(kind: str) -> None:
    told = selected(kind, worlds=5)
    wanted = {"random": "as labelled", "score": "corrected", "decision": "bounds", "outcome": "bounds"}[kind]
    assert told.how.get(wanted, 0.0) >= 0.8
    if kind == "score":
        assert told.corrected < 0.5 * told.naive
        assert told.covered >= 0.8


def test_whose_labels_came_is_said_in_words_with_the_rows_they_are_worth() -> None:
    rng = np.random.default_rng(3)
    reference = reference_of(CLASSES, drawn(CLASSES, rng, 3600), 12)
    now = drawn(CLASSES, rng, 1000)
    labelled = rng.random(1000) < chances("score", now)
    told = selection_of(
        reference, CLASSES, now.columns, now.scores, np.arange(1000.0), now.truth, labelled
    )  # fmt: skip
    assert told.how == "corrected"
    assert "yes" in told.by or "no" in told.by
    assert abs(told.weights.mean() - 1.0) < 1e-9
    assert told.effective < labelled.sum()
    assert f"{told.effective:.0f}" in told.why


@pytest.mark.parametrize(("signature", "kind"), [(CLASSES, "decision"), (CLASSES, "outcome"), (NUMBERS, "decision")])
def test_bounds_hold_what_all_labels_would_have_shown(signature, kind: str) -> None:
    inside = 0
    for seed in range(4):
        rng = np.random.default_rng([seed, 29])
        reference = reference_of(signature, drawn(signature, rng, 2400), 8)
        now = drawn(signature, rng, 600)
        labelled = now.scores[:, -1] > 0.5 if kind == "decision" else now.truth == "yes"
        told = selection_of(
            reference, signature, now.columns, now.scores, np.arange(600.0), now.truth, labelled
        )  # fmt: skip
        assert told.how == "bounds"
        lost = losses(signature.task, now.truth, now.scores, signature, reference.loss_clip)
        right = (now.scores[:, -1] > 0.5) == (now.truth == "yes")
        free, stated = bounds_of(
            reference, signature, now.columns, now.scores, lost[labelled], right[labelled].astype(float), told
        )
        assert free["loss"].low - 1e-9 <= lost.mean() <= free["loss"].high + 1e-9
        assert free["loss"].low <= stated["loss"].low <= stated["loss"].high <= free["loss"].high
        inside += stated["loss"].low <= lost.mean() <= stated["loss"].high
        if signature is CLASSES:
            assert free["accuracy"].low <= right.mean() <= free["accuracy"].high
    assert inside >= 3, "the stated assumption is true here, so its bounds hold, too"


@pytest.mark.parametrize("season", ["stationary", "weekly"])
def test_estimates_are_silent_where_nothing_but_a_season_goes_on(season: str) -> None:
    told = estimated_alarms(season, worlds=1, rows=200)
    assert told.alarms == 0.0
    assert told.allowed < 0.01


@pytest.mark.parametrize("season", ["weekly, unseen", "daily, unseen"])
def test_a_weekday_or_an_hour_that_no_window_was_of_informs_and_does_not_alarm(season: str) -> None:
    told = estimated_alarms(season, worlds=4, signature=NUMBERS, first=1000)
    assert told.told > 0.01, "it is told"
    assert told.alarms == 0.0


@pytest.mark.long
@pytest.mark.parametrize("signature", [CLASSES, NUMBERS], ids=["classes", "numbers"])
@pytest.mark.parametrize("season", [name for name in SEASONS if "yearly, unseen" not in name])
def test_estimates_keep_their_share_of_the_budget_in_seasons_that_the_reference_shows(signature, season: str) -> None:
    told = estimated_alarms(season, worlds=60, signature=signature)
    windows = 60 * len(SEASONS[season].lived)
    # What chance lets one see of a rate that is allowed, in so many windows.
    assert told.alarms * windows <= told.allowed * windows + 3.0 * (told.allowed * windows) ** 0.5 + 1e-9, told


def concept_alarms(share: float, worlds: int, windows: int = 30, concept: float = 0.0) -> int:
    """Alarms that began in windows of 300 rows, of which that share is labelled, at random."""
    from benchmarks.estimates import SETTINGS, joined

    from fairlead.contract.events import Window
    from fairlead.lab.stats import profile
    from fairlead.ops.monitor import calibrate
    from fairlead.ops.monitor.checks.concept import ConceptDrift
    from fairlead.ops.monitor.seen import Rows, Seen

    check, alarms = ConceptDrift(), 0
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 47])
        reference = reference_of(CLASSES, joined([drawn(CLASSES, rng, 300) for _ in range(12)]), 12)
        thresholds, memory, before = calibrate(reference, SETTINGS), None, False
        for t in range(windows):
            now = drawn(CLASSES, rng, 300, concept=concept)
            live = profile(now.columns, [c.bins for c in reference.profile.columns], scores=now.scores,
                           score_bins=[c.bins for c in reference.profile.scores])  # fmt: skip
            rows = Rows(now.columns, np.linspace(t, t + 0.9, 300), now.scores, labels=now.truth,
                        labelled=rng.random(300) < share)  # fmt: skip
            window = Window("m", t, float(t), t + 1.0, rows=300, state="closed", bundle="b")
            seen = Seen(window, live, reference, thresholds, SETTINGS, CLASSES, rows=rows, memory=memory)
            speaks = any(f.severity != "info" for f in check.look(seen, 1.0 / 43.0))
            memory = seen.kept[0]
            alarms, before = alarms + (speaks and not before), speaks
    return alarms


def test_losses_of_a_fifth_of_the_labels_are_put_together_until_they_vary_as_held_out_windows_do() -> None:
    assert concept_alarms(0.2, worlds=3) <= 3, "one in 43 windows is allowed"
    assert concept_alarms(0.2, worlds=1, windows=20, concept=0.15) == 1, "and a change is still found"


def test_windows_before_those_held_out_say_what_is_usual_as_their_rows_would() -> None:
    from fairlead.ops.monitor.checks.estimated import highest, usual_of

    for signature in (CLASSES, NUMBERS):
        rng = np.random.default_rng(43)
        world = drawn(signature, rng, 20 * 200)
        reference = reference_of(signature, world, 12, starts=np.arange(20.0))
        found = [
            estimates(reference, signature, part.columns, part.scores)["loss"]
            for part in (world.take(np.arange(i * 200, (i + 1) * 200)) for i in range(8))
        ]
        earlier = reference.estimation.earlier
        assert [(e.start, e.end) for e in earlier] == [(float(i), i + 1.0) for i in range(8)]
        assert np.allclose([e.expected for e in earlier], [one.interval.value for one in found])
        usual = usual_of(reference, found[0])
        assert len(usual) == 20
        assert highest(usual, 0.4) >= max(usual), "a window that the reference had is usual"


def test_a_window_of_a_weekday_or_an_hour_that_was_never_seen_is_named() -> None:
    from fairlead.contract.events import Window
    from fairlead.ops.monitor.unseen import unseen

    day, hour = 86_400.0, 3600.0

    def named(begin: float, lasts: float, known: list[tuple[float, float]]) -> str:
        return unseen(Window("m", 0, begin, begin + lasts), known)

    # The epoch began on a Thursday.
    working = [(d * day, (d + 1) * day) for d in (4, 5, 6, 7, 8)]
    assert named(9 * day, day, working) == "Saturdays"
    assert named(11 * day, day, working) == ""
    assert named(9 * day - 10 * hour, day, [(a - 10 * hour, b - 10 * hour) for a, b in working]) == "Saturdays"
    assert named(9 * day, 7 * day, working) == "", "a week holds every weekday"
    hours = [(4 * day + h * hour, 4 * day + (h + 1) * hour) for h in range(8, 20)]
    assert named(11 * day + 9 * hour, hour, hours) == ""
    assert named(11 * day + 3 * hour, hour, hours) == "3:00 to 4:00"
    assert named(9 * day, day, []) == named(9 * day, day, [(0.0, 0.0)] * 9) == "", "without time nothing is known"


def test_rows_beyond_those_held_out_inform_and_do_not_alarm() -> None:
    from benchmarks.estimates import SETTINGS

    from fairlead.contract.events import Window
    from fairlead.lab.stats import profile
    from fairlead.ops.monitor import calibrate
    from fairlead.ops.monitor.checks.estimated import Estimated
    from fairlead.ops.monitor.seen import Rows, Seen

    rng = np.random.default_rng(41)
    reference = reference_of(NUMBERS, drawn(NUMBERS, rng, 3600), 12)
    spoken = {}
    for shift in (1.0, 4.0):
        now = drawn(NUMBERS, rng, 300, shift=shift)
        live = profile(
            now.columns, [c.bins for c in reference.profile.columns], scores=now.scores,
            score_bins=[c.bins for c in reference.profile.scores],
        )  # fmt: skip
        seen = Seen(
            Window("m", 20, 0.0, 1.0, rows=300, state="closed"), live, reference, calibrate(reference, SETTINGS),
            SETTINGS, NUMBERS, rows=Rows(now.columns, np.linspace(0.0, 0.9, 300), now.scores),
        )  # fmt: skip
        (finding,) = Estimated().look(seen, 0.01)
        spoken[shift] = finding
    assert spoken[1.0].severity == "warning"
    assert spoken[1.0].evidence["overlap"] >= 0.5
    assert spoken[4.0].severity == "info"
    assert spoken[4.0].evidence["overlap"] < 0.5
