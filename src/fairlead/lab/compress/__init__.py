"""Smaller and faster models, with a certificate of what they cost."""

from __future__ import annotations

from fairlead.lab.compress.certificate import Certificate, Cost, Tried, gained
from fairlead.lab.compress.measuring import Measured, measured_together
from fairlead.lab.compress.searching import smallest
from fairlead.lab.compress.shrinking import Smaller, smaller_than

__all__ = [
    "Certificate",
    "Cost",
    "Measured",
    "Smaller",
    "Tried",
    "gained",
    "measured_together",
    "smaller_than",
    "smallest",
]
