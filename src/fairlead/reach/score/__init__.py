"""Batch scoring with a sealed bundle."""

from __future__ import annotations

from fairlead.reach.score.batch import Scored, score_table

__all__ = ["Scored", "score_table"]
