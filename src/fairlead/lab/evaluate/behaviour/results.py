"""What came of a project's expectations, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.contract.evidence import Check, Outcome

NAMED = 5


class Result(msgspec.Struct, frozen=True):
    """One expectation tried. tried: rows; broken: those that broke it; worst: the largest movement of the score, or its
    farthest miss; example: the row that shows it, as its number among the judged rows or its cells. verdict:
    inconclusive when there was no row to try it on.
    """

    name: str
    kind: str
    verdict: Outcome
    tried: int
    broken: int
    worst: float | None
    why: str
    example: str = ""


def behaviour_check(results: Sequence[Result]) -> Check:
    """The gate's check: pass when every expectation holds, fail when one is broken, else inconclusive."""
    broken = [r for r in results if r.verdict == "fail"]
    untried = [r for r in results if r.verdict == "inconclusive"]
    outcome: Outcome = "fail" if broken else "inconclusive" if untried or not results else "pass"
    if not results:
        why = "no expectations were found"
    elif broken:
        why = f"{len(broken)} of {len(results)} expectations are broken: {_names(broken)}"
    elif untried:
        why = f"{len(untried)} of {len(results)} expectations had no row to be tried on: {_names(untried)}"
    else:
        why = f"all {len(results)} expectations hold"
    return Check("behaviour", float(len(broken)), 0.0, outcome, why)


def _names(results: Sequence[Result]) -> str:
    more = f" and {len(results) - NAMED} more" if len(results) > NAMED else ""
    return ", ".join(r.name for r in results[:NAMED]) + more
