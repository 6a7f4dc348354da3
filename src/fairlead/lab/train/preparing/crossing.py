"""Interactions: products of two columns as further features."""

from __future__ import annotations

from typing import Any

from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.signature import Signature


def crossings(signature: Signature, settings: PreparationSettings) -> list[tuple[str, Any, list[str]]]:
    """A part of the preparation for each pair."""
    return []
