"""The certificate of a smaller model: measured, judged, signed, and read back for reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Attestation
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compress import Certificate, Cost, Tried
    from fairlead.runtime.bundle import Model

KIND = "compression"


def certified(
    ws: Workspace, model: Model, bundle: str, said: tuple[str, str], tried: tuple[Tried, ...], rows: pd.DataFrame,
    max_loss: float,
) -> Certificate | str:  # fmt: skip
    """What the sealed `bundle` costs and gains in the place of `model`; or why it is not what it should be.

    said: its way, and what it is in words; rows: labelled, that neither saw.
    """
    from fairlead.lab.compress import Certificate, gained, is_smaller, measured_together, spread_of
    from fairlead.lab.tables import columns_of

    other, signature = ws.load(bundle), model.signature
    columns = columns_of(rows, signature, zone=signature.timezone, invalid="missing")
    before, after = measured_together(
        (model, other), (ws.store.path(model.id), ws.store.path(bundle)), columns, tuple(ws.trusted)
    )
    share, cost, spread = gained(before, after), cost_of(ws, model, other, rows), spread_of(before, after)
    what = said[1]
    if not is_smaller(share, spread):
        return (
            f"{what} is not smaller all told: {share['bytes']:.0%} of the bytes, "
            f"{share['latency']:.0%} of the time of a row, {share['cpu']:.0%} of the CPU"
        )
    if cost.difference.low > max_loss:
        return f"{what} lost {cost.difference.value:.4f} on rows that nobody had seen, surely more than {max_loss:g}"
    return Certificate(
        model.id, bundle, *said, max_loss, cost, before, after, share, tried, spread, unread_of(other)
    )  # fmt: skip


def signed(ws: Workspace, certificate: Certificate) -> Path:
    """Sign the certificate beside its bundle, write its page, and say so in the log; the page."""
    from fairlead.lab.compress import write_certificate
    from fairlead.runtime.bundle import attest

    bundle = certificate.smaller
    statement = msgspec.to_builtins(certificate)
    attest(ws.home.attestations, Attestation(bundle, KIND, ws.clock(), ws.actor, statement), ws.key)
    page = write_certificate(certificate, ws.home.reports / bundle[:16])
    ws.audit.record(
        ws.actor, "compress", bundle, why_of(certificate), {"former": certificate.former, "share": certificate.share}
    )
    return page


def why_of(certificate: Certificate) -> str:
    """In a line."""
    return f"{certificate.what}: {certificate.share['bytes']:.0%} of the bytes"


def unread_of(model: Model) -> tuple[str, ...]:
    """Columns of the signature that nothing in the front reads."""
    from fairlead.runtime.bundle.front import sources_of

    read = {name for lane in model.front.lanes for name in sources_of(lane)}
    return tuple(name for name in model.signature.names if name not in read)


def compression_of(ws: Workspace, bundle: str) -> Any:
    """What a report says of a bundle that was made smaller; None of any other."""
    from fairlead.lab.evaluate.compressed import compressed_by
    from fairlead.runtime.bundle import attestations

    found = [one for one in attestations(ws.home.attestations, bundle, ws.trusted) if one.kind == KIND]
    return compressed_by(found[-1].statement) if found else None


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
