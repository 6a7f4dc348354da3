"""Verbs that make and judge: train, bundle, evaluate, register, score."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def train(ws: Workspace, data: Any, progress: Callable[..., None] | None) -> Answer:
    """See `Project.train`."""
    from fairlead.ops.flow import making

    kept = making.train(ws, source=data, progress=progress)
    return {
        "candidate": kept.learner,
        "bundle": kept.bundle,
        "learner": kept.learner,
        "metrics": kept.metrics,
        "leaderboard": kept.leaderboard,
        "parity": kept.parity,
        "seconds": round(kept.seconds, 3),
    }


def bundle(ws: Workspace, source: Any, sample: Any, *, trust: bool) -> Answer:
    """See `Project.bundle`."""
    from fairlead.lab.train import candidate_of
    from fairlead.ops.flow import making

    if isinstance(source, str | Path):
        if not trust:
            raise UsageError(
                "opening a joblib file runs whatever code it holds. Give --trust if it comes from someone you trust."
            )
        source = opened(Path(source))
    frame = making.training_frame(ws, sample)
    candidate = candidate_of(source, frame, ws.settings)
    sealed, parity = making.seal_candidate(ws, candidate)
    ws.state.put(f"latest:{ws.model}", sealed.encode())
    ws.audit.record(ws.actor, "seal", sealed, "sealed a model trained elsewhere", {"rows": len(frame)})
    return {"bundle": sealed, "path": str(ws.store.path(sealed)), "parity": parity, "form": parity["form"]}


def opened(path: Path) -> Any:
    """What a joblib file holds. Raises SourceUnreadable. Runs the code in it: the caller has asked for trust."""
    import joblib

    if not path.is_file():
        raise SourceUnreadable(f"{path}: no such file")
    try:
        return joblib.load(path)
    except Exception as failure:
        # Whatever a foreign pickle does wrong, the person's question is about the file.
        raise SourceUnreadable(
            f"{path}: cannot be opened as a joblib file ({type(failure).__name__}: {failure}). "
            "Was it written by joblib.dump, with the library versions installed here?"
        ) from failure


def evaluate(ws: Workspace, reference: str | None, data: Any) -> Answer:
    """See `Project.evaluate`."""
    from fairlead.ops.flow import making

    chosen = making.resolve_bundle(ws, reference)
    frame = None if data is None else making.training_frame(ws, data)
    judged = making.judge(ws, chosen, frame=frame)
    return {
        "bundle": chosen,
        "verdict": judged.verdict.outcome,
        "checks": [msgspec.to_builtins(check) for check in judged.verdict.checks],
        "metrics": judged.metrics,
        "report": judged.report,
    }


def register(ws: Workspace, reference: str | None) -> Answer:
    """See `Project.register`."""
    from fairlead.ops.flow import making
    from fairlead.ops.flow.projecting import projected

    chosen = making.resolve_bundle(ws, reference)
    ws.load(chosen)  # a version that nobody could serve helps nobody
    number = making.register(ws, chosen)
    waiting = projected(ws)
    answer = {"model": ws.model, "version": number, "bundle": chosen, "verdict": making.verdict_of(ws, chosen)}
    return {**answer, "warnings": [waiting] if waiting else []}


def sync(ws: Workspace) -> Answer:
    """See `Project.sync`."""
    from fairlead.ops.flow.projecting import projected

    waiting = projected(ws)
    return {"model": ws.model, "warnings": [waiting] if waiting else []}


def score(ws: Workspace, rows: Any, out: str | Path | None, reference: str | None) -> Answer:
    """See `Project.score`."""
    from fairlead.ops.flow import making
    from fairlead.reach.score import score_table

    chosen = making.resolve_bundle(ws, reference) if reference else making.champion_bundle(ws)
    model = ws.load(chosen or making.resolve_bundle(ws, None))
    started = time.perf_counter()
    done = score_table(model, rows, None if out is None else Path(out), ws.settings)
    seconds = time.perf_counter() - started
    answer: Answer = {
        "bundle": model.id,
        "rows": done.rows,
        "seconds": round(seconds, 4),
        "rows_per_s": round(done.rows / seconds) if seconds else 0,
        "rejected": done.rejected,
    }
    if out is None:
        answer["predictions"] = done.frame
    else:
        answer["out"] = str(out)
    return answer
