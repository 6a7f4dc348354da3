"""Verbs that make and judge: train, bundle, evaluate, register, score."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def train(
    ws: Workspace,
    data: Any,
    progress: Callable[..., None] | None,
    older: str | None = None,
    engine: str | None = None,
) -> Answer:
    """See `Project.train`."""
    from fairlead.ops.flow import making

    kept = making.train(ws, source=data, progress=progress, older=older, engine=engine)
    return {
        "candidate": kept.learner,
        "bundle": kept.bundle,
        "learner": kept.learner,
        "metrics": kept.metrics,
        "leaderboard": kept.leaderboard,
        "decisions": kept.decisions,
        "parity": kept.parity,
        "seconds": round(kept.seconds, 3),
        "forecast": kept.forecast or None,
        "scale": kept.scale or None,
        "warm_start": kept.warm or None,
        "tables": msgspec.to_builtins(kept.tables),
        "set_aside": kept.set_aside,
        "warnings": kept.notes,
    }


def bundle(ws: Workspace, source: Any, sample: Any, *, trust: bool, target: str | None) -> Answer:
    """See `Project.bundle`."""
    from fairlead.doors.python import foreign
    from fairlead.ops.flow import making

    frame = making.training_frame(ws, sample)
    if target is not None and target not in frame.columns:
        raise UsageError(f"the sample has no column {target!r}. It has: {', '.join(map(str, frame.columns))}.")
    candidate, said = foreign.candidate_from(ws, source, frame, trust=trust, target=target)
    sealed, parity = making.seal_candidate(ws, candidate)
    ws.state.put(f"latest:{ws.model}", sealed.encode())
    ws.audit.record(ws.actor, "seal", sealed, "sealed a model trained elsewhere", {"rows": len(frame)})
    answer: Answer = {
        "bundle": sealed,
        "path": str(ws.store.path(sealed)),
        "parity": parity,
        "form": parity["form"],
        "why": foreign.why(parity),
        "did": said,
    }
    if target is not None:
        answer["metrics"] = foreign.metrics_of(ws.load(sealed), frame, target)
    return answer


def evaluate(
    ws: Workspace, reference: str | None, data: Any, engine: EngineSettings | None = None,
    progress: Callable[..., None] | None = None,
) -> Answer:  # fmt: skip
    """See `Project.evaluate`. engine: None: as the project says."""
    from fairlead.ops.flow import making
    from fairlead.ops.flow.gathering import gather

    chosen = making.resolve_bundle(ws, reference)
    chosen_engine = engine or ws.settings.engine
    if chosen_engine.name != "local":
        return _evaluate_elsewhere(ws, chosen, data, chosen_engine, progress)
    rows = None if data is None else gather(ws, data)
    judged = making.judge(ws, chosen, frame=None if rows is None else rows.frame, progress=progress)
    return {
        "bundle": chosen,
        "verdict": judged.verdict.outcome,
        "checks": [msgspec.to_builtins(check) for check in judged.verdict.checks],
        "metrics": judged.metrics,
        "report": judged.report,
        "warnings": [] if rows is None else list(rows.notes),
    }


def _evaluate_elsewhere(
    ws: Workspace, bundle: str, data: Any, engine: EngineSettings, progress: Callable[..., None] | None
) -> Answer:
    from fairlead.doors.python.engines import opened, rows_for
    from fairlead.ops.flow.judging_elsewhere import judge_on_engine

    started = time.perf_counter()
    say = progress or (lambda *words, **more: None)
    say(f"starting the engine {engine.name}", done=0.0)
    with opened(engine) as there:
        judged, found = judge_on_engine(ws, bundle, there, None if data is None else rows_for(ws, data), say=say)
    told = found.judged
    return {
        "bundle": bundle,
        "verdict": judged.verdict.outcome,
        "checks": [msgspec.to_builtins(check) for check in judged.verdict.checks],
        "metrics": judged.metrics,
        "report": judged.report,
        "warnings": [],
        "engine": engine.name,
        "rows": told.rows,
        "unlabelled": told.unlabelled,
        "loss": msgspec.to_builtins(told.loss),
        "intervals": {n: msgspec.to_builtins(i) for n, i in told.metrics.items()},
        "off_by": told.off_by,
        "against": {
            name: {"loss": loss, "difference": difference} for name, (loss, difference) in told.against.items()
        },
        "sampled": found.sampled,
        "by_sample": list(found.by_sample),
        "left_out": found.left_out,
        "seconds": round(time.perf_counter() - started, 3),
    }


def register(ws: Workspace, reference: str | None, progress: Callable[..., None] | None = None) -> Answer:
    """See `Project.register`."""
    from fairlead.ops.flow import making
    from fairlead.ops.flow.projecting import projected

    chosen = making.resolve_bundle(ws, reference)
    ws.load(chosen)  # a version that nobody could serve helps nobody
    number = making.register(ws, chosen)
    if progress is not None:
        progress(f"version {number}: writing it to MLflow")
    waiting = projected(ws)
    answer = {"model": ws.model, "version": number, "bundle": chosen, "verdict": making.verdict_of(ws, chosen)}
    return {**answer, "warnings": [waiting] if waiting else []}


def sync(ws: Workspace) -> Answer:
    """See `Project.sync`."""
    from fairlead.ops.flow.projecting import projected

    waiting = projected(ws)
    return {"model": ws.model, "warnings": [waiting] if waiting else []}


def score(
    ws: Workspace, rows: Any, out: str | Path | None, reference: str | None, rank: bool = False,
    engine: EngineSettings | None = None,
) -> Answer:  # fmt: skip
    """See `Project.score`. engine: None: as the project says."""
    from fairlead.ops.flow import making
    from fairlead.reach.score import score_table

    chosen = making.resolve_bundle(ws, reference) if reference else making.champion_bundle(ws)
    model = ws.load(chosen or making.resolve_bundle(ws, None))
    started = time.perf_counter()
    chosen_engine = engine or ws.settings.engine
    target = None if out is None else Path(out)
    if chosen_engine.name == "local":
        done = score_table(model, rows, target, ws.settings, ws.home.root, rank=rank)
    else:
        from fairlead.doors.python.engines import opened, rows_for
        from fairlead.reach.score.engines import score_on

        with opened(chosen_engine) as there:
            source = rows_for(ws, rows)
            folder = ws.store.path(model.id)
            done = score_on(there, model, folder, ws.trusted, source, target, ws.settings, rank=rank)
    seconds = time.perf_counter() - started
    answer: Answer = {
        "bundle": model.id,
        "rows": done.rows,
        "seconds": round(seconds, 4),
        "rows_per_s": round(done.rows / seconds) if seconds else 0,
        "rejected": done.rejected,
        "engine": chosen_engine.name,
        "warnings": list(done.notes),
    }
    if out is None:
        answer["predictions"] = done.frame
    else:
        answer["out"] = str(out)
    return answer
