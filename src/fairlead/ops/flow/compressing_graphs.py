"""`compress` of an ONNX network that was trained elsewhere: nothing can be fitted again, so its weights take less."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import FairleadError, NotCompilable, UsageError
from fairlead.ops.flow import making
from fairlead.ops.flow.compressed import certified, cost_of, signed, why_of
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate
    from fairlead.lab.compress import Tried
    from fairlead.runtime.bundle import Model

Say = Callable[..., None]
WAY = "stored"


def tail_of(ws: Workspace, bundle: str) -> bytes | None:
    """The graph of a bundle whose form is that of an ONNX file; None of any other."""
    folder = ws.store.path(bundle)
    parity = msgspec.json.decode((folder / "parity.json").read_bytes())
    path = folder / "model" / "tail.onnx"
    return path.read_bytes() if parity["form"] == "onnx" and path.exists() else None


def compress_graph(
    ws: Workspace, model: Model, tail: bytes, source: Any, *, max_loss: float, say: Say
) -> tuple[str | None, Any, tuple[Tried, ...], str]:
    """The bundle that stands in its place, its certificate, what was tried, and why.

    The given rows are parted: on half of them the form is chosen, on the other half the certificate says what it costs.
    Raises UsageError without labelled rows.
    """
    if source is None:
        raise UsageError("it was trained elsewhere: give labelled rows that it has not learned from with --data.")
    say("reading rows", done=0.0)
    rows = making.training_frame(ws, source)
    if ws.settings.model.target not in rows.columns:
        raise UsageError(f"the rows need the target column {ws.settings.model.target!r}.")
    order = np.random.default_rng([ws.settings.train.seed, 15]).permutation(len(rows))
    first, second = (rows.iloc[np.sort(part)].reset_index(drop=True) for part in np.array_split(order, 2))
    found, tried = _tries(ws, model, tail, first, max_loss, say)
    refused = [f"none of {len(tried)} things tried is smaller at a loss of at most {max_loss:g}"]
    for _, form in sorted(found):
        try:
            made = _sealed(ws, model, tail, form, rows, say)
        except NotCompilable as why:
            refused.append(str(why))
            continue
        outcome = _certified(ws, model, made, form, tried, second, max_loss)
        if not isinstance(outcome, str):
            return made, outcome, outcome.tried, why_of(outcome)
        refused.append(outcome)
        ws.store.remove(made)
    return None, None, tried, refused[-1]


def _tries(
    ws: Workspace, model: Model, tail: bytes, rows: pd.DataFrame, max_loss: float, say: Say
) -> tuple[list[tuple[int, str]], tuple[Tried, ...]]:
    from fairlead.lab.compress import Tried
    from fairlead.lab.compress.graphs import FORMS, in_fewer_bytes

    found: list[tuple[int, str]] = []
    tried: list[Tried] = []
    for at, (form, words) in enumerate(FORMS.items()):
        say(words, done=0.5 * at / len(FORMS))
        try:
            data = in_fewer_bytes(tail, form)
            difference = cost_of(ws, model, _running(model, data), rows).difference
        except FairleadError as why:
            tried.append(Tried(WAY, words, None, None, str(why)[:300]))
            continue
        good = difference.high <= max_loss
        smaller = len(data) < len(tail)
        told = "small enough a loss" if good else f"possibly more than {max_loss:g} worse"
        tried.append(Tried(WAY, words, difference, len(data), told if smaller else "no smaller once compiled"))
        if good and smaller:
            found.append((len(data), form))
    return found, tuple(tried)


def _running(model: Model, tail: bytes) -> Model:
    """The same model with another graph."""
    from fairlead.runtime.bundle import Model as Built
    from fairlead.runtime.bundle.manifest import TAIL_ONNX
    from fairlead.runtime.bundle.tail import load_tail

    made = Built("", model.manifest, model.signature, model.front, load_tail({TAIL_ONNX: tail}, model.front.width))
    made._reference = model._reference
    return made


def _candidate(model: Model, form: str, rows: pd.DataFrame, tail: bytes) -> Candidate:
    from fairlead.lab.compile import Candidate
    from fairlead.lab.compress.graphs import Evaluated
    from fairlead.lab.tables import columns_of

    signature, lineage = model.signature, model.manifest.lineage
    return Candidate(
        pipeline=Evaluated(model.front, tail, signature),
        signature=signature,
        lineage=msgspec.structs.replace(lineage, parameters={**lineage.parameters, "weights": form}, parent=model.id),
        reference=model.reference,
        columns=columns_of(rows, signature, zone=signature.timezone, invalid="missing"),
        name=model.manifest.name,
    )


def _sealed(ws: Workspace, model: Model, tail: bytes, form: str, rows: pd.DataFrame, say: Say) -> str:
    """Certified against another engine, sealed and in the store. Raises NotCompilable where the two disagree."""
    from fairlead.lab.compile.certifying import certify, holds
    from fairlead.lab.compile.onnx_graphs import OnnxGraphs
    from fairlead.lab.compile.pipeline import Compiled
    from fairlead.lab.compile.writing import write_compiled
    from fairlead.lab.compress.graphs import in_fewer_bytes
    from fairlead.runtime.bundle.manifest import TAIL_ONNX

    say(f"sealing {form}", done=0.6)
    data = in_fewer_bytes(tail, form)
    candidate = _candidate(model, form, rows, data)
    compiled = Compiled(model.front, data, OnnxGraphs.form, TAIL_ONNX, OnnxGraphs.tolerance)
    certificate = certify(candidate.pipeline, compiled, candidate.signature, candidate.columns)
    if not holds(certificate):
        raise NotCompilable(
            f"two engines answer otherwise: {certificate.flipped} of {certificate.rows} decisions flipped, "
            f"largest difference {certificate.max_difference:.2g}."
        )
    folder = Path(tempfile.mkdtemp(dir=ws.home.bundles, prefix=".new-"))
    try:
        write_compiled(candidate, compiled, certificate, folder, ws.key)
        return ws.store.add(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _certified(
    ws: Workspace, model: Model, made: str, form: str, tried: tuple[Tried, ...], rows: pd.DataFrame, max_loss: float
) -> Any:
    """The signed certificate, or why there is none."""
    from fairlead.lab.compress import marked
    from fairlead.lab.compress.graphs import FORMS

    known = marked(tried, WAY, FORMS[form])
    found = certified(ws, model, made, (WAY, FORMS[form]), known, rows, max_loss)
    if not isinstance(found, str):
        signed(ws, found)
        ws.state.put(f"latest:{ws.model}", made.encode())
    return found
