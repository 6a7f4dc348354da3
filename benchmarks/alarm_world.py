"""A model and its world as rows, day by day: four columns, a truth, answers, labels that come days later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.alarm_streams import DAY
from fairlead.contract.profile import HeldOut, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature, Task
from fairlead.lab.stats import bins_for, losses, metrics, profile, score_bins
from fairlead.lab.stats.estimating import learn_estimation
from fairlead.lab.stats.loss import loss_clip
from fairlead.lab.stats.order import order_of
from fairlead.lab.stats.unusual import unusual_limits
from fairlead.ops.monitor import Rows

COLUMNS = (
    Column("income", "number"), Column("age", "integer"), Column("visits", "integer"),
    Column("region", "category", categories=("n", "s", "w")),
)  # fmt: skip
SIGNATURES: dict[Task, Signature] = {
    "classification": Signature("classification", COLUMNS, target="y", classes=("no", "yes"), positive="yes"),
    "regression": Signature("regression", COLUMNS, target="y"),
}
WEEK = 7
HELD_OUT = 16
LABELS_S = (0.5 * DAY, 5.0 * DAY)
"""When the label of a row comes, at random between these."""


def settings_of(task: Task) -> Settings:
    """A project with weekly windows, one false alarm a month, and labels that are judged a week later."""
    positive = "yes" if task == "classification" else ""
    model = ModelSettings(name="m", task=task, target="y", positive=positive, time="at")
    return Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="7d"))


def drawn(rng: np.random.Generator, task: Task, first: int, days: int, rows: int, vary: float) -> Rows:
    """Rows of so many days, about `rows` each. vary: standard deviation of a day's level of income."""
    counts = rng.poisson(rows, days)
    n, level = int(counts.sum()), np.repeat(vary * rng.standard_normal(days), counts)
    income = rng.normal(level, 1.0)
    income[rng.random(n) < 0.02] = np.nan
    columns = {
        "income": income,
        "age": rng.integers(18, 80, n).astype(float),
        "visits": rng.poisson(3, n).astype(float),
        "region": rng.choice(np.array(["n", "s", "w"], dtype=object), n, p=[0.5, 0.3, 0.2]),
    }
    times = np.sort((first + np.repeat(np.arange(days), counts) + rng.random(n)) * DAY)
    return Rows(
        columns=columns, times=times, scores=answers(task, columns), labels=truth(rng, task, columns),
        labelled=np.ones(n, dtype=bool), definitions=np.full(n, None, dtype=object),
        arrived=times + rng.uniform(*LABELS_S, n),
    )  # fmt: skip


def answers(task: Task, columns: dict[str, np.ndarray]) -> np.ndarray:
    """What the model says, (n, outputs)."""
    if task == "regression":
        return np.asarray(20.0 + 4.0 * np.nan_to_num(columns["income"]) + 2.0 * (columns["visits"] - 3.0))[:, None]
    yes = 1.0 / (1.0 + np.exp(-np.nan_to_num(columns["income"]) - 0.2 * (columns["visits"] - 3)))
    return np.column_stack([1.0 - yes, yes])


def truth(rng: np.random.Generator, task: Task, columns: dict[str, np.ndarray]) -> np.ndarray:
    """What turns out. Numbers are the less certain the further income is from its mean."""
    said = answers(task, columns)
    if task == "regression":
        return np.asarray(
            said[:, 0] + rng.standard_normal(len(said)) * (1.0 + np.abs(np.nan_to_num(columns["income"])))
        )
    return np.where(rng.random(len(said)) < said[:, 1], "yes", "no").astype(object)


def between(rows: Rows, begin: float, end: float) -> Rows:
    """Rows with event times in [begin, end)."""
    a, b = np.searchsorted(rows.times, [begin, end])
    one = slice(int(a), int(b))
    return replace(
        rows, columns={name: cells[one] for name, cells in rows.columns.items()}, times=rows.times[one],
        **{name: np.asarray(getattr(rows, name))[one]
           for name in ("scores", "labels", "labelled", "definitions", "arrived")},
    )  # fmt: skip


def reference_of(task: Task, rows: Rows, first: int, days: int) -> Reference:
    """As training seals it: blocks of days, held-out weeks, order, limits of single rows, estimates."""
    signature, columns, scores, labels = SIGNATURES[task], dict(rows.columns), rows.scores, rows.labels
    assert scores is not None
    assert labels is not None
    bins, scored = bins_for(columns, signature), score_bins(signature, scores)

    def of(part: Rows, begin: float, end: float, gram: bool = False):  # type: ignore[no-untyped-def]
        return profile(part.columns, bins, scores=part.scores, score_bins=scored, start=begin, end=end, gram=gram)

    everything = of(rows, first * DAY, (first + days) * DAY, gram=True)
    blocks = tuple(
        of(between(rows, (first + i) * DAY, (first + i + 1) * DAY), (first + i) * DAY, (first + i + 1) * DAY - 1)
        for i in range(days)
    )
    weeks = [((first + i) * DAY, (first + i + WEEK) * DAY) for i in range(days % WEEK, days, WEEK)]
    spans = [(a, b, np.arange(*np.searchsorted(rows.times, [a, b]))) for a, b in weeks]
    newest = np.concatenate([at for _, _, at in spans[-HELD_OUT:]])
    clip = loss_clip(np.abs(labels[newest] - scores[newest, 0])) if task == "regression" else 1.0
    held = tuple(
        HeldOut(a, b, len(at), float(losses(task, labels[at], scores[at], signature, clip).mean()),
                metrics(task, labels[at], scores[at], signature))
        for a, b, at in spans[-HELD_OUT:]
    )  # fmt: skip
    return Reference(
        profile=everything, blocks=blocks, held_out=held, loss_clip=clip, order=order_of(columns, rows.times),
        unusual=unusual_limits(columns, signature, everything),
        estimation=learn_estimation(
            signature, columns, labels, scores, (bins, scored), [at for _, _, at in spans[-HELD_OUT:]], clip,
            spans[:-HELD_OUT],
        ),
    )  # fmt: skip
