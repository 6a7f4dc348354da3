"""The verbs `loadtest` and `capacity`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
FILE = "loadtest.json"


def loadtest(
    ws: Workspace,
    version: str | int | None,
    data: Any,
    url: str,
    out: str | Path | None,
    progress: Callable[..., None] | None,
    **asked: Any,
) -> Answer:
    """See `Project.loadtest`."""
    from fairlead.reach.capacity import loadtest as testing
    from fairlead.reach.export import exported_of

    terms = testing.Asked(**{name: said for name, said in asked.items() if said is not None})
    exported = exported_of(ws, None if version is None else str(version))
    subject = testing.Subject(
        model=exported.model, bundle=exported.bundle, version=exported.version, folder=exported.folder,
        signer=exported.signer, native=exported.native, fairlead=exported.fairlead,
        rows=rows_of(ws, data, exported),
    )  # fmt: skip
    say = progress or (lambda text: None)
    if url:
        from fairlead.runtime.serve.access import VARIABLE

        found = testing.measure_running(
            subject, terms, ws.clock(), url, secret=os.environ.get(VARIABLE, "").strip(), here=on_this_machine(url),
            workers=terms.workers[0], say=say,
        )  # fmt: skip
    else:
        found = testing.measure_own(subject, terms, ws.clock(), say)
    path = testing.kept(found, Path(out) if out is not None else ws.project.root / FILE)
    return {**msgspec.to_builtins(found), "file": str(path), "carried": carried(found)}


def rows_of(ws: Workspace, data: Any, exported: Any) -> list[Answer]:
    """What is asked: rows of a table with the columns that the model takes, else the bundle's golden rows."""
    if data is None:
        lines = exported.files["golden.jsonl"].splitlines()
        return [msgspec.json.decode(line)["row"] for line in lines]
    from fairlead.doors.python.serving import records_of

    signature = exported.signature
    wanted = {*signature.names, *signature.passthrough}
    return [{name: cell for name, cell in row.items() if name in wanted} for row in records_of(ws, data)]


def on_this_machine(url: str) -> bool:
    """Whether an address is this machine's loopback."""
    from urllib.parse import urlsplit

    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def carried(measured: Any) -> list[Answer]:
    """For each number of workers, what was carried within the test's limit and what was not."""
    rows = []
    for run in measured.runs:
        good, bad = run.bracket(measured.p99_ms)
        best = run.best(measured.p99_ms)
        rows.append({
            "workers": run.workers, "carried": good, "not_carried": bad, "p99_ms": best.p99_ms if best else None,
            "cpu_cores": best.cpu_cores if best else None, "memory_mb": best.memory_mb if best else None,
        })  # fmt: skip
    return rows


def capacity(
    ws: Workspace, rate: float, p99_ms: float, headroom: float, spare: int, workers: int | None,
    files: Sequence[str | Path],
) -> Answer:  # fmt: skip
    """See `Project.capacity`."""
    from fairlead.reach.capacity import plan_for, read_measured

    found = [read_measured(Path(file)) for file in (files or [ws.project.root / FILE])]
    if len({(one.bundle, one.machine) for one in found}) > 1:
        raise UsageError("results of one bundle on one machine belong together; these are of several.")
    measured = msgspec.structs.replace(found[-1], runs=tuple(run for one in found for run in one.runs))
    plan, law = plan_for(measured, rate, p99_ms, headroom=headroom, spare=spare, workers=workers)
    told: dict[str, Any] | None = None
    if law is not None:
        parts = ("rate", "contention", "coherency")
        told = {name: dict(zip(("value", "low", "high"), getattr(law, name), strict=True)) for name in parts}
        told |= {"measured": list(law.measured), "assumed": law.assumed}
    answer: Answer = {"model": measured.model, "bundle": measured.bundle, **msgspec.to_builtins(plan), "law": told}
    return answer
