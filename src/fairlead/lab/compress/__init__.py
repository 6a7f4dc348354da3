"""Smaller and faster models, with a certificate of what they cost."""

from __future__ import annotations

from fairlead.lab.compress.certificate import Certificate, Cost, Tried, gained, is_smaller, spread_of
from fairlead.lab.compress.measuring import Measured, measured_together
from fairlead.lab.compress.page import write_certificate
from fairlead.lab.compress.searching import Search, marked, smallest
from fairlead.lab.compress.shrinking import smaller_than, ways_of, words_of_ways
from fairlead.lab.compress.subject import Smaller, Subject

__all__ = [
    "Certificate",
    "Cost",
    "Measured",
    "Search",
    "Smaller",
    "Subject",
    "Tried",
    "gained",
    "is_smaller",
    "marked",
    "measured_together",
    "smaller_than",
    "smallest",
    "spread_of",
    "ways_of",
    "words_of_ways",
    "write_certificate",
]
