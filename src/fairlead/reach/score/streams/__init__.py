"""Scoring messages of a broker as the server scores requests, and publishing the answers."""

from __future__ import annotations

from fairlead.reach.score.streams.opening import StreamOptions, stream
from fairlead.reach.score.streams.telling import Tally

__all__ = ["StreamOptions", "Tally", "stream"]
