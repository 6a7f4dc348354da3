"""What a version needs to be gone on from: its booster kept beside the bundle, signed, without pickle."""

from __future__ import annotations

import hashlib
from typing import Any

from fairlead.contract.errors import BundleRefused, FairleadError, UsageError
from fairlead.contract.evidence import Attestation
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.workspace import Workspace

FOLDER = "boosters"
KIND = "continuation"
MOST_BYTES = 1 << 30
FRONT, LINEAR = "model/front.json", "model/tail.json"
CHAMPION = "champion"


def keep_artefact(ws: Workspace, bundle: str, candidate: Any) -> None:
    """Keep what a later training goes on from, and sign its hash; nothing for models that cannot be gone on from.

    Not in the bundle: serving has no use for it.
    """
    from fairlead.runtime.bundle import attest
    from fairlead.runtime.bundle.sealing import write

    if candidate.signature.task == "forecasting":
        # A forecaster is several of the learner's models, and learns anew.
        return
    if candidate.lineage.learner not in names("warm") or not hasattr(candidate.pipeline, "steps"):
        return
    data = variant("warm", candidate.lineage.learner)().artefact(candidate.pipeline.steps[-1][1])
    if data is None or len(data) > MOST_BYTES:
        return
    folder = ws.home.root / FOLDER
    folder.mkdir(exist_ok=True)
    write(folder / bundle, data)
    statement = {"learner": candidate.lineage.learner, "sha256": hashlib.sha256(data).hexdigest()}
    attest(ws.home.attestations, Attestation(bundle, KIND, candidate_time(candidate), ws.actor, statement), ws.key)


def candidate_time(candidate: Any) -> float:
    """The end of what it learned from: the same statement for the same candidate, however often it is sealed."""
    return float(candidate.lineage.trained_to)


def older_for(ws: Workspace, reference: str | None, rows: Gathered) -> tuple[Any, tuple[str, ...]]:
    """What a training goes on from, as `lab.train.warm.start.Start`, and notes for people; None where it does not.

    reference: a version, alias or bundle; else the champion where `[train] warm_start` asks for it. Of a table larger
    than memory nothing is gone on from. Raises UsageError, BundleRefused where what is asked for cannot be.
    """
    if not reference and ws.settings.train.warm_start != CHAMPION:
        return None, ()
    from fairlead.ops.flow.making import champion_bundle, resolve_bundle

    if rows.large is not None:
        if reference:
            raise UsageError("a table larger than memory is not gone on with: leave --from out, or raise memory_mb.")
        return None, ("trained anew: a table larger than memory is not gone on with",)
    bundle = resolve_bundle(ws, reference) if reference else champion_bundle(ws)
    if bundle is None:
        return None, ("trained anew: there is no champion yet that could be gone on from",)
    return start_of(ws, bundle), ()


def start_of(ws: Workspace, bundle: str) -> Any:
    """A sealed bundle as what is gone on from. Raises UsageError, BundleRefused."""
    from fairlead.lab.train.warm.start import Start
    from fairlead.ops.flow.members import learned_rows
    from fairlead.runtime.bundle import verify

    name = _name_of(ws, bundle)
    files = verify(ws.store.path(bundle), ws.trusted).files
    model = ws.load(bundle)
    lineage, signature = model.manifest.lineage, model.signature
    if lineage.learner not in names("warm"):
        able = ", ".join(names("warm"))
        raise UsageError(f"{name} is a {lineage.learner}, which cannot be gone on from; these can: {able}.")
    if FRONT not in files or signature.task in UNSUPERVISED:
        raise UsageError(f"{name} is not compiled, and what is not compiled cannot be gone on from.")
    # A linear model is all in its tail; of a booster the compiled trees lack what its library needs to grow more.
    sealed = files[LINEAR] if LINEAR in files else _artefact(ws, bundle, name)
    # Of a table larger than memory only the sample is kept, and it learned from more than that.
    untold = (signature.time and lineage.trained_to) or lineage.out_of_core.get("way") == "every row"
    learned = None if untold else learned_rows(ws, bundle)
    return Start(bundle, name, lineage, signature, files[FRONT], sealed, learned)


def _artefact(ws: Workspace, bundle: str, name: str) -> bytes:
    from fairlead.runtime.bundle import attestations

    signed = [a for a in attestations(ws.home.attestations, bundle, ws.trusted) if a.kind == KIND]
    path = ws.home.root / FOLDER / bundle
    if not signed or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise UsageError(
            f"no booster of {name} is kept in this home that could be gone on from: it was sealed elsewhere or before "
            "boosters were kept. Train anew once."
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() not in {str(a.statement.get("sha256")) for a in signed}:
        raise BundleRefused(f"the booster kept of {name} is not the one that was signed.")
    return data


def _name_of(ws: Workspace, bundle: str) -> str:
    version = ws.state.find_bundle(bundle)
    return f"version {version.number}" if version is not None else f"bundle {bundle[:12]}"


def older_or_note(ws: Workspace, rows: Gathered) -> tuple[Any, tuple[str, ...]]:
    """As `older_for` where nobody is there to read a refusal: what cannot be gone on from is noted."""
    try:
        return older_for(ws, None, rows)
    except FairleadError as why:
        return None, (f"trained anew: {why}",)
