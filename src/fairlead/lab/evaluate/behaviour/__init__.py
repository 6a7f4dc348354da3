"""What a project expects of its model's behaviour, whatever its metrics: minimum cases, invariance, direction.

Source: Ribeiro, Wu, Guestrin and Singh, Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020).
"""

from __future__ import annotations

from fairlead.lab.evaluate.behaviour.expectations import Behaviour, Direction, Invariance, Minimum, read_behaviour
from fairlead.lab.evaluate.behaviour.functions import try_functions
from fairlead.lab.evaluate.behaviour.results import Result, behaviour_check
from fairlead.lab.evaluate.behaviour.trying import try_behaviour

__all__ = [
    "Behaviour",
    "Direction",
    "Invariance",
    "Minimum",
    "Result",
    "behaviour_check",
    "read_behaviour",
    "try_behaviour",
    "try_functions",
]
