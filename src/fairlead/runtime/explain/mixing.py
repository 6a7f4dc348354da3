"""Rows that take some columns from a row and the others from a background row, and their margins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.runtime.explain.subject import Floats, Subject, Terms

AT_ONCE = 1 << 21
"""Features of mixed rows that are held at once: 16 MiB."""


class Mixer:
    """Margins of one row's coalitions. kept: the players whose features differ from some background row's at all."""

    def __init__(self, subject: Subject, row: Floats) -> None:
        self._subject, self._row = subject, row
        differs = ~((subject.background == row) | (np.isnan(subject.background) & np.isnan(row)))
        self.players = sorted(set(subject.owners[differs.any(axis=0)].tolist()))

    def margins(self, coalitions: npt.NDArray[np.bool_], partners: npt.NDArray[np.int64], terms: Terms) -> Floats:
        """Margins, shape (m, k). coalitions: (m, players of the subject), whose features are the row's; partners: (m,),
        the background row that gives all others."""
        subject = self._subject
        step = max(1, AT_ONCE // subject.background.shape[1])
        found = []
        for start in range(0, len(coalitions), step):
            terms.check()
            ours = coalitions[start : start + step][:, subject.owners]
            theirs = subject.background[partners[start : start + step]]
            found.append(subject.margin(np.ascontiguousarray(np.where(ours, self._row, theirs))))
        return np.concatenate(found)
