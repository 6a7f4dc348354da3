"""Anytime-valid evidence that losses rose beyond what rows alike let expect: the default, inside the budget."""

from __future__ import annotations

import numpy as np

from fairlead.ops.monitor.detecting import FEWEST_HELD_OUT, Detected, Stream


class ConfidenceSequence:
    """A Shiryaev-Roberts e-detector on window means, against the fixed held-out windows.

    Neither the level nor the spread of windows is taken as known. The sum over possible starts has an expectation of at
    most the windows seen, so it reaches 1 / allowed at most once in 1 / allowed windows, however often one looks.
    Source: Shin, Ramdas and Rinaldo, E-detectors (2023); see `lab/stats/evalues`.
    """

    name = "confidence_sequence"
    calibrated = True

    def detect(self, stream: Stream) -> Detected | None:
        """Silent with fewer than 8 held-out windows."""
        from fairlead.lab.stats.evalues import shift_evidence

        if stream.held_out.size < FEWEST_HELD_OUT or not stream.gaps.size:
            return None
        by_start = shift_evidence(stream.held_out, stream.gaps)
        limit = 1.0 / max(stream.allowed, 1e-9)
        evidence = float(by_start.sum())
        return Detected(int(np.argmax(by_start)), min(evidence, 1e300), limit) if evidence >= limit else None
