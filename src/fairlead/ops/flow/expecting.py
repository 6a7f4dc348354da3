"""What a person marked as expected: signed beside the bundle, in the audit log, and taken back by the same hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.events import Area, Finding
from fairlead.contract.evidence import Attestation
from fairlead.contract.incidents import Amendment, Incident
from fairlead.contract.profile import Profile
from fairlead.ops.alerts.incidents import bring_up_to_date, touched
from fairlead.ops.flow.incidents import LONGEST_TEXT, find, note
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.amendments import level_key, levels_of

KIND, UNDONE = "expected", "expected.undone"
MOST_WINDOWS = 32
LEVELS: frozenset[Area] = frozenset({"quality", "data_drift", "score_drift", "traffic", "requests", "estimated"})
"""Areas that are about a level of what comes in, which may be how things are now. A promise that is broken, a contract
or a disk that is full are not made right by expecting them."""


class Expected(NamedTuple):
    """incident: after it. stays: checks of findings that are no level and go on being told."""

    incident: Incident
    amendment: Amendment
    stays: tuple[str, ...]


def amendments_of(ws: Workspace, bundle: str) -> list[Amendment]:
    """The amendments that hold for a bundle, oldest first. Raises BundleRefused for one that was tampered with."""
    from fairlead.runtime.bundle import attestations

    found = attestations(ws.home.attestations, bundle, ws.trusted)
    # Taken back and marked again is a new amendment: each has an id of its own.
    undone = {a.statement["amendment"] for a in found if a.kind == UNDONE}
    made = [msgspec.convert(a.statement, Amendment) for a in found if a.kind == KIND]
    return [one for one in made if one.id not in undone]


def expect(ws: Workspace, reference: str, why: str) -> Expected:
    """From the time the incident began, its level is what is usual for its columns. Raises UsageError.

    The level is that of the windows in which it was seen. It holds for the bundle that answers now: its successor
    learns from newer rows and has a reference of its own.
    """
    from fairlead.runtime.bundle import attest

    why = why.strip()[:LONGEST_TEXT]
    if not why:
        raise UsageError("say why this is how things are now: --why TEXT.")
    now = ws.clock()
    with ws.state.transaction():
        bring_up_to_date(ws.state, now)
        incident = find(ws, reference)
        bundle = read_tracker(ws).champion
        lasting = [row.finding for row in ws.state.incident_findings(incident.id) if row.closed_at is None]
        if not lasting or not bundle:
            raise UsageError(f"#{incident.number} is over: there is nothing left to be expected.")
        levels = [f for f in lasting if f.area in LEVELS]
        if not levels:
            about = ", ".join(sorted({f.area for f in lasting}))
            raise UsageError(
                f"#{incident.number} is about {about}: only levels of what comes in can be expected."
                " `fairlead ack` or `fairlead snooze` keep it silent."
            )
        amendment = _amendment(ws, incident, levels, bundle, why, now)
        stays = tuple(dict.fromkeys(f.check for f in lasting if f.area not in LEVELS))
        # What is no level goes on, so the incident does.
        state: dict[str, object] = {} if stays else {"state": "expected", "snoozed_until": None}
        after = touched(ws.state, incident, now, {"why": why, **state})
        note(ws, after, "marked as expected", why, now)
        details = {
            "incident": after.id, "number": after.number, "amendment": amendment.id, "bundle": bundle,
            "columns": list(amendment.columns), "levels": sorted(amendment.levels),
        }  # fmt: skip
        ws.audit.record(ws.actor, "incident: marked as expected", ws.model, why, details)
        # Before the commit: an incident marked as expected without its amendment would be told no more, and go on.
        attest(ws.home.attestations, Attestation(bundle, KIND, now, ws.actor, msgspec.to_builtins(amendment)), ws.key)
    return Expected(after, amendment, stays)


def unexpect(ws: Workspace, reference: str, why: str = "") -> Expected:
    """Take it back: the sealed reference is compared with again. Raises UsageError where there is nothing to."""
    from fairlead.runtime.bundle import attest

    now = ws.clock()
    with ws.state.transaction():
        bring_up_to_date(ws.state, now)
        incident = find(ws, reference)
        bundle = read_tracker(ws).champion
        standing = [a for a in amendments_of(ws, bundle) if a.incident == incident.id] if bundle else []
        if not standing:
            raise UsageError(f"nothing of #{incident.number} is expected of the model that answers now.")
        state: dict[str, object] = {"state": "open"} if incident.state == "expected" and incident.open else {}
        after = touched(ws.state, incident, now, {"why": "", **state})
        note(ws, after, "no longer expected", why.strip(), now)
        for one in standing:
            details = {"incident": after.id, "number": after.number, "amendment": one.id, "bundle": bundle}
            ws.audit.record(ws.actor, "incident: no longer expected", ws.model, why.strip(), details)
            statement = {"amendment": one.id, "incident": incident.id, "why": why.strip()}
            attest(ws.home.attestations, Attestation(bundle, UNDONE, now, ws.actor, statement), ws.key)
    return Expected(after, standing[-1], ())


def _amendment(
    ws: Workspace, incident: Incident, findings: Sequence[Finding], bundle: str, why: str, now: float
) -> Amendment:
    from fairlead.lab.stats import encode_profile

    known = ws.load(bundle).reference.profile
    counted = {c.bins.name for c in (*known.columns, *known.scores)}
    columns = tuple(dict.fromkeys(c for f in findings for c in f.columns if c in counted))
    level = levels_of(_profiles(ws, incident, bundle), columns) if columns else None
    if level is None:
        columns = ()
    # What no profile tells (volume, duplicates, what lies between columns) is kept by its size.
    rest = [
        f for f in findings if not f.columns or not set(f.columns) <= set(columns) or f.segment or len(f.columns) > 1
    ]
    sizes = {level_key(f): (min(f.low, f.size), max(f.high, f.size)) for f in rest}
    if not columns and not sizes:
        raise UsageError(f"no window of #{incident.number} with rows is left whose level could be taken for usual.")
    named = hashlib.sha256(msgspec.json.encode([incident.id, bundle, now])).hexdigest()[:16]
    return Amendment(
        id=named, bundle=bundle, model=ws.model, incident=incident.id, columns=columns, since=incident.since,
        by=ws.actor, at=now, why=why, profile=encode_profile(level).decode() if level is not None else "", levels=sizes,
    )  # fmt: skip


def _profiles(ws: Workspace, incident: Incident, bundle: str) -> list[Profile]:
    """Profiles of the windows in which it was seen, in the bins of the bundle; the newest ones."""
    from fairlead.lab.stats import decode_profile

    seen = [
        w for w in ws.state.windows(ws.model, last=4 * MOST_WINDOWS)
        if incident.first_window <= w.index and w.bundle == bundle and w.rows and w.start >= incident.since
    ][-MOST_WINDOWS:]  # fmt: skip
    found = [ws.state.window_profile(ws.model, w.index) for w in seen]
    return [decode_profile(body) for body in found if body is not None]
