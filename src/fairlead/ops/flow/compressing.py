"""`compress`: a smaller candidate in a version's place, and the signed certificate of what it cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Attestation
from fairlead.ops.flow import making
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.reproducing import recorded_project, require_trial, rows_for
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compress import Certificate, Cost, Smaller, Tried
    from fairlead.runtime.bundle import Model

Say = Callable[..., None]
TASKS = ("classification", "regression")
KIND = "compression"
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
    instead of those kept. Raises UsageError for a model that was trained elsewhere, or whose task has no loss.
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
    then = recorded_project(ws, lineage)
    require_trial(lineage, then.settings)
    if task not in TASKS:
        raise UsageError(f"a {task} has no loss by which a smaller model could be compared.")
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
    ranked, tried = smallest(
        search, lineage.learner, lineage.parameters,
        smaller_than(lineage.learner, lineage.parameters, task, only), seconds=seconds,
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

    words = [KIND, bundle, data_hash(rows), *versions().values()]
    return Journal(ws.home.root / "searches" / hashlib.sha256("/".join(words).encode()).hexdigest()[:32])


def marked_of(tried: tuple[Tried, ...], choice: Smaller) -> tuple[Tried, ...]:
    """All that was tried, with the choice marked."""
    from fairlead.lab.compress import marked

    return marked(tried, choice)


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
    from fairlead.lab.compress.certificate import Certificate, gained, is_smaller, spread_of
    from fairlead.lab.compress.measuring import measured_together
    from fairlead.lab.tables import columns_of
    from fairlead.lab.train import train
    from fairlead.lab.train.recorded import Trial, without_search

    say(f"fitting {choice.what}", done=0.8)
    training = train(
        rows, without_search(ws.settings), home=ws.home.root, root=ws.project.root, parent=model.id,
        trial=Trial(choice.learner, choice.parameters),
    )  # fmt: skip
    known = set(ws.store.ids())
    smaller, _ = making.seal_candidate(ws, training.candidate)
    say("measuring both", done=0.9)
    other = ws.load(smaller)
    signature = model.signature
    columns = columns_of(training.holdout, signature, zone=signature.timezone, invalid="missing")
    before, after = measured_together(
        (model, other), (ws.store.path(model.id), ws.store.path(smaller)), columns, tuple(ws.trusted)
    )
    share, cost = gained(before, after), cost_of(ws, model, other, training.holdout)
    certificate = Certificate(
        model.id, smaller, choice.way, choice.what, max_loss, cost, before, after, share, tried,
        spread_of(before, after), unread_of(other),
    )  # fmt: skip
    holds = is_smaller(share, certificate.spread)
    if not holds or cost.difference.low > max_loss:
        if smaller not in known:
            ws.store.remove(smaller)
        return _refused(certificate, holds)
    return _kept(ws, training, rows, certificate, started)


def _refused(certificate: Certificate, smaller: bool) -> str:
    if smaller:
        return (
            f"{certificate.what} lost {certificate.cost.difference.value:.4f} on rows that nobody had seen, "
            f"surely more than {certificate.max_loss:g}"
        )
    share = certificate.share
    return (
        f"{certificate.what} is not smaller all told: {share['bytes']:.0%} of the bytes, "
        f"{share['latency']:.0%} of the time of a row, {share['cpu']:.0%} of the CPU"
    )


def _kept(ws: Workspace, training: Any, rows: pd.DataFrame, certificate: Certificate, started: float) -> Compressed:
    from fairlead.lab.compress import write_certificate
    from fairlead.runtime.bundle import attest

    kept = making.keep(ws, training, Gathered(rows))
    # Keeping adds to the lineage what it knows of the tables, so the bundle has another name than the one measured.
    certificate = msgspec.structs.replace(certificate, smaller=kept.bundle)
    attest(
        ws.home.attestations,
        Attestation(kept.bundle, KIND, ws.clock(), ws.actor, msgspec.to_builtins(certificate)),
        ws.key,
    )
    page = write_certificate(certificate, ws.home.reports / kept.bundle[:16])
    why = f"{certificate.what}: {certificate.share['bytes']:.0%} of the bytes"
    ws.audit.record(ws.actor, "compress", kept.bundle, why, {"former": certificate.former, "share": certificate.share})
    return Compressed(
        certificate.former, kept.bundle, why, certificate.tried, certificate, round(time.perf_counter() - started, 3),
        str(page),
    )  # fmt: skip


def unread_of(model: Model) -> tuple[str, ...]:
    """Columns of the signature that nothing in the front reads."""
    from fairlead.runtime.bundle.front import sources_of

    read = {name for lane in model.front.lanes for name in sources_of(lane)}
    return tuple(name for name in model.signature.names if name not in read)


def compression_of(ws: Workspace, bundle: str) -> Any:
    """What a report says of a bundle that was made smaller; None of any other."""
    from fairlead.lab.evaluate.compressed import compressed_by
    from fairlead.runtime.bundle import attestations

    signed = [one for one in attestations(ws.home.attestations, bundle, ws.trusted) if one.kind == KIND]
    return compressed_by(signed[-1].statement) if signed else None


def cost_of(ws: Workspace, former: Model, smaller: Model, rows: pd.DataFrame) -> Cost:
    """What the smaller one loses on labelled rows, paired row by row; with time in blocks of a window."""
    from fairlead.lab.compress.certificate import Cost
    from fairlead.lab.evaluate.rows import judged_rows
    from fairlead.lab.stats.intervals import bootstrap
    from fairlead.lab.stats.measures import metrics

    old, new = (judged_rows(model, rows, ws.settings) for model in (former, smaller))
    new = new.with_clip(old.clip)
    signature = old.signature
    flipped = None
    if signature.task == "classification":
        decided = [np.asarray(model.decide(judged.scores)) for model, judged in ((former, old), (smaller, new))]
        flipped = float(np.mean(decided[0] != decided[1]))
    return Cost(
        rows=old.rows,
        difference=bootstrap(new.loss - old.loss, seed=ws.settings.train.seed, block=old.block),
        former=metrics(signature.task, old.truth, old.scores, signature),
        smaller=metrics(signature.task, new.truth, new.scores, new.signature),
        flipped=flipped,
    )
