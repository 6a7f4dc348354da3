"""Which ways of trying a version go with which objective and design, and what each is judged by.

Shadows earn nothing and a pilot's cohort has nobody beside it, so both are judged by loss on labels whatever the
objective; a planned comparison of values needs shares that do not follow what was seen.
"""

from __future__ import annotations

from typing import Literal

Mode = Literal["canary", "shadow", "ab", "bandit", "pilot"]
Objective = Literal["loss", "value"]
Design = Literal["anytime", "fixed"]


def judged_by(mode: Mode, objective: Objective) -> Objective:
    """What a version is judged by in this way."""
    return "loss" if mode in ("shadow", "pilot") else objective


def refusal(mode: Mode, objective: Objective, design: Design, challengers: int = 1) -> str:
    """Why versions cannot be tried so and what would be right; "" where they can."""
    if mode == "pilot" and challengers > 1:
        return "a pilot tries one version: its cohort is answered by nothing else."
    if design == "fixed" and judged_by(mode, objective) == "value" and mode in ("canary", "bandit"):
        moves = "grows as harm is excluded" if mode == "canary" else "follows what each version brings"
        return (
            f"a planned comparison of values needs a share that stays, and that of a {mode} {moves}: "
            'use --ab SHARE, or set rollout.design = "anytime".'
        )
    return ""


def note(mode: Mode, objective: Objective, design: Design) -> str:
    """What is to be said where a setting is not what decides in this way; "" where all are."""
    said = []
    if judged_by(mode, objective) != objective:
        why = "it answers nobody" if mode == "shadow" else "its cohort was chosen, and nobody like it is beside it"
        said.append(f"judged by loss on labels, not by value: {why}")
    if mode == "pilot" and design == "fixed":
        said.append("judged at any time, not after planned rows: a pilot ends on its date")
    return "; ".join(said)
