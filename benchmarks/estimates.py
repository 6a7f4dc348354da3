"""How estimates, corrections and detectors of performance keep what they say, by simulation with fixed seeds.

`python -m benchmarks.estimates` writes the tables of docs/explanation/estimates.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.worlds import CLASSES, NUMBERS, World, drawn, realised, reference_of
from fairlead.contract.events import Window
from fairlead.contract.plugins import variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats import profile
from fairlead.lab.stats.evalues import mean_bounds
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.sequences import quantile_bounds, share_bounds
from fairlead.ops.monitor import calibrate
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.checks.labels_late import expected_share
from fairlead.ops.monitor.concept import compared, held_out_gaps, verdict
from fairlead.ops.monitor.detecting import Detected, Stream
from fairlead.ops.monitor.estimates import estimates
from fairlead.ops.monitor.looking import checks_of
from fairlead.ops.monitor.quality import wilson
from fairlead.ops.monitor.seen import Rows, Seen
from fairlead.ops.monitor.selection import selection_of, weighted_intervals
from fairlead.ops.rehearse.uncertainty import Resampled

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "estimates.md"
WINDOWS, HELD_ROWS = 12, 300
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", positive="yes"), monitor=MonitorSettings()
)
SHOWN = {"classification": ("accuracy", "roc_auc", "f1", "loss"), "regression": ("mae", "rmse", "loss")}


class Told(NamedTuple):
    """Of many windows: how often the interval held the realised metric, the mean error, the mean absolute error."""

    covered: float
    bias: float
    error: float
    width: float


def estimated(
    signature: Signature, rows: int, *, shift: float = 0.0, concept: float = 0.0, worlds: int = 100, each: int = 4,
    held_rows: int = HELD_ROWS, windows: int = WINDOWS,
) -> dict[str, Told]:  # fmt: skip
    """Estimates of `each` windows of `rows` rows in each of `worlds` worlds, beside what labels showed."""
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for seed in range(worlds):
        rng = np.random.default_rng([seed, rows])
        reference = reference_of(signature, drawn(signature, rng, windows * held_rows), windows)
        for _ in range(each):
            now = drawn(signature, rng, rows, shift=shift, concept=concept)
            truth = realised(signature, now, reference.loss_clip)
            for name, one in estimates(reference, signature, now.columns, now.scores).items():
                low, high = one.interval.low, one.interval.high
                found.setdefault(name, []).append(
                    (low <= truth[name] <= high, one.interval.value - truth[name], high - low)
                )
    return {
        name: Told(
            float(np.mean([t[0] for t in told])), float(np.mean([t[1] for t in told])),
            float(np.mean([abs(t[1]) for t in told])), float(np.mean([t[2] for t in told])),
        )
        for name, told in found.items()
    }  # fmt: skip


def gaps_of(signature: Signature, reference: Reference, worlds: Sequence[World]) -> tuple[np.ndarray, ...]:
    """Of windows: what each lost beyond its estimate, its realised loss, and losses of its rows."""
    gaps, losses, rows = [], [], []
    for world in worlds:
        labelled = np.ones(world.rows, dtype=bool)
        times = np.arange(world.rows, dtype=np.float64)
        one = compared(
            reference, signature, Rows(world.columns, times, world.scores, labels=world.truth, labelled=labelled)
        )
        assert one is not None
        gaps.append(one.realised - one.expected)
        losses.append(one.realised)
        rows.append(one.losses)
    return np.asarray(gaps), np.asarray(losses), np.asarray(rows)


class Found(NamedTuple):
    """Of many streams: the share found within `within` windows, and the median windows it took (of those found)."""

    share: float
    delay: float


def power(
    make: Callable[[], Any], *, concept: float, shift: float = 0.0, before: int = 4, within: int = 10, rows: int = 500,
    worlds: int = 60, allowed: float = 1 / 43, signature: Signature = CLASSES,
) -> Found:  # fmt: skip
    """Streams with a change after `before` windows. make: the detector."""
    delays = []
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 7])
        reference = reference_of(signature, drawn(signature, rng, WINDOWS * rows), WINDOWS)
        quiet = [drawn(signature, rng, rows) for _ in range(before)]
        changed = [drawn(signature, rng, rows, shift=shift, concept=concept) for _ in range(within)]
        delays.append(first_alarm(make(), signature, reference, [*quiet, *changed], allowed, before))
    hits = [d for d in delays if d is not None]
    return Found(len(hits) / worlds, float(np.median(hits)) if hits else float("nan"))


def first_alarm(
    detector: Any, signature: Signature, reference: Reference, worlds: Sequence[World], allowed: float, before: int
) -> int | None:
    """Windows after the change until the detector speaks, counting from 1; None if it does not."""
    gaps, _, losses = gaps_of(signature, reference, worlds)
    held = held_out_gaps(reference)
    for last in range(before, len(worlds)):
        if detector.detect(stream_of(gaps, held, losses, last, allowed)) is not None:
            return last - before + 1
    return None


def stream_of(gaps: np.ndarray, held: np.ndarray, losses: np.ndarray, last: int, allowed: float) -> Stream:
    """As the check hands it over after window `last`."""
    rows = [r[:200] for r in losses[max(last - 15, 0) : last + 1]]
    return Stream(gaps[: last + 1], held, rows, [(r > 0.25).astype(np.float64) for r in rows], allowed)


def false_alarms(
    make: Callable[[], Any], *, windows: int = 43, worlds: int = 100, rows: int = 300, shift: float = 0.0,
    allowed: float = 1 / 43, signature: Signature = CLASSES,
) -> float:  # fmt: skip
    """Alarms a window in streams in which nothing changes (but the inputs, by `shift`); an alarm starts the stream
    anew, as people who look at it would.
    """
    alarms = 0
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 11])
        reference = reference_of(signature, drawn(signature, rng, WINDOWS * rows), WINDOWS)
        gaps, _, losses = gaps_of(
            signature, reference, [drawn(signature, rng, rows, shift=shift) for _ in range(windows)]
        )
        held, start = held_out_gaps(reference), 0
        for last in range(windows):
            done: Detected | None = make().detect(stream_of(gaps[start:], held, losses[start:], last - start, allowed))
            if done is not None:
                alarms, start = alarms + 1, last + 1
    return alarms / (worlds * windows)


DAY, MONDAY = 86_400.0, 4.0
"""Seconds, and the first Monday of the epoch, in days."""


class SeasonIn(NamedTuple):
    """known: days at which the windows of the reference begin, of which the newest `held` were held out; lived: those
    of the windows after it; lasts: days a window; shift: of `a` at these days."""

    said: str
    known: np.ndarray
    held: int
    lived: np.ndarray
    lasts: float
    shift: Callable[[np.ndarray], np.ndarray]


def _season(
    said: str, known: int, held: int, lived: int, lasts: float, shift: Callable[[np.ndarray], np.ndarray]
) -> SeasonIn:
    """Windows without a gap."""
    days = MONDAY + lasts * np.arange(known + lived)
    return SeasonIn(said, days[:known], held, days[known:], lasts, shift)


def _weekends(days: np.ndarray) -> np.ndarray:
    return (days - MONDAY) % 7 >= 5


def _hourly(days: np.ndarray) -> np.ndarray:
    return 0.5 * np.sin(2.0 * np.pi * days)


def _evenings(days: np.ndarray) -> np.ndarray:
    return 0.5 * (days % 1.0 >= 2.0 / 3.0 - 1e-9)


def _weekly(days: np.ndarray) -> np.ndarray:
    return 0.5 * _weekends(days)


def _yearly(days: np.ndarray) -> np.ndarray:
    return 0.5 * np.sin(2.0 * np.pi * (days - MONDAY) / 364.0)


WORKING = MONDAY + np.asarray([day for day in range(14) if day % 7 < 5], dtype=np.float64)
SEASONS: dict[str, SeasonIn] = {
    "stationary": _season("none; 12 weeks held out", 12, 12, 43, 7.0, lambda t: np.zeros(len(t))),
    "daily": _season("hour of the day; two weeks of hours known, 16 held out", 336, 16, 48, 1 / 24, _hourly),
    "daily, unseen": _season("evenings; 16 hours held out, none of an evening", 16, 16, 48, 1 / 24, _evenings),
    "weekly": _season("weekends; 14 days held out", 14, 14, 42, 1.0, _weekly),
    "weekly, unseen": SeasonIn("weekends; 10 working days held out", WORKING, 10, MONDAY + 14.0 + np.arange(42.0), 1.0,
                               _weekly),
    "yearly": _season("summer; a year of weeks known, 16 held out", 52, 16, 52, 7.0, _yearly),
    "yearly, unseen": _season("summer; 12 weeks of spring held out", 12, 12, 40, 7.0, _yearly),
    "yearly, unseen, far": _season("summer by two deviations; 12 weeks of spring held out", 12, 12, 40, 7.0,
                                   lambda t: 4.0 * _yearly(t)),
}  # fmt: skip
"""What goes on, and what a reference has seen of it."""


class Spoken(NamedTuple):
    """Of windows in which nothing but a season goes on: findings and alarms a window; allowed: alarms."""

    told: float
    alarms: float
    begun: float
    allowed: float


def estimated_alarms(
    season: str, *, worlds: int, rows: int = 300, signature: Signature = CLASSES, first: int = 0
) -> Spoken:
    """How often the check `estimated` speaks. begun: alarms that the window before did not raise, which are told."""
    check, every = variant("window_check", "estimated")(), checks_of("inputs")
    share = allowed(SETTINGS, check.family) / sum(one.family == check.family for one in every)
    made = SEASONS[season]
    known, told, alarms, begun = made.shift(made.known), 0, 0, 0
    for seed in range(first, first + worlds):
        rng = np.random.default_rng([seed, 19])
        rows_of = joined([drawn(signature, rng, rows, shift=s) for s in known])
        reference = reference_of(signature, rows_of, made.held, starts=made.known * DAY, lasts=made.lasts * DAY)
        thresholds, before = calibrate(reference, SETTINGS), False
        for t, (at, one) in enumerate(zip((made.lived * DAY).tolist(), made.shift(made.lived), strict=True)):
            now, end = drawn(signature, rng, rows, shift=one), at + made.lasts * DAY
            live = profile(
                now.columns, tuple(c.bins for c in reference.profile.columns), scores=now.scores,
                score_bins=tuple(c.bins for c in reference.profile.scores),
            )  # fmt: skip
            window = Window("m", t, at, end, rows=rows, state="closed")
            seen = Seen(window, live, reference, thresholds, SETTINGS, signature,
                        rows=Rows(now.columns, np.linspace(at, end, rows, endpoint=False), now.scores))  # fmt: skip
            found = check.look(seen, share)
            speaks = any(f.severity != "info" for f in found)
            told, alarms, begun = told + len(found), alarms + speaks, begun + (speaks and not before)
            before = speaks
    windows = worlds * len(made.lived)
    return Spoken(told / windows, alarms / windows, begun / windows, share)


def joined(worlds: Sequence[World]) -> World:
    """One after the other."""
    columns = {n: np.concatenate([w.columns[n] for w in worlds]) for n in worlds[0].columns}
    return World(columns, np.concatenate([w.truth for w in worlds]), np.concatenate([w.scores for w in worlds]))


def reasons(
    *,
    shift: float,
    concept: float,
    windows: int = 4,
    rows: int = 500,
    worlds: int = 100,
    signature: Signature = CLASSES,
) -> dict[str, float]:
    """How often a change is called explained by inputs, concept, or inconclusive, from `windows` windows of it."""
    found: dict[str, int] = {}
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 13])
        reference = reference_of(signature, drawn(signature, rng, WINDOWS * rows), WINDOWS)
        now = [drawn(signature, rng, rows, shift=shift, concept=concept) for _ in range(windows)]
        gaps, losses, _ = gaps_of(signature, reference, now)
        judged = verdict(reference, losses, losses - gaps)
        assert judged is not None
        found[judged.outcome] = found.get(judged.outcome, 0) + 1
    return {name: count / worlds for name, count in found.items()}


class Corrected(NamedTuple):
    """Of windows with labels chosen by a column: how often each answer was given, and the error of the metric."""

    how: dict[str, float]
    naive: float
    corrected: float
    covered: float


def selected(kind: str, *, rows: int = 1000, worlds: int = 60, metric: str = "accuracy") -> Corrected:
    """kind: random (half of all), column (the more of a, the rarer), score (sure answers are told), decision (only
    what is decided yes), outcome (only what turns out yes)."""
    how: dict[str, int] = {}
    errors: list[tuple[float, float, bool]] = []
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 17])
        reference = reference_of(CLASSES, drawn(CLASSES, rng, WINDOWS * HELD_ROWS), WINDOWS)
        now = drawn(CLASSES, rng, rows)
        labelled = rng.random(rows) < chances(kind, now)
        chosen = selection_of(
            reference, CLASSES, now.columns, now.scores, np.arange(rows, dtype=np.float64), now.truth, labelled
        )
        how[chosen.how] = how.get(chosen.how, 0) + 1
        whole = realised(CLASSES, now, 1.0)[metric]
        naive = realised(CLASSES, now.take(np.flatnonzero(labelled)), 1.0)[metric]
        mended = weighted_intervals(
            CLASSES, now.truth[labelled], now.scores[labelled], chosen.weights, seed
        )[metric]  # fmt: skip
        errors.append((abs(naive - whole), abs(mended.value - whole), mended.low <= whole <= mended.high))
    return Corrected(
        {name: count / worlds for name, count in how.items()},
        *(float(np.mean([e[i] for e in errors])) for i in range(3)),  # type: ignore[arg-type]
    )


def chances(kind: str, now: World) -> np.ndarray:
    """How likely each row is labelled."""
    said = now.scores[:, 1]
    if kind == "column":
        return 1.0 / (1.0 + np.exp(2.0 * now.columns["a"]))
    if kind == "score":
        return np.where(np.abs(said - 0.5) > 0.25, 0.9, 0.15)
    if kind == "decision":
        return (said > 0.5).astype(np.float64)
    if kind == "outcome":
        return (now.truth == "yes").astype(np.float64)
    return np.full(now.rows, 0.5)


DETECTORS = ("confidence_sequence", "adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w")
ALLOWED = 1 / 43
"""What the default budget leaves to concept drift, with weekly windows: one false alarm in 43."""


def coverage_table(worlds: int) -> list[str]:
    lines = [
        "| task | rows | shift of `a` | " + "metric: held by the interval (mean absolute error) |",
        "|---|---|---|---|",
    ]
    for signature in (CLASSES, NUMBERS):
        for rows, shift in (
            (50, 0.0),
            (100, 0.0),
            (200, 0.0),
            (500, 0.0),
            (2000, 0.0),
            (500, 0.5),
            (500, 1.0),
            (500, 2.0),
        ):
            told = estimated(signature, rows, shift=shift, worlds=worlds)
            cells = ", ".join(f"{n} {told[n].covered:.0%} ({told[n].error:.3g})" for n in SHOWN[signature.task])
            lines.append(f"| {signature.task} | {rows} | {shift:g} | {cells} |")
    return lines


def held_out_table(worlds: int) -> list[str]:
    lines = ["| held-out windows | accuracy held | roc_auc held | loss held |", "|---|---|---|---|"]
    for windows in (4, 8, 12, 16):
        told = estimated(CLASSES, 500, worlds=worlds, windows=windows)
        lines.append(
            f"| {windows} | " + " | ".join(f"{told[n].covered:.0%}" for n in ("accuracy", "roc_auc", "loss")) + " |"
        )
    return lines


def blind_table(worlds: int) -> list[str]:
    lines = ["| what changes | accuracy: estimate less truth | held by the interval |", "|---|---|---|"]
    for name, shift, concept in (
        ("nothing", 0.0, 0.0), ("inputs, by half a deviation", 0.5, 0.0), ("inputs, by one deviation", 1.0, 0.0),
        ("concept, by 2 error points", 0.0, 0.02), ("concept, by 5", 0.0, 0.05), ("concept, by 10", 0.0, 0.10),
    ):  # fmt: skip
        told = estimated(CLASSES, 1000, shift=shift, concept=concept, worlds=worlds)["accuracy"]
        lines.append(f"| {name} | {told.bias:+.3f} | {told.covered:.0%} |")
    return lines


def detector_table(worlds: int) -> list[str]:
    lines = [
        "| detector | false alarms a window | inputs shifted by 0.5 | 2 points: found (median windows) | 5 | 10 |",
        "|---|---|---|---|---|---|",
    ]
    for name in DETECTORS:
        make = variant("drift_detector", name, extra="drift")
        # River goes row by row, window after window again: fewer streams are enough to see what it does.
        streams = worlds if name == "confidence_sequence" else max(worlds // 6, 2)
        quiet = [false_alarms(make, worlds=streams, shift=shift) for shift in (0.0, 0.5)]
        found = [power(make, concept=points / 100, worlds=streams) for points in (2, 5, 10)]
        cells = " | ".join(f"{f.share:.0%} ({f.delay:.0f})" if f.share else "0%" for f in found)
        lines.append(f"| {name} | {quiet[0]:.4f} | {quiet[1]:.4f} | {cells} |")
    return lines


def reason_table(worlds: int) -> list[str]:
    lines = ["| what changed | explained by inputs | concept | inconclusive |", "|---|---|---|---|"]
    for name, shift, concept in (
        ("nothing", 0.0, 0.0), ("inputs, by half a deviation", 0.5, 0.0), ("inputs, by one", 1.0, 0.0),
        ("concept, by 2 error points", 0.0, 0.02), ("concept, by 5", 0.0, 0.05), ("concept, by 10", 0.0, 0.10),
        ("both, by half a deviation and 10 points", 0.5, 0.10), ("numbers: inputs that err more, by half", 0.5, 0.0),
    ):  # fmt: skip
        signature = NUMBERS if name.startswith("numbers") else CLASSES
        told = reasons(shift=shift, concept=concept, worlds=worlds, signature=signature)
        cells = " | ".join(f"{told.get(k, 0.0):.0%}" for k in ("explained by inputs", "concept", "inconclusive"))
        lines.append(f"| {name} | {cells} |")
    return lines


def selection_table(worlds: int) -> list[str]:
    lines = ["| who is labelled | answered | error as labelled | error of the answer | held |", "|---|---|---|---|---|"]
    said = {
        "random": "half, at random", "column": "the rarer the higher `a`", "score": "mostly the sure ones",
        "decision": "only what is decided yes", "outcome": "only what turns out yes",
    }  # fmt: skip
    for kind, name in said.items():
        told = selected(kind, worlds=worlds)
        how = ", ".join(f"{h} {share:.0%}" for h, share in sorted(told.how.items()))
        bounded = told.how.get("bounds", 0.0) > 0.5
        mended = "bounds" if bounded else f"{told.corrected:.3f}"
        lines.append(f"| {name} | {how} | {told.naive:.3f} | {mended} | {'-' if bounded else f'{told.covered:.0%}'} |")
    return lines


def season_table(worlds: int) -> list[str]:
    lines = [
        "| task | season of `a` | windows | findings a window | alarms a window | alarms begun | allowed |",
        "|---|---|---|---|---|---|---|",
    ]
    for signature in (CLASSES, NUMBERS):
        for name, made in SEASONS.items():
            one = estimated_alarms(name, worlds=worlds, signature=signature)
            shown = " | ".join(f"{share:.4f}" for share in one)
            lines.append(f"| {signature.task} | {name}: {made.said} | {worlds * len(made.lived)} | {shown} |")
    return lines


SIZES = (10, 30, 100, 300, 1000)
"""Rows, requests or labels that an interval is made of."""


def covered(worlds: int, rows: int) -> dict[str, float]:
    """How often each interval that pages and verbs show holds the truth, in so many worlds of so many rows.

    Sequences are looked at once here; that they hold however often one looks is in verdicts.md.
    """
    found: dict[str, list[bool]] = {}
    whole = drawn(CLASSES, np.random.default_rng(99), 200_000)
    numbers = drawn(NUMBERS, np.random.default_rng(99), 200_000)
    for seed in range(worlds):
        rng = np.random.default_rng([seed, rows, 23])
        for signature, world, names in (
            (CLASSES, whole, ("accuracy", "roc_auc", "f1", "log_loss")), (NUMBERS, numbers, ("mae", "rmse", "r2"))
        ):  # fmt: skip
            truth = TRUTHS.setdefault(signature.task, realised(signature, world, 1.0))
            now = drawn(signature, rng, rows)
            told = weighted_intervals(signature, now.truth, now.scores, np.ones(rows), seed)
            for name in names:
                if name in told:
                    found.setdefault(f"realised {name}", []).append(told[name].low <= truth[name] <= told[name].high)
        for share in (0.02, 0.2):
            count = int(rng.binomial(rows, share))
            low, high = wilson(count, rows)
            found.setdefault(f"share of {share:.0%} (Wilson)", []).append(low <= share <= high)
            ends = share_bounds([count], [rows])
            found.setdefault(f"share of {share:.0%} (sequence)", []).append(float(ends[0][0]) <= share <= ends[1][0])
        waits = rng.lognormal(0.0, 1.0, rows)
        for at, usual in ((0.5, 1.0), (0.95, float(np.exp(1.6448536)))):
            _, low, high = quantile_bounds(waits, at)
            found.setdefault(f"quantile {at:g} (sequence)", []).append(low <= usual <= high)
        low, high = mean_bounds(rng.beta(1.0, 9.0, rows), 0.05, 0.0, 1.0)
        found.setdefault("mean of losses (sequence)", []).append(low <= 0.1 <= high)
    return {name: float(np.mean(held)) for name, held in found.items()}


TRUTHS: dict[str, dict[str, float]] = {}


def sizes_table(worlds: int) -> list[str]:
    return _by_size(SIZES, lambda rows: covered(worlds, rows))


def _by_size(sizes: Sequence[int], made: Callable[[int], dict[str, float]]) -> list[str]:
    told = {size: made(size) for size in sizes}
    lines = [f"| interval | {' | '.join(f'{size:,}' for size in sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for name in told[sizes[-1]]:
        cells = " | ".join(f"{told[size][name]:.0%}" if name in told[size] else "" for size in sizes)
        lines.append(f"| {name} | {cells} |")
    return lines


BLOCKS = (8, 24, 52, 104)
"""Windows that an interval is made of."""


def covered_by_blocks(worlds: int, windows: int) -> dict[str, float]:
    """As `covered`, of intervals whose observations are windows: what rows are in them hardly matters."""
    found: dict[str, list[bool]] = {}
    for seed in range(worlds):
        rng = np.random.default_rng([seed, windows, 29])
        for rho in (0.0, 0.5, 0.9):
            series = _autoregressive(rng, windows, rho)
            told = Resampled(np.full(windows, 168.0), seed).mean(series)
            name = "independent windows" if rho == 0.0 else f"windows AR(1) {rho:g}"
            found.setdefault(f"difference of two policies, {name}", []).append(told.low <= 0.0 <= told.high)
        rows = (_autoregressive(rng, windows, 0.0)[:, None] + rng.normal(0.0, 3.0, (windows, 60))).ravel()
        for how, block in (("window by window", 60), ("row by row", 1)):
            told = bootstrap(rows, draws=500, seed=seed, block=block)
            found.setdefault(f"mean loss of a report, {how}", []).append(told.low <= 0.0 <= told.high)
        shares = np.clip(rng.normal(0.6, 0.05, windows + 1), 0.0, 1.0)
        labels = rng.binomial(168, shares)
        expected = expected_share([168] * windows, labels[:-1].tolist(), 168, 0.01)
        if expected is not None:
            held = expected.low <= labels[-1] / 168 <= expected.high
            found.setdefault("share of labels in one more window", []).append(held)
    return {name: float(np.mean(held)) for name, held in found.items()}


def _autoregressive(rng: np.random.Generator, steps: int, rho: float) -> np.ndarray:
    noise = rng.normal(0.0, np.sqrt(1.0 - rho**2), steps)
    found, last = np.empty(steps), rng.normal()
    for at in range(steps):
        last = found[at] = rho * last + noise[at]
    return found


def blocks_table(worlds: int) -> list[str]:
    return _by_size(BLOCKS, lambda windows: covered_by_blocks(worlds, windows))


TABLES: tuple[tuple[str, Callable[[int], list[str]]], ...] = (
    ("Intervals of estimates, 12 held-out windows of 300 rows", coverage_table),
    ("The same by held-out windows, 500 rows", held_out_table),
    ("What an estimate follows, and what it cannot see, 1,000 rows", blind_table),
    (
        "Detectors of concept drift, windows of 500 rows; 0.0233 allowed; river's: a sixth of the streams",
        detector_table,
    ),
    ("What a change is due to, four windows of 500 rows", reason_table),
    ("Labels that do not come at random, 1,000 rows, accuracy", selection_table),
    ("How often estimates speak where nothing but a season goes on, windows of 300 rows", season_table),
    ("How often intervals of 95 % hold, by the rows they are made of", sizes_table),
    ("How often intervals of 95 % hold that are made of windows, by their number", blocks_table),
)


def write(number: int, lines: Sequence[str], worlds: int) -> None:
    """Put one table into the page, between its marks."""
    begin, end = (f"<!-- table {number}: {word} -->" for word in ("begin", "end"))
    before, rest = PAGE.read_text().split(begin)
    after = rest.split(end)[1]
    title = TABLES[number][0]
    told = f"`python -m benchmarks.estimates --only {number} --worlds {worlds}`, seeds fixed."
    PAGE.write_text("\n".join([before + begin, f"### {title}", "", told, "", *lines, end]) + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=100, help="simulated worlds a line")
    parser.add_argument("--only", type=int, default=None, help="number of one table")
    parser.add_argument("--show", action="store_true", help="print instead of writing the page")
    asked = parser.parse_args()
    for number, (title, make) in enumerate(TABLES):
        if asked.only in (None, number):
            lines = make(asked.worlds)
            if asked.show:
                print("\n".join([f"### {title}", "", *lines, ""]))
            else:
                write(number, lines, asked.worlds)


if __name__ == "__main__":
    main()
