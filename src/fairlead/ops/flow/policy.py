"""What may set off a retraining, from `retrain.when`, and what holds one back."""

from __future__ import annotations

import msgspec

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.settings import Settings
from fairlead.ops.project.calendar import Moment
from fairlead.ops.project.durations import parse_windows
from fairlead.ops.project.triggers import parse_trigger

COOL_DOWN = 2
"""Windows after a retraining in which none follows, whatever is found, unless `retrain.cool_down` says otherwise."""

CALENDAR = 4
"""While the promise is calibrating, its trigger is replaced by a retraining every so many windows."""


class Triggers(msgspec.Struct, frozen=True):
    """performance: the promise is broken. concept: inputs explain it less than a changed relation does. estimated: what
    the model is expected to lose without labels. drift: inputs or scores moved. cost: staying costs more than
    retraining. labels: so many new ones since the model learned; 0: not asked for. max_age_s: seconds since the newest
    row the model was trained on. every_s: seconds between retrainings. at: moments of the calendar. None: not asked
    for."""

    performance: bool = False
    concept: bool = False
    estimated: bool = False
    drift: bool = False
    cost: bool = False
    labels: int = 0
    max_age_s: float | None = None
    every_s: float | None = None
    at: tuple[Moment, ...] = ()


def triggers_of(settings: Settings) -> Triggers:
    """The project's triggers; of several of a kind the one that fires first. Raises ConfigInvalid for unknown ones."""
    words: set[str] = set()
    labels = 0
    max_age: float | None = None
    every: float | None = None
    moments: list[Moment] = []
    for text in settings.retrain.when:
        try:
            one = parse_trigger(text)
        except UsageError as error:
            raise ConfigInvalid(str(error), key="retrain.when") from error
        words.add(one.name)
        if one.name == "labels":
            labels = min(labels, one.rows) if labels else one.rows
        elif one.name == "max_age":
            max_age = _shorter(max_age, one.seconds)
        elif one.name == "every":
            every = _shorter(every, one.seconds)
        elif one.moment is not None:
            moments.append(one.moment)
    said = {name: name in words for name in ("performance", "concept", "estimated", "drift", "cost")}
    return Triggers(**said, labels=labels, max_age_s=max_age, every_s=every, at=tuple(moments))


def cool_down_of(settings: Settings) -> tuple[int, float]:
    """Windows, or seconds, after a retraining in which none follows; one of the two is 0."""
    try:
        return parse_windows(settings.retrain.cool_down)
    except UsageError as error:
        raise ConfigInvalid(str(error), key="retrain.cool_down") from error


def _shorter(known: float | None, other: float) -> float:
    return other if known is None else min(known, other)
