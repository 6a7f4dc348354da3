"""The preparation under the name it had: see `preparing`."""

from __future__ import annotations

from fairlead.lab.train.preparing import MISSING, RULES, TENSORS, TIME_PARTS, preparation, rules_for

__all__ = ["MISSING", "RULES", "TENSORS", "TIME_PARTS", "preparation", "rules_for"]
