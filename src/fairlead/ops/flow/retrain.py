"""A new candidate from records, labels and old rows: window picked, learner chosen again, same gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotLearnable, UsageError
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED, Signature, Task
from fairlead.ops.flow import approving, making, release
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.history import History, history
from fairlead.ops.flow.picker import age_weights, pick
from fairlead.ops.flow.renewing import unlearnable
from fairlead.ops.flow.warm_start import older_or_note
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import window_spec
from fairlead.ops.project.learning_from import Way, parse_ways

Progress = Callable[..., None]

AGE_WEIGHT = "fairlead weight by age"
"""The column that carries weights by age into a training; never a feature."""


class Renewed(msgspec.Struct, frozen=True):
    """version: the registered version, None when the gate said no. window: which rows it was fitted on, in words.

    left_out: rows that were not learned from because of their labels; notes: why.
    """

    bundle: str
    learner: str
    verdict: str
    version: int | None
    window: str
    rows: int
    report: str
    why: str
    left_out: int = 0
    notes: tuple[str, ...] = ()


def retrain(ws: Workspace, *, why: str, until: float | None = None, progress: Progress | None = None) -> Renewed:
    """Fit, seal and judge a challenger on the rows that serve best now; registered when the gate lets it pass."""
    from fairlead.lab.train import train
    from fairlead.ops.flow.transferring import transferred_for

    champion = making.champion_bundle(ws)
    if champion is None:
        raise UsageError("nothing is deployed yet: `fairlead up` or `fairlead deploy` first.")
    signature = ws.load(champion).signature
    tensors = [c.name for c in signature.columns if c.kind == "tensor"]
    if tensors and signature.task != "forecasting":
        raise UsageError(
            f"this model takes tensors ({', '.join(tensors)}), which `fairlead retrain` does not gather from records: "
            "train the next one as you trained this one, by `fairlead train`, or elsewhere and `fairlead bundle`; "
            "then `fairlead evaluate` and `fairlead deploy` it."
        )
    doubt = unlearnable(ws.state.findings(ws.model), ws.settings)
    if doubt:
        cure = "See `fairlead incidents`; [retrain] guard = false learns from them all the same."
        raise NotLearnable(f"{doubt}. {cure}")
    say = progress or (lambda *_args, **_more: None)
    say("gathering rows and labels")
    past = history(ws, ws.load(champion).signature, until=until)
    say(f"choosing how far back to look ({past.recorded:,} recorded rows)")
    picked = pick_rows(ws, past, champion)
    start, window = picked.start, picked.why
    rows, weighed = weighted_rows(past, start, picked.half_life, ws.settings)
    settings = judged_on_newest(ws, past, start, signature, weighed)
    older, said = older_or_note(ws, Gathered(rows))
    begun, begun_said = transferred_for(ws)
    training = train(
        rows, settings, home=ws.home.root, root=ws.project.root, progress=progress, parent=champion, older=older,
        transferred=begun,
    )  # fmt: skip
    kept = making.keep(ws, training, Gathered(rows, notes=(*said, *begun_said, *past.notes)))
    judged = making.judge(ws, kept.bundle)
    version = making.register(ws, kept.bundle) if judged.verdict.outcome == "pass" else None
    reasons = "; ".join(c.why for c in judged.verdict.checks if c.holds_back)
    ws.audit.record(
        ws.actor, "retrain", kept.bundle, why,
        {"window": window, "rows": len(rows), "left_out": past.left_out, "verdict": judged.verdict.outcome,
         "version": version},
    )  # fmt: skip
    return Renewed(
        kept.bundle, kept.learner, judged.verdict.outcome, version, window, len(rows), judged.report, reasons or why,
        past.left_out, past.notes,
    )  # fmt: skip


def try_out(ws: Workspace, version: int, why: str) -> str:
    """Give a version made by hand its share of the requests; why not, in words, where that has to wait, else ""."""
    intent, champion, challenger = release.split(ws)
    if version in (champion.version, challenger.version if challenger else 0):
        return "the same rows gave the same model: it is in use already"
    if challenger is not None:
        return f"version {challenger.version} is on trial: when that is over, `fairlead deploy {version} --canary 5%`"
    if intent.hold:
        held = intent.hold.replace("_", " ")
        return f"the model is {held}: `fairlead release`, then `fairlead deploy {version} --canary 5%`"
    lacking = approving.missing(ws, ws.state.version(ws.model, version).bundle)
    if lacking:
        who = ", ".join(lacking)
        next_step = f"then `fairlead deploy {version} --canary 5%`"
        return f"approval by {who}: `fairlead approve {version} --by NAME`, {next_step}"
    release.deploy(ws, version, mode="canary", share=ws.settings.rollout.start, why=why)
    return ""


class Picked(msgspec.Struct, frozen=True):
    """start: first row to fit on. why: the choice in words. half_life: windows in which the weight of a row halves, 0
    where all weigh the same."""

    start: int
    why: str
    half_life: float = 0.0


def pick_rows(ws: Workspace, past: History, champion: str) -> Picked:
    """The rows to fit on, as `retrain.window` asks or as the newest labelled window proves best."""
    from fairlead.lab.stats import losses
    from fairlead.lab.tables import columns_of
    from fairlead.lab.train import fit_once, score_pipeline

    model = ws.load(champion)
    if model.signature.task in UNSUPERVISED:
        return Picked(0, "every row: without a truth nothing says how far back to look")
    if model.signature.task == "forecasting":
        return Picked(0, "every value: a forecast learns its seasons from all of its past")
    lineage = model.manifest.lineage
    target = ws.settings.model.target
    numbers, starts = np.unique(past.windows, return_index=True)

    def fit(first: int, last: int, half_life: float = 0.0) -> Any:
        part = sliced(past, int(starts[first]), end_of(past, starts, last))
        rows, settings = weighted_rows(part, 0, half_life, ws.settings)
        return fit_once(rows, settings, lineage.learner, lineage.parameters, signature=model.signature)

    def score(fitted: Any, index: int) -> np.ndarray:
        rows = past.frame.iloc[starts[index] : end_of(past, starts, index)]
        columns = columns_of(rows, model.signature, zone=model.signature.timezone)
        scores = score_pipeline(fitted, columns, model.signature)
        truth = rows[target].to_numpy()
        return losses(model.signature.task, truth, scores, model.signature, model.reference.loss_clip)

    spec = window_spec(ws.settings)
    ways = able_ways(parse_ways(ws.settings.retrain.window), lineage.learner, model.signature.task)
    since = change_window(ws, past, numbers)
    choice = pick(len(numbers), fit, score, ways=ways, since=since, window_s=spec.seconds)
    return Picked(int(starts[choice.first]), choice.why, choice.half_life)


def change_window(ws: Workspace, past: History, numbers: np.ndarray) -> int | None:
    """Position of the window in which the newest known change began, by the promise that broke; None without one."""
    broken = [f for f in ws.state.findings(ws.model, open_only=False) if f.check == "promise"]
    if not broken or not ws.settings.model.time_columns:
        return None
    row = int(np.searchsorted(past.times, max(f.since for f in broken), side="left"))
    if row >= len(past.windows):
        return None
    return int(np.searchsorted(numbers, past.windows[row]))


def able_ways(ways: Sequence[Way], learner: str, task: Task) -> tuple[Way, ...]:
    """Without weights where nobody but the project asked for them and the learner cannot weigh its rows."""
    if len(ways) == 1 or weighs(learner, task):
        return tuple(ways)
    return tuple(way for way in ways if way.kind != "weighted")


def weighs(learner: str, task: Task) -> bool:
    """Whether a learner can weigh its rows."""
    from sklearn.utils.validation import has_fit_parameter

    from fairlead.lab.train.fitting import learner_of

    known = learner_of(learner)
    return bool(has_fit_parameter(known.build(task, known.default(1000), 0), "sample_weight"))


def sliced(past: History, first: int, end: int) -> History:
    """Rows first .. end - 1 of a history."""
    return msgspec.structs.replace(
        past, frame=past.frame.iloc[first:end], times=past.times[first:end], windows=past.windows[first:end]
    )


def weighted_rows(past: History, start: int, half_life: float, settings: Settings) -> tuple[Any, Settings]:
    """The rows from `start` on, and settings under which they weigh less the older they are, where that was chosen."""
    rows = past.frame.iloc[start:].reset_index(drop=True)
    if half_life <= 0:
        return rows, settings
    weights = age_weights(past.windows[start:], half_life)
    own = settings.train.weight
    if own is not None and own in rows:
        weights = weights * rows[own].fillna(1.0).to_numpy(dtype=np.float64)
    weighed = msgspec.structs.replace(settings, train=msgspec.structs.replace(settings.train, weight=AGE_WEIGHT))
    return rows.assign(**{AGE_WEIGHT: weights}), weighed


def end_of(past: History, starts: np.ndarray, index: int) -> int:
    """One past the last row of a window."""
    return int(starts[index + 1]) if index + 1 < len(starts) else len(past.frame)


def judged_on_newest(
    ws: Workspace, past: History, start: int, signature: Signature, settings: Settings | None = None
) -> Any:
    """Settings (the project's, or these) that keep at most the newer half of the newest window for judging.

    After a change the newest rows are the only ones that show the new world: the share of the
    first training would take nearly all of them away from the fit. Forecasts are judged by seasons, which a window may
    have few of: four times what an answer goes by is kept, in every series.
    """
    rows = len(past.frame) - start
    newest = int(np.sum(past.windows == past.windows[-1]))
    before = int(np.sum(past.windows == past.windows[-1] - 1)) if newest < 50 else 0
    fewest = 50.0
    if signature.task == "forecasting":
        from fairlead.runtime.bundle.forecasts import history_of

        lags = history_of(signature).shape[0]
        series = 1 if signature.series is None else int(past.frame[signature.series].nunique())
        fewest = float(series * (4 * lags + signature.horizon))
    settings = settings or ws.settings
    share = min(settings.data.holdout, max(0.5 * (newest + before), fewest) / max(rows, 1))
    data = msgspec.structs.replace(settings.data, holdout=max(share, 0.01))
    return msgspec.structs.replace(settings, data=data)
