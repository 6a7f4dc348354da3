"""The auditor's part of a report: filled when a bundle is judged, renewed when a person waives or approves."""

from __future__ import annotations

import contextlib

import msgspec

from fairlead.contract.errors import FairleadError
from fairlead.contract.evidence import Verdict
from fairlead.lab.evaluate import write_report
from fairlead.lab.evaluate.page import Written
from fairlead.lab.evaluate.record import Record, Signed
from fairlead.ops.flow import approving, waiving
from fairlead.ops.flow.workspace import Workspace


def record_of(ws: Workspace, bundle: str, verdict: Verdict, *, judged: float, by: str, fresh: bool = False) -> Record:
    """What is signed about a bundle now, and what it was made from.

    fresh: the verdict is just being given, so that nobody has seen it, let alone approved.
    """
    from fairlead.runtime.bundle import signer_of

    manifest = ws.load(bundle).manifest
    settings = ws.settings
    given = () if fresh else approving.approvals(ws, bundle)
    return Record(
        signer=signer_of(ws.store.path(bundle)),
        runtime=f"{manifest.runtime} {manifest.runtime_version}".strip(),
        files=dict(manifest.files),
        lineage=manifest.lineage,
        judged=judged,
        judged_by=by,
        gate=msgspec.to_builtins(settings.gate),
        card=settings.card,
        purposes=settings.serve.purposes,
        waivers=_waivers(ws, bundle, verdict),
        approvals=tuple(Signed("approval", one.by, one.at, one.reason, recorded=one.recorded) for one in given),
        missing=approving.lacking(settings.gate.approvals, given),
    )


def _waivers(ws: Workspace, bundle: str, verdict: Verdict) -> tuple[Signed, ...]:
    from fairlead.runtime.bundle import attestations

    now, held = ws.clock(), [c for c in verdict.checks if c.holds_back]
    told = []
    for attestation in attestations(ws.home.attestations, bundle, ws.trusted):
        if attestation.kind != "waiver":
            continue
        one = waiving.waiver_of(attestation)
        counts = any(one.covers(check, now) for check in held)
        lapsed = "" if counts else "expired" if one.until <= now else "not needed, or given for less"
        told.append(Signed(one.check, one.by, one.at, one.reason, waiving.day_of(one.until), attestation.by, lapsed))
    return tuple(told)


def renew(ws: Workspace, bundle: str) -> None:
    """Write the report's pages anew after a person has signed. The evidence and the verdict in it stay as they are.

    What was signed counts whether or not its page can be written: a report that is gone, or of another format, stays.
    """
    folder = ws.home.reports / bundle[:16]
    with contextlib.suppress(OSError, msgspec.MsgspecError, FairleadError):
        written = msgspec.json.decode((folder / "report.json").read_bytes(), type=Written)
        before = written.report.record
        if before is None or written.report.bundle != bundle:
            return
        record = record_of(ws, bundle, written.verdict, judged=before.judged, by=before.judged_by)
        write_report(msgspec.structs.replace(written.report, record=record), written.verdict, folder)
