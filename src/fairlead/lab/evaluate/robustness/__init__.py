"""What happens when inputs are not what they should be, or somebody tries; and what a model gives away."""

from __future__ import annotations

from fairlead.lab.evaluate.robustness.evidence import Damage, Evasion, Inversion, Membership, Robustness
from fairlead.lab.evaluate.robustness.rules import robustness_checks
from fairlead.lab.evaluate.robustness.trying import robustness_of

__all__ = ["Damage", "Evasion", "Inversion", "Membership", "Robustness", "robustness_checks", "robustness_of"]
