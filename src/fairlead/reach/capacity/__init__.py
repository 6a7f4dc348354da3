"""How much a server carries: open-loop load, a law of scaling fitted to what was measured, replicas for a volume."""

from __future__ import annotations

from fairlead.reach.capacity.law import Law, fit_law
from fairlead.reach.capacity.measured import Measured, Run, Step, read_measured
from fairlead.reach.capacity.plan import Plan, plan_for

__all__ = ["Law", "Measured", "Plan", "Run", "Step", "fit_law", "plan_for", "read_measured"]
