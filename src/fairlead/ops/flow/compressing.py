"""`compress`: a smaller candidate in a version's place, and the signed certificate of what it cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import NotCompilable, UsageError
from fairlead.ops.flow import making
from fairlead.ops.flow.compressed import KIND, certified, signed, why_of
from fairlead.ops.flow.compressing_graphs import WAY, compress_graph, tail_of
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.reproducing import recorded_project, require_trial, rows_for
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compress import Smaller, Tried
    from fairlead.runtime.bundle import Model

Say = Callable[..., None]
PAGE = "compression.html"
TASKS = ("classification", "regression")
JOURNAL = "2"
"""Of what a search keeps of a trial: value, low and high of the loss, bytes, CPU seconds a million rows."""
CHOICES = 3
"""How many of the smallest are sealed and measured until one is what it should be."""


class Compressed(msgspec.Struct, frozen=True):
    """What came of it. smaller: the new candidate's bundle; None when nothing is smaller at that cost, as why tells.
    report: the page of the certificate.
    """

    former: str
    smaller: str | None
    why: str
    tried: tuple[Any, ...]
    certificate: Any | None
    seconds: float
    report: str = ""


def compress(
    ws: Workspace,
    reference: str | None,
    *,
    max_loss: float = 0.002,
    seconds: float = 300.0,
    only: Collection[str] | None = None,
    source: Any = None,
    progress: Say | None = None,
) -> Compressed:
    """Look for the smallest model whose mean loss is surely at most `max_loss` above a version's, and seal it.

    The search judges out of fold, and goes on where an earlier one of the same version and rows ended; the certificate,
    on the rows kept for judging, which neither model saw. only: words of `lab.compress.words_of_ways`. source: rows
    instead of those kept; of an ONNX network that was trained elsewhere, labelled rows that it has not seen. Raises
    UsageError for any other model that was trained elsewhere, or whose task has no loss.
    """
    from fairlead.lab.compress import Search, smaller_than, smallest, ways_of
    from fairlead.lab.train.bench import Bench
    from fairlead.lab.train.folding import folds_of
    from fairlead.lab.train.material import material_of, split_holdout
    from fairlead.lab.train.mitigating import mitigates_decisions

    started = time.perf_counter()
    say = progress or (lambda *words, **more: None)
    ways_of(only)
    bundle = making.resolve_bundle(ws, reference)
    model = ws.load(bundle)
    lineage, task = model.manifest.lineage, model.signature.task
    if task not in TASKS:
        raise UsageError(f"a {task} has no loss by which a smaller model could be compared.")
    then = recorded_project(ws, lineage)
    if (graph := tail_of(ws, bundle)) is not None:
        if WAY not in ways_of(only):
            return _nothing(
                ws, bundle, "of a network trained elsewhere only its weights can be made smaller", (), started
            )
        made, found, tried, why = compress_graph(ws, model, graph, source, max_loss=max_loss, say=say)
        if made is None:
            return _nothing(ws, bundle, why, tried, started)
        page = str(ws.home.reports / made[:16] / PAGE)
        return Compressed(bundle, made, why, tried, found, round(time.perf_counter() - started, 3), page)
    require_trial(lineage, then.settings)
    if lineage.learner == then.settings.train.entrypoint:
        raise UsageError("a model of [train] entrypoint is the project's own: make it smaller there.")
    if mitigates_decisions(then.settings):
        raise UsageError("[train] mitigate settles decisions as well: a smaller one would need that anew.")
    say("reading rows", done=0.0)
    rows, _, _, _ = rows_for(then, lineage, source)
    rules = then.settings.train
    everything = material_of(rows, then.settings)
    learned, _ = split_holdout(everything, then.settings.data.holdout, rules.seed)
    material = everything.take(learned)
    search = Search(
        Bench(material, folds_of(material, rules.folds, rules.seed)), max_loss=max_loss, seed=rules.seed,
        window=then.settings.monitor.window, journal=_journal(ws, bundle, rows),
    )  # fmt: skip
    tries = smaller_than(lineage.learner, lineage.parameters, task, only)
    if not tries:
        asked = f" of {', '.join(only)}" if only else ""
        return _nothing(ws, bundle, f"there is nothing{asked} to try on this model ({lineage.learner})", (), started)
    ranked, tried = smallest(
        search, lineage.learner, lineage.parameters, tries, seconds=seconds,
        further=lambda one: smaller_than(one.learner, one.parameters, task, only, one.said),
        say=lambda text, done: say(text, done=0.8 * done),
    )  # fmt: skip
    if not ranked:
        why = f"none of {len(tried)} things tried is smaller at a loss of at most {max_loss:g}"
        return _nothing(ws, bundle, why, tried, started)
    refused: list[str] = []
    for choice in ranked[:CHOICES]:
        found = _sealed(then, model, rows, choice, marked_of(tried, choice), max_loss, started, say)
        if isinstance(found, Compressed):
            return found
        refused.append(found)
    return _nothing(ws, bundle, refused[0], tried, started)


def _journal(ws: Workspace, bundle: str, rows: pd.DataFrame) -> Any:
    from fairlead.lab.train.journal import Journal
    from fairlead.lab.train.provenance import data_hash, versions

    words = [KIND, JOURNAL, bundle, data_hash(rows), *versions().values()]
    return Journal(ws.home.root / "searches" / hashlib.sha256("/".join(words).encode()).hexdigest()[:32])


def marked_of(tried: tuple[Tried, ...], choice: Smaller) -> tuple[Tried, ...]:
    """All that was tried, with the choice marked."""
    from fairlead.lab.compress import marked

    return marked(tried, choice.way, choice.what)


def _nothing(ws: Workspace, bundle: str, why: str, tried: tuple[Tried, ...], started: float) -> Compressed:
    ws.audit.record(ws.actor, "compress", bundle, why, {"tried": len(tried)})
    return Compressed(bundle, None, why, tried, None, round(time.perf_counter() - started, 3))


def _sealed(
    ws: Workspace,
    model: Model,
    rows: pd.DataFrame,
    choice: Smaller,
    tried: tuple[Tried, ...],
    max_loss: float,
    started: float,
    say: Say,
) -> Compressed | str:
    """Train the choice as any candidate, seal it, measure both, and keep it only if it is what it should be; else why
    it is not.
    """
    from fairlead.lab.train import train
    from fairlead.lab.train.recorded import Trial, without_search

    say(f"fitting {choice.what}", done=0.8)
    known = set(ws.store.ids())
    try:
        training = train(
            rows, without_search(ws.settings), home=ws.home.root, root=ws.project.root, parent=model.id,
            trial=Trial(choice.learner, choice.parameters),
        )  # fmt: skip
        smaller, _ = making.seal_candidate(ws, training.candidate)
    except NotCompilable as why:
        return f"{choice.what}: {why}"
    say("measuring both", done=0.9)
    found = certified(ws, model, smaller, (choice.way, choice.what), tried, training.holdout, max_loss)
    if smaller not in known:
        # Keeping adds to the lineage what it knows of the tables, so the bundle that stays has another name.
        ws.store.remove(smaller)
    if isinstance(found, str):
        return found
    kept = making.keep(ws, training, Gathered(rows))
    found = msgspec.structs.replace(found, smaller=kept.bundle)
    page = signed(ws, found)
    took = round(time.perf_counter() - started, 3)
    return Compressed(model.id, kept.bundle, why_of(found), found.tried, found, took, str(page))
