"""The preparation: from the kinds of columns and the project's settings to transformers that compile exactly.

`treating` decides what is done to each column, `catalogue` makes it of parts, one module a family of transformers;
`dropping` leaves rows out of training; `words` says it all in the lineage (design section 6).
"""

from fairlead.lab.train.preparing.catalogue import TIME_PARTS, preparation
from fairlead.lab.train.preparing.treating import MISSING
from fairlead.lab.train.preparing.words import RULES, TENSORS, cautions, notes_of, prepared_as, rules_for

__all__ = [
    "MISSING",
    "RULES",
    "TENSORS",
    "TIME_PARTS",
    "cautions",
    "notes_of",
    "preparation",
    "prepared_as",
    "rules_for",
]
