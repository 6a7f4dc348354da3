"""A training without a search: the one trial that a lineage recorded, made again by the very same code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from fairlead.contract.settings import Settings


class Trial(NamedTuple):
    """A learner's name and its parameters."""

    learner: str
    parameters: Mapping[str, Any]


class Recorded:
    """A learner whose first trial is the recorded one; in all else it is the learner itself."""

    def __init__(self, learner: Any, parameters: Mapping[str, Any]) -> None:
        self._learner, self._parameters = learner, parameters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)

    def default(self, rows: int) -> dict[str, Any]:
        """The recorded parameters, whatever the number of rows."""
        return dict(self._parameters)


def without_search(settings: Settings) -> Settings:
    """Settings under which a search is one trial: everything that decides what is fitted from it stays."""
    rules = msgspec.structs.replace(settings.train, trials=1, nested=False, parallel=1, prune=False, engine="local")
    return msgspec.structs.replace(settings, train=rules)
