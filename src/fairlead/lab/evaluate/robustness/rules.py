"""What the gate makes of robustness: `[gate] robustness = {noise = 0.02, evasion = 0.5, ...}`, each a largest harm."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Check, Interval, Outcome
from fairlead.lab.evaluate.robustness.evidence import Robustness

MEANING = {
    "noise": "rise of the mean loss under noise of a tenth of each column's deviation",
    "missing": "largest rise of the mean loss when a column is never there",
    "unseen": "largest rise of the mean loss when a column holds values never seen",
    "units": "largest rise of the mean loss when a column comes in another unit",
    "evasion": "share of decisions turned by changing one column",
    "gradient": "share of decisions turned by a step of a tenth of each range along the gradient's sign",
    "membership": "area under the curve of telling the rows it learned from (0.5: not at all)",
    "inversion": "how much better a sensitive column is guessed with the model than without",
}
"""The checks, in words."""
TENTH = "0.1 standard deviations"
STEP = 0.1


def robustness_checks(found: Robustness | None, limits: Mapping[str, float]) -> list[Check]:
    """A check a limit: fail on evidence of harm beyond it; too little evidence passes, marked inconclusive.

    Raises ConfigInvalid for a name that is no check.
    """
    return [_check(found, name, limit) for name, limit in limits.items()]


def _check(found: Robustness | None, name: str, limit: float) -> Check:
    if name not in MEANING:
        near = difflib.get_close_matches(name, MEANING, n=1)
        raise ConfigInvalid(
            f"{name!r} is no check of robustness.", file="fairlead.toml", key=f"gate.robustness.{name}",
            cure=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(MEANING)}.",
        )  # fmt: skip
    measured = [] if found is None else _measured(found, name)
    if not measured:
        why = "it was not tried: nothing of the kind can happen to this model, or what it needs is not at hand"
        return Check(f"robustness.{name}", None, limit, "inconclusive", why, refuses=False)
    where, worst = max(measured, key=lambda m: (m[1].low > limit, m[1].high, m[1].value))
    outcome: Outcome = "fail" if worst.low > limit else "pass" if worst.high <= limit else "inconclusive"
    words = {"pass": "surely at most", "fail": "surely more than", "inconclusive": "too few rows to tell if more than"}
    spread = f"{worst.value:.4f} [{worst.low:.4f}, {worst.high:.4f}]"
    why = f"{MEANING[name]}{where}: {spread}, {words[outcome]} {limit:g}"
    return Check(f"robustness.{name}", worst.value, limit, outcome, why, refuses=False)


def _measured(found: Robustness, name: str) -> list[tuple[str, Interval]]:
    """What there is to compare with the limit, each with where it was found."""
    if name == "evasion":
        return [(f" ({e.attack})", e.within[0]) for e in found.evasion if e.attack == "greedy"]
    if name == "gradient":
        return [("", share) for e in found.evasion for step, share in e.steps if step == STEP]
    if name == "membership":
        return [] if found.membership is None else [("", found.membership.auc)]
    if name == "inversion":
        return [(f" ({i.column})", i.gain) for i in found.inversion]
    damages = [d for d in found.damages if d.kind == name and not d.refused]
    if name == "noise":
        return [("", d.rise) for d in damages if d.what == TENTH]
    return [(f" ({d.column})", d.rise) for d in damages]
