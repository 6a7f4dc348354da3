"""Waivers: a named person lets one check of one bundle pass until a date. Signed and audited."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Attestation, Check, Outcome
from fairlead.ops.flow.workspace import Workspace

LONGEST_DAYS = 366
_WEIGHT = {"pass": 0, "inconclusive": 1, "fail": 2}


class Waiver(msgspec.Struct, frozen=True):
    """One check of a bundle waived. was: the check as it stood; until: seconds since the epoch, the first past it."""

    check: str
    by: str
    reason: str
    at: float
    until: float
    was: Check

    def covers(self, check: Check, now: float) -> bool:
        """Whether this lets `check` pass: the same one, at the same limit, no worse than it was, not yet expired."""
        return (
            self.check == check.name
            and now < self.until
            and check.limit == self.was.limit
            and _WEIGHT[check.verdict] <= _WEIGHT[self.was.verdict]
        )


class Standing(msgspec.Struct, frozen=True):
    """What the attestations about a bundle amount to now.

    outcome: None when nobody judged it. judged: when that was. held: checks that still hold it back. waived: waivers
    that let a check of the newest verdict pass. lapsed: those for checks that hold back, which have expired or were
    given for less.
    """

    outcome: Outcome | None
    judged: float = 0.0
    held: tuple[Check, ...] = ()
    waived: tuple[Waiver, ...] = ()
    lapsed: tuple[Waiver, ...] = ()


def standing(ws: Workspace, bundle: str) -> Standing:
    """The newest verdict, less what is waived now. Raises BundleRefused for an attestation that does not hold."""
    from fairlead.runtime.bundle import attestations

    found = attestations(ws.home.attestations, bundle, ws.trusted)
    verdicts = [a for a in found if a.kind == "verdict"]
    if not verdicts:
        return Standing(None)
    newest = max(verdicts, key=lambda a: a.at)
    waivers = [waiver_of(a) for a in found if a.kind == "waiver"]
    now = ws.clock()
    held, waived, lapsed = [], [], []
    for check in checks_of(newest):
        if not check.holds_back:
            continue
        fits = [w for w in waivers if w.covers(check, now)]
        if fits:
            waived.append(max(fits, key=lambda w: w.until))
        else:
            held.append(check)
            lapsed += [w for w in waivers if w.check == check.name]
    outcomes = {c.verdict for c in held}
    outcome: Outcome = "fail" if "fail" in outcomes else "inconclusive" if held else "pass"
    return Standing(outcome, newest.at, tuple(held), tuple(waived), tuple(lapsed))


def checks_of(verdict: Attestation) -> tuple[Check, ...]:
    """The checks of an attested verdict."""
    return msgspec.convert(verdict.statement.get("checks", []), tuple[Check, ...])


def waiver_of(attestation: Attestation) -> Waiver:
    """The waiver that an attestation states."""
    told = attestation.statement
    return msgspec.convert(
        {**{k: told[k] for k in ("check", "by", "reason", "until", "was")}, "at": attestation.at}, Waiver
    )


def waive(ws: Workspace, bundle: str, check: str, *, by: str, reason: str, until: str) -> Waiver:
    """Let `check` of a judged bundle pass until a date. Raises UsageError for what cannot be waived.

    by: the person who answers for it. until: a day, to its end (UTC), at most a year ahead. Stated in a signed
    attestation and in the audit chain, with what was waived; `deploy` honours exactly this check, as long as it is no
    worse than it was and its limit is the same.
    """
    from fairlead.runtime.bundle import attest, attestations

    by, reason = by.strip(), reason.strip()
    if not by or not reason:
        raise UsageError("a waiver needs a name and a reason: --by NAME --reason TEXT.")
    end = end_of(until, ws.clock())
    verdicts = [a for a in attestations(ws.home.attestations, bundle, ws.trusted) if a.kind == "verdict"]
    if not verdicts:
        raise UsageError(f"bundle {bundle[:12]} has not been judged: run `fairlead evaluate` first.")
    checks = {c.name: c for c in checks_of(max(verdicts, key=lambda a: a.at))}
    held = [name for name, c in checks.items() if c.holds_back]
    if check not in checks:
        raise UsageError(f"the verdict has no check {check!r}. {_that_hold(held)}")
    if check not in held:
        raise UsageError(f"the check {check!r} does not hold this bundle back. {_that_hold(held)}")
    was = checks[check]
    statement: dict[str, Any] = {
        "model": ws.model, "check": check, "by": by, "reason": reason, "until": end, "was": msgspec.to_builtins(was),
    }  # fmt: skip
    attestation = Attestation(bundle, "waiver", ws.clock(), ws.actor, statement)
    attest(ws.home.attestations, attestation, ws.key)
    told = {"check": check, "by": by, "until": day_of(end), "verdict": was.verdict, "value": was.value}
    ws.audit.record(ws.actor, "waive", bundle, reason, told)
    return waiver_of(attestation)


def end_of(day: str, now: float) -> float:
    """The end of a day, in seconds since the epoch. Raises UsageError for no day, one that is over, or far ahead."""
    try:
        date = dt.date.fromisoformat(day.strip())
    except ValueError:
        raise UsageError(f"{day!r} is no day: write it as 2027-01-31.") from None
    end = dt.datetime.combine(date, dt.time(), dt.UTC).timestamp() + 86_400
    if end <= now:
        raise UsageError(f"{day} is over: a waiver ends in the future.")
    if end - now > LONGEST_DAYS * 86_400:
        raise UsageError(f"{day} is more than a year ahead: a waiver is for a time, a limit is changed in [gate].")
    return end


def day_of(end: float) -> str:
    """The last day on which something that ends at `end` holds."""
    return dt.datetime.fromtimestamp(end - 1, dt.UTC).date().isoformat()


def _that_hold(held: list[str]) -> str:
    return f"Those that hold it back: {', '.join(held)}." if held else "None holds it back."
