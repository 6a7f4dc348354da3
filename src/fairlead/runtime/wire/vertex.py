"""Vertex AI: V1's instances and predictions, at the addresses that its environment variables name."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.runtime.wire.v1 import V1


class Vertex(V1):
    """`{"instances": [...], "parameters": {...}}` -> `{"predictions": [...]}`; parameters change nothing here."""

    name = "vertex"

    def paths(self) -> Sequence[str]:
        return ()
