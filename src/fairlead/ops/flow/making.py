"""From rows to a registered version: train, seal, judge, attest, register. Each step can be repeated."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import BundleNotFound, BundleRefused, UsageError
from fairlead.contract.evidence import Attestation, TableRead, Verdict
from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.flow.explained import explanations_of, gradient_files
from fairlead.ops.flow.gathering import TRAIN, Gathered, gather
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate
    from fairlead.lab.evaluate import Report

Progress = Callable[..., None]
MOST_TRIALS = 10_000
"""Trials of a search that are remembered."""


class Kept(msgspec.Struct, frozen=True):
    """What is remembered about a sealed candidate: where its judging rows lie and how it was found."""

    bundle: str
    at: float
    learner: str
    holdout: str
    metrics: dict[str, Any]
    leaderboard: list[dict[str, Any]]
    seconds: float
    parity: dict[str, Any]
    trained_from: float = 0.0
    trained_to: float = 0.0
    parent: str = ""
    notes: list[str] = []
    set_aside: int = 0
    tables: dict[str, TableRead] = {}
    decisions: dict[str, Any] = {}
    learning: dict[str, Any] = {}
    forecast: dict[str, Any] = {}
    scale: dict[str, Any] = {}
    warm: dict[str, Any] = {}


class Judged(msgspec.Struct, frozen=True):
    """A sealed bundle's verdict and where its report lies. intervals: ends of each metric's, where they are known."""

    bundle: str
    verdict: Verdict
    report: str
    metrics: dict[str, Any]
    intervals: dict[str, tuple[float, float]] = {}


def keep_rows(ws: Workspace, frame: pd.DataFrame) -> str:
    """Store rows under their content hash (once) and return the hash."""
    from fairlead.lab.tables import open_table, write_rows

    digest = open_table(frame).hash
    folder = ws.home.tables / digest
    if not (folder / "rows.parquet").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
        try:
            write_rows(frame, temporary / "rows.parquet")
            with contextlib.suppress(OSError):
                temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return digest


def kept_for_again(ws: Workspace, frame: pd.DataFrame) -> bool:
    """Keep all rows of a training; False where they cannot be written down."""
    import pyarrow as pa

    try:
        keep_rows(ws, frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def kept_rows(ws: Workspace, digest: str) -> pd.DataFrame:
    """Rows stored by `keep_rows`. Raises UsageError when they are gone."""
    import pandas as pd
    import pyarrow.parquet as parquet

    from fairlead.lab.tables.tensors import frame_from, holds_lists

    path = ws.home.tables / digest / "rows.parquet"
    if not path.exists():
        raise UsageError(f"the rows {digest[:12]} are no longer in this home. Give rows to judge on with --data.")
    if any(holds_lists(field.type) for field in parquet.read_schema(path)):
        return frame_from(parquet.read_table(path))
    return pd.read_parquet(path)


def training_frame(ws: Workspace, source: Any = None) -> pd.DataFrame:
    """The project's training table (or `source`) after `[data] prepare`, as pandas with inferred dtypes."""
    return gather(ws, source).frame


def train(
    ws: Workspace,
    *,
    source: Any = None,
    progress: Progress | None = None,
    older: str | None = None,
    engine: str | None = None,
) -> Kept:
    """Search, fit and seal the project's model; the rows kept for judging are stored beside it.

    older: version, alias or bundle that is gone on from where that is better; else by `[train] warm_start`.
    engine: who fits the trials, in the place of `[train] engine`.
    """
    from fairlead.lab.train import train as fit
    from fairlead.lab.train.distributed.sessions import fitted_by

    settings = fitted_by(ws.settings, engine)

    # What cannot be kept at the end is not begun: the state is opened, and the key read, before hours of search.
    _ = ws.state, ws.key
    say = progress or (lambda *words, **more: None)
    say("reading tables", done=0.0)
    from fairlead.lab.train.suspects.warning import leak_warnings
    from fairlead.lab.train.weighing import weighing_notes
    from fairlead.ops.flow.large import rows_to_train
    from fairlead.ops.flow.transferring import seen_before, transferred_for
    from fairlead.ops.flow.warm_start import older_for

    with rows_to_train(ws, source, say) as rows:
        start, said = older_for(ws, older, rows)
        begun, begun_said = transferred_for(ws)
        training = fit(
            rows.frame, settings, home=ws.home.root, root=ws.project.root, progress=progress, large=rows.large,
            older=start, transferred=begun,
        )  # fmt: skip
        told = (
            *leak_warnings(rows.frame, ws.settings, training.holdout),
            *weighing_notes(ws.settings, training.decisions),
        )
        told += (*begun_said, *seen_before(ws, begun, rows.frame, training.holdout))
        return keep(ws, training, dataclasses.replace(rows, notes=(*rows.notes, *said, *told)))


def keep(ws: Workspace, training: Any, rows: Gathered | None = None) -> Kept:
    """Seal a training's candidate, put it in the store and remember how it came about.

    rows: what it was trained on, which the home keeps under its content hash, so that the model can be made again.
    """
    from fairlead.lab.train.preparing import notes_of
    from fairlead.ops.flow.warm_start import keep_artefact

    holdout = keep_rows(ws, training.holdout)
    candidate = traced(training.candidate, rows, holdout, len(training.holdout))
    notes = [*(rows.notes if rows is not None else ()), *notes_of(candidate.lineage.preparation)]
    if rows is not None and not kept_for_again(ws, rows.frame):
        notes.append("cells of one column are of several kinds: the rows cannot be kept for `fairlead reproduce`")
    bundle, parity = seal_candidate(ws, candidate)
    keep_artefact(ws, bundle, candidate)
    lineage = candidate.lineage
    kept = Kept(
        bundle=bundle,
        at=ws.clock(),
        learner=lineage.learner,
        holdout=holdout,
        metrics=training.metrics,
        leaderboard=[dict(row) for row in training.leaderboard],
        seconds=training.seconds,
        parity=parity,
        trained_from=lineage.trained_from,
        trained_to=lineage.trained_to,
        parent=lineage.parent,
        notes=notes,
        set_aside=rows.set_aside if rows is not None else 0,
        tables=lineage.tables,
        decisions={} if training.decisions is None else training.decisions.plain(),
        learning=msgspec.to_builtins(training.learning) if training.learning is not None else {},
        forecast=msgspec.to_builtins(training.forecast) if training.forecast is not None else {},
        scale=msgspec.to_builtins(training.scale) if training.scale is not None else {},
        warm=msgspec.to_builtins(training.warm) if training.warm is not None else {},
    )
    with ws.state.transaction():
        ws.state.put(f"candidate:{bundle}", msgspec.json.encode(kept))
        if training.searched:
            ws.state.put(f"trials:{bundle}", msgspec.json.encode(training.searched[:MOST_TRIALS]))
        ws.state.put(f"latest:{ws.model}", bundle.encode())
        ws.audit.record(ws.actor, "seal", bundle, "trained", {"learner": lineage.learner, "rows": lineage.rows})
    return kept


def trials_of(ws: Workspace, bundle: str) -> list[dict[str, Any]]:
    """The trials of the search that found a bundle, in order; at most MOST_TRIALS, none of one sealed elsewhere."""
    found = ws.state.get(f"trials:{bundle}")
    return [] if found is None else msgspec.json.decode(found, type=list[dict[str, Any]])


def traced(candidate: Candidate, rows: Gathered | None, holdout: str, held: int) -> Candidate:
    """The candidate with every table that was read in its lineage, the rows kept for judging among them."""
    lineage = candidate.lineage
    found = (
        dict(rows.tables) if rows is not None and rows.tables else {TRAIN: TableRead("", lineage.data, lineage.rows)}
    )
    found["holdout"] = TableRead("", holdout, held)
    excluded = 0 if rows is None else rows.excluded
    traced = msgspec.structs.replace(lineage, tables=found, excluded_rows=excluded)
    return dataclasses.replace(candidate, lineage=traced)


def seal_candidate(ws: Workspace, candidate: Candidate) -> tuple[str, dict[str, Any]]:
    """Compile, certify and seal into the store; returns the id and the parity certificate."""
    from fairlead.lab.compile import write_bundle
    from fairlead.lab.evaluate.populations import with_population
    from fairlead.lab.stats import few_threads
    from fairlead.runtime.bundle import verify
    from fairlead.runtime.native import native_terms

    signature = with_population(candidate.signature, ws.settings.card)
    candidate = dataclasses.replace(candidate, card=ws.settings.card, signature=signature)
    ws.home.bundles.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ws.home.bundles, prefix=".new-"))
    try:
        with few_threads(candidate.lineage.rows):
            write_bundle(candidate, folder, ws.key, native=native_terms(ws.settings))
        bundle = ws.store.add(folder)
        try:
            verify(ws.store.path(bundle), ws.trusted)
        except BundleRefused:
            # The store had it already, spoilt or sealed by a key that is gone; what was just sealed takes its place.
            ws.store.remove(bundle)
            ws.store.add(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    parity = msgspec.json.decode((ws.store.path(bundle) / "parity.json").read_bytes())
    return bundle, parity


def kept(ws: Workspace, bundle: str) -> Kept | None:
    """What is remembered about a candidate, None for a bundle sealed elsewhere."""
    found = ws.state.get(f"candidate:{bundle}")
    return None if found is None else msgspec.json.decode(found, type=Kept)


def resolve_bundle(ws: Workspace, reference: str | None) -> str:
    """A bundle id from an id, its first characters, a version number, an alias, `latest`, or nothing: the latest
    trained."""
    if not reference or reference == "latest":
        latest = ws.state.get(f"latest:{ws.model}")
        if latest is None:
            raise BundleNotFound("nothing has been trained yet: run `fairlead train` first.")
        return latest.decode()
    if reference.isdigit() and len(reference) < 8:
        return str(ws.state.version(ws.model, int(reference)).bundle)
    aliases = ws.state.aliases(ws.model)
    if reference in aliases:
        return str(ws.state.version(ws.model, aliases[reference]).bundle)
    matching = [found for found in ws.store.ids() if found.startswith(reference)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(f"{reference!r} names {len(matching)} bundles: give more of its characters.")
    raise BundleNotFound(f"no bundle, version or alias {reference!r} of {ws.model!r}.")


def champion_bundle(ws: Workspace) -> str | None:
    """The bundle that answers now, if any."""
    intent = ws.state.intent(ws.model)
    if intent is None:
        return None
    answering = [v for v in intent.variants if v.name == "champion"]
    return answering[0].bundle if answering else None


def judge(
    ws: Workspace, bundle: str, *, frame: pd.DataFrame | None = None,
    of_all: Callable[[Report], Report] | None = None, progress: Progress | None = None,
) -> Judged:  # fmt: skip
    """Judge the sealed bundle on rows it never saw; write report and attestation. The gate is the project's.

    of_all: puts figures of all rows into the report of a sample, see `judging_elsewhere`.
    """
    from fairlead.lab.evaluate import evaluate, gate, write_report
    from fairlead.ops.flow.behaving import results_of
    from fairlead.ops.flow.members import known_to_ranking, members_of

    remembered = kept(ws, bundle)
    if frame is None:
        if remembered is None:
            raise UsageError("this bundle was not trained here: give rows to judge it on with --data.")
        frame = kept_rows(ws, remembered.holdout)
    elif ws.settings.model.target not in frame.columns and ws.settings.model.task not in UNSUPERVISED:
        have = ", ".join(str(c) for c in frame.columns)
        raise UsageError(f"rows to judge on need the target column {ws.settings.model.target!r}. These have: {have}.")
    champion = champion_bundle(ws)
    say = progress or (lambda *words, **more: None)
    say(f"asking the sealed bundle about {len(frame):,} rows")
    report = evaluate(
        ws.load(bundle),
        frame,
        ws.settings,
        champion=ws.load(champion) if champion and champion != bundle else None,
        parity=msgspec.json.decode((ws.store.path(bundle) / "parity.json").read_bytes()),
        leaderboard=remembered.leaderboard if remembered else None,
        members=members_of(ws, bundle) if ws.settings.evaluate.robustness else None,
        files=gradient_files(ws, bundle),
        known=known_to_ranking(ws, bundle),
    )
    if of_all is not None:
        report = of_all(report)
    if ws.settings.gate.behaviour:
        report = msgspec.structs.replace(report, behaviour=results_of(ws, bundle, frame))
    say("explaining its answers")
    report = msgspec.structs.replace(report, explanation=explanations_of(ws, bundle, frame))
    verdict = gate(report, ws.settings)
    report = _completed(ws, bundle, report, verdict, remembered)
    say("drawing the report")
    page = write_report(report, verdict, ws.home.reports / bundle[:16])
    ends = {name: (told.low, told.high) for name, told in report.metrics.items() if math.isfinite(told.low + told.high)}
    judged = Judged(bundle, verdict, str(page), report.values(), ends)
    attest_verdict(ws, judged)
    return judged


def _completed(ws: Workspace, bundle: str, report: Report, verdict: Verdict, remembered: Kept | None) -> Report:
    """The report with what training found and what is signed; no check rests on either."""
    from fairlead.contract.decisions import Decisions
    from fairlead.contract.learning import Learning
    from fairlead.contract.scale import Scale
    from fairlead.contract.warm import WarmStart
    from fairlead.ops.flow.recording import record_of

    told: dict[str, Any] = {"record": record_of(ws, bundle, verdict, judged=ws.clock(), by=ws.actor, fresh=True)}
    if remembered is not None and remembered.decisions:
        told["decisions"] = msgspec.convert(remembered.decisions, Decisions)
    from fairlead.ops.flow.compressed import compression_of

    if (smaller := compression_of(ws, bundle)) is not None:
        told["compressed"] = smaller
    if remembered is not None and remembered.learning:
        told["learning"] = msgspec.convert(remembered.learning, Learning)
    if remembered is not None and remembered.scale:
        told["scale"] = msgspec.convert(remembered.scale, Scale)
    if remembered is not None and remembered.warm:
        told["warm"] = msgspec.convert(remembered.warm, WarmStart)
    return msgspec.structs.replace(report, **told)


def attest_verdict(ws: Workspace, judged: Judged) -> None:
    """Sign the verdict and write it beside the bundle, and into the audit chain."""
    from fairlead.runtime.bundle import attest

    statement = {
        "model": ws.model, **msgspec.to_builtins(judged.verdict), "metrics": judged.metrics,
        "intervals": judged.intervals,
    }  # fmt: skip
    attest(
        ws.home.attestations,
        Attestation(judged.bundle, "verdict", ws.clock(), ws.actor, statement),
        ws.key,
    )
    failed = [c.name for c in judged.verdict.checks if c.holds_back]
    ws.audit.record(
        ws.actor, "judge", judged.bundle, judged.verdict.outcome, {"not passed": failed, "metrics": judged.metrics}
    )


def verdict_of(ws: Workspace, bundle: str) -> str | None:
    """The newest attested outcome for a bundle, waivers counted; None when nothing vouches for it."""
    from fairlead.ops.flow.waiving import standing

    return standing(ws, bundle).outcome


def require_attested(ws: Workspace, bundle: str, *, approved: bool = True) -> None:
    """Raises NotAttested unless the newest verdict passes, waivers counted, and those asked have approved."""
    from fairlead.ops.flow.approving import require_standing

    require_standing(ws, bundle, approved=approved)


def register(ws: Workspace, bundle: str) -> int:
    """A version of this model for the bundle (the same one each time), projected to MLflow as soon as it can be."""
    remembered = kept(ws, bundle)
    details = {"learner": remembered.learner, "metrics": remembered.metrics} if remembered else {}
    with ws.state.transaction():
        before = ws.state.find_bundle(bundle)
        number = ws.state.add_version(
            ws.model, bundle, at=ws.clock(), verdict=verdict_of(ws, bundle) or "", details=details
        )
        if before is None:
            ws.audit.record(ws.actor, "register", f"{ws.model} {number}", "registered", {"bundle": bundle})
    return number
