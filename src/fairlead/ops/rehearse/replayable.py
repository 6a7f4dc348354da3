"""What a project must say before its history can be replayed; asked before any table is read."""

from __future__ import annotations

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED


def require_replayable(settings: Settings) -> None:
    """Raises ConfigInvalid for tasks without a loss a row, and without event time."""
    if settings.model.task == "forecasting":
        what = "rehearsal replays rows whose truth is one value, and that of a forecast comes step by step."
        raise ConfigInvalid(what, key="model.task", cure="`fairlead evaluate` judges at rolling origins.")
    if settings.model.task in UNSUPERVISED:
        what = f"rehearsal replays losses, and a {settings.model.task} has none to replay."
        raise ConfigInvalid(what, key="model.task", cure="It is for classification and regression.")
    if not settings.model.time_columns:
        cure = "Name the time column: rehearsal replays the past in its order."
        raise ConfigInvalid("the project has no event time.", key="model.time", cure=cure)
