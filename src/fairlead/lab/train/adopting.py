"""Models that were fitted by others: the project's own `entrypoint`, or an estimator brought along."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, InputInvalid, UsageError
from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Reference
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.bins import bins_for, score_bins
from fairlead.lab.stats.measures import Floats, label_text
from fairlead.lab.stats.order import order_of
from fairlead.lab.stats.profiling import profile
from fairlead.lab.stats.unusual import unusual_limits
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.deciding import with_signature
from fairlead.lab.train.fitting import scores_of
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.promise import BLOCK_ROWS, MOST_BLOCKS, reference_of
from fairlead.lab.train.provenance import config_hash, data_hash, lineage_of, versions
from fairlead.lab.train.search import Entry, Found, Say, baselines, leaderboard

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate
    from fairlead.lab.train.training import Chosen

SAMPLE_ROWS = 1000
OWN = {"preparation": "the estimator's own"}


def entrypoint_of(text: str, root: Path | None, key: str = "train.entrypoint") -> Callable[..., Any]:
    """The function that `file.py:function` names, from the project's folder. Raises ConfigInvalid."""

    def wrong(what: str, cure: str = "") -> ConfigInvalid:
        return ConfigInvalid(what, file="fairlead.toml", key=key, cure=cure)

    file, _, name = text.partition(":")
    path = (root or Path()) / file
    if not name or not path.is_file():
        raise wrong(f"{text!r} names no function of a file.", "Write it as train.py:fit.")
    spec = importlib.util.spec_from_file_location(f"fairlead_project_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise wrong(f"{file} is not Python.")
    module = importlib.util.module_from_spec(spec)
    # By name, so that what the file defines can be found again by those who look up a class's module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise wrong(f"{file} has no function {name!r}.")
    return function  # type: ignore[no-any-return]


def train_by_entrypoint(
    bench: Bench, settings: Settings, root: Path | None, say: Say, *, data: str, parent: str
) -> Chosen:
    """As the search, with one way of learning: the project's `fit(table, settings)`, once a fold and once for all."""
    from fairlead.lab.compile import Candidate
    from fairlead.lab.train.training import Chosen, settled_for

    name = str(settings.train.entrypoint)
    function = entrypoint_of(name, root)
    source = bench.material.source
    say(f"{name} on all {len(source):,} rows", done=0.05)
    fitted = function(source.copy(), settings)
    signature = adopted_signature(fitted, source, settings)
    material = replace(bench.material, signature=signature, columns=_columns(source, signature, settings))
    bench = Bench(material, bench.folds)

    def answer(fold: Fold) -> Floats:
        again = function(source.iloc[fold.fit].reset_index(drop=True), settings)
        return _scores(again, source.iloc[fold.judge], signature)

    started = time.perf_counter()
    parts: list[Floats] = []
    scores: list[float] = []
    for index, fold in enumerate(bench.folds):
        parts.append(answer(fold))
        scores.append(bench.score(index, parts[-1]))
        share = (index + 1) / len(bench.folds)
        say(f"{name}, fold {index + 1} of {len(bench.folds)}: {scores[-1]:.4f}", done=0.1 + 0.8 * share)
    answers = bench.whole(parts)
    entry = Entry(name, {}, scores, time.perf_counter() - started, answers=answers)
    settled = settled_for(bench, answers, settings)
    reference = reference_of(
        with_signature(material, settled.signature), settings.monitor.window,
        lambda fold: settled.answered(answer(fold)), settled.answers,
    )  # fmt: skip
    candidate = Candidate(
        pipeline=fitted,
        signature=settled.signature,
        lineage=lineage_of(material, settings, name, {}, data=data, root=root, parent=parent, preparation=OWN),
        reference=reference,
        columns=material.columns,
        sample=source[list(signature.names)].head(SAMPLE_ROWS),
        name=settings.model.name,
        calibration=settled.calibration,
    )
    board = leaderboard(Found([entry], baselines(bench), False, 1), signature)
    return Chosen(candidate, board, material, settled, False, 1)


def candidate_of(estimator: Any, sample: Any, settings: Settings | None = None, *, name: str = "model") -> Candidate:
    """A fitted sklearn estimator of the user's own, ready to be sealed.

    sample: rows it was trained on, as it takes them; the target may be among them. settings: of the project, for
    target, positive class, keys and times; name: of the model without settings. The reference counts the sample's
    rows. It promises no losses: what the model does on rows it was fitted on says nothing about others.
    Raises UsageError, NotCompilable.
    """
    from fairlead.lab.compile import Candidate
    from fairlead.lab.compile.flattening import over_elements
    from fairlead.lab.tables import open_table

    frame = sample if hasattr(sample, "iloc") else open_table(sample).frame()
    model = None if settings is None else settings.model
    estimator = over_elements(estimator, frame, set() if model is None else {model.target, model.id or ""})
    signature = adopted_signature(estimator, frame, settings)
    columns = _columns(frame, signature, settings)
    scores = _scores(estimator, frame, signature)
    bins = bins_for(columns, signature)
    scored = score_bins(signature, scores)
    cuts = range(0, max(len(frame) // BLOCK_ROWS, 1) * BLOCK_ROWS, BLOCK_ROWS)
    ends = [*list(cuts)[1:], len(frame)]
    blocks = tuple(
        profile({k: v[a:b] for k, v in columns.items()}, bins, scores=scores[a:b], score_bins=scored, gram=False)
        for a, b in list(zip(cuts, ends, strict=True))[-MOST_BLOCKS:]
    )
    whole = profile(columns, bins, scores=scores, score_bins=scored)
    return Candidate(
        pipeline=estimator,
        signature=signature,
        lineage=Lineage(
            data=data_hash(frame),
            rows=len(frame),
            learner=f"{type(estimator).__module__.partition('.')[0]}.{type(_last(estimator)).__name__}",
            parameters={},
            seed=0 if settings is None else settings.train.seed,
            config="" if settings is None else config_hash(settings),
            versions=versions(),
            preparation=OWN,
        ),
        reference=Reference(
            profile=whole,
            blocks=blocks,
            order=order_of(columns, None),
            unusual=unusual_limits(columns, signature, whole),
        ),
        columns=columns,
        sample=frame[list(signature.names)].head(SAMPLE_ROWS),
        name=name if settings is None else settings.model.name,
    )


def adopted_signature(estimator: Any, frame: pd.DataFrame, settings: Settings | None) -> Signature:
    """The estimator's columns and classes, with the project's words for keys, times and the positive class.

    Of an estimator that knows its two classes as 0 and 1 (or False and True) while the project's positive class is
    a word of the table, 1 is the positive one. Raises UsageError when estimator and project disagree.
    """
    from fairlead.lab.compile import signature_for_estimator

    if settings is None:
        return signature_for_estimator(estimator, frame)
    model = settings.model
    found = signature_for_estimator(estimator, frame, target=model.target, definition=sys.intern(model.definition))
    if found.task != model.task:
        raise UsageError(f"this estimator does {found.task}; [model] task says {model.task}.")
    classes, positive = found.classes, found.positive
    words = _labels(frame, model.target)
    if len(classes) == 2 and classes in (("0", "1"), ("false", "true")) and words and not words <= set(classes):
        if model.positive is None or len(words) != 2:
            raise UsageError(f"the estimator knows its classes as {' and '.join(classes)}: set [model] positive.")
        (other,) = words - {model.positive}
        classes, positive = (other, model.positive), model.positive
    elif model.positive is not None and model.positive in classes:
        positive = model.positive
    return msgspec.structs.replace(
        found,
        classes=classes,
        positive=positive,
        key=model.id,
        time=model.time_columns,
        sticky=settings.sticky,
        timezone=sys.intern(model.timezone),
    )


def _labels(frame: pd.DataFrame, target: str) -> set[str]:
    if target not in frame.columns:
        return set()
    return {label_text(v) for v in frame[target].dropna().unique().tolist()}


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _columns(frame: pd.DataFrame, signature: Signature, settings: Settings | None) -> dict[str, Any]:
    from fairlead.lab.tables import columns_of

    zone = "UTC" if settings is None else settings.model.timezone
    found: dict[str, Any] = columns_of(frame, signature, zone=zone, invalid="missing")
    return found


def _scores(estimator: Any, frame: pd.DataFrame, signature: Signature) -> Floats:
    """Scores in the signature's order; its classes are the estimator's, whatever they are called there."""
    features = frame[list(signature.names)]
    if signature.task != "classification":
        return scores_of(estimator, features, signature)
    table = np.asarray(estimator.predict_proba(features), dtype=np.float64)
    place = {label_text(c): i for i, c in enumerate(estimator.classes_)}
    if set(place) <= set(signature.classes):
        whole = np.zeros((len(table), len(signature.classes)))
        for label, i in place.items():
            whole[:, signature.classes.index(label)] = table[:, i]
        return whole
    if table.shape[1] != len(signature.classes):
        raise InputInvalid("a fold held one class alone: the entrypoint needs rows of every class to learn from")
    return table
