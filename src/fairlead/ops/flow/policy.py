"""What may set off a retraining, from `retrain.when`."""

from __future__ import annotations

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import duration

COOL_DOWN = 2
"""Windows after a retraining in which none follows, whatever is found."""

CALENDAR = 4
"""While the promise is calibrating, its trigger is replaced by a retraining every so many windows."""


class Triggers(msgspec.Struct, frozen=True):
    """performance: the promise is broken. drift: inputs or scores moved. max_age_s: seconds since the newest row the
    model was trained on. every_s: seconds between retrainings. None: not asked for."""

    performance: bool = False
    drift: bool = False
    max_age_s: float | None = None
    every_s: float | None = None


def triggers_of(settings: Settings) -> Triggers:
    """The project's triggers. Raises ConfigInvalid for one that is not known."""
    performance = drift = False
    max_age: float | None = None
    every: float | None = None
    for text in settings.retrain.when:
        name, _, value = text.partition(":")
        if name == "performance" and not value:
            performance = True
        elif name == "drift" and not value:
            drift = True
        elif name == "max_age":
            max_age = _shorter(max_age, duration(value, "retrain.when"))
        elif name == "every":
            every = _shorter(every, duration(value, "retrain.when"))
        else:
            cure = "Known: performance, drift, max_age:90d, every:30d."
            raise ConfigInvalid(f"{text!r} is no trigger.", key="retrain.when", cure=cure)
    return Triggers(performance, drift, max_age, every)


def _shorter(known: float | None, other: float) -> float:
    return other if known is None else min(known, other)
