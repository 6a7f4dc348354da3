"""Approvals: people who must say yes before a version answers. Signed and audited."""

from __future__ import annotations

import msgspec

from fairlead.contract.errors import NotAttested, UsageError
from fairlead.contract.evidence import Attestation
from fairlead.ops.flow.waiving import Standing, day_of, standing
from fairlead.ops.flow.workspace import Workspace


class Approval(msgspec.Struct, frozen=True):
    """A person's yes to a bundle. recorded: the operating-system user at whose terminal it was given."""

    by: str
    at: float
    reason: str
    recorded: str


def approvals(ws: Workspace, bundle: str) -> tuple[Approval, ...]:
    """The newest approval of each person since the bundle was last judged, oldest first."""
    from fairlead.runtime.bundle import attestations

    found: dict[str, Approval] = {}
    judged = 0.0
    for a in attestations(ws.home.attestations, bundle, ws.trusted):
        if a.kind == "verdict":
            judged = max(judged, a.at)
        elif a.kind == "approval":
            name = str(a.statement["by"])
            found[name.casefold()] = Approval(name, a.at, str(a.statement.get("reason", "")), a.by)
    # Who approved has seen a report; a newer one has not been seen.
    return tuple(sorted((one for one in found.values() if one.at >= judged), key=lambda one: one.at))


def approve(ws: Workspace, bundle: str, *, by: str, reason: str = "") -> Approval:
    """A person's yes to a judged bundle. Raises UsageError for a name that is not asked, or an unjudged bundle."""
    from fairlead.runtime.bundle import attest

    by, asked = by.strip(), ws.settings.gate.approvals
    if not by:
        raise UsageError("an approval needs a name: --by NAME.")
    if isinstance(asked, tuple) and by.casefold() not in {name.casefold() for name in asked}:
        raise UsageError(f"{by!r} is not among [gate] approvals: {', '.join(asked) or 'nobody'}.")
    if standing(ws, bundle).outcome is None:
        raise UsageError(f"bundle {bundle[:12]} has not been judged: run `fairlead evaluate` first.")
    statement = {"model": ws.model, "by": by, "reason": reason}
    attest(ws.home.attestations, Attestation(bundle, "approval", ws.clock(), ws.actor, statement), ws.key)
    ws.audit.record(ws.actor, "approve", bundle, reason, {"by": by})
    return Approval(by, ws.clock(), reason, ws.actor)


def missing(ws: Workspace, bundle: str) -> tuple[str, ...]:
    """Whose approval is still asked for: names, or so many "anyone else"."""
    return lacking(ws.settings.gate.approvals, approvals(ws, bundle))


def lacking(asked: int | tuple[str, ...], given: tuple[Approval, ...]) -> tuple[str, ...]:
    """As `missing`, from what is asked and what was given."""
    names = {one.by.casefold() for one in given}
    if isinstance(asked, tuple):
        return tuple(name for name in asked if name.casefold() not in names)
    return ("anyone else",) * max(asked - len(names), 0)


def require_standing(ws: Workspace, bundle: str, *, approved: bool = True) -> Standing:
    """Raises NotAttested unless the newest verdict passes, waivers counted, and everyone asked has approved.

    approved: False leaves the approvals out, for going back to what has answered before.
    """
    found = standing(ws, bundle)
    if found.outcome is None:
        raise NotAttested(f"bundle {bundle[:12]} has not been judged: run `fairlead evaluate` first.")
    if found.outcome != "pass":
        raise NotAttested(
            f"the verdict on bundle {bundle[:12]} is {found.outcome}, because of {_named(found)}{_lapsed(ws, found)}. "
            "See its report, train a better one, or have a person `fairlead waive` the check."
        )
    absent = missing(ws, bundle) if approved else ()
    if absent:
        who = f"{len(absent)} more" if isinstance(ws.settings.gate.approvals, int) else ", ".join(absent)
        raise NotAttested(
            f"bundle {bundle[:12]} lacks approvals: {who}. They run `fairlead approve VERSION --by NAME`."
        )
    return found


def _named(found: Standing) -> str:
    names = [c.name for c in found.held]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _lapsed(ws: Workspace, found: Standing) -> str:
    over = [w for w in found.lapsed if w.until <= ws.clock()]
    if over:
        return "; " + ", ".join(f"the waiver of {w.check} by {w.by} ended on {day_of(w.until)}" for w in over)
    return "; a waiver was given for a milder verdict or another limit" if found.lapsed else ""
