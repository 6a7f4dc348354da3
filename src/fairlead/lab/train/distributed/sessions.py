"""The session of Spark that learners and trials of this process use: opened when the first of them asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings

if TYPE_CHECKING:
    from fairlead.lab.train.bench import Bench

Hands = Callable[["Bench", int], Any]
"""Bench and seed -> a context with `submit(index, learner, parameters) -> Future` of one fold, and `slots`."""
ENGINES = ("local", "spark")
_held: list[Any] = []
_lock = Lock()


@contextmanager
def using(session: Any) -> Iterator[Any]:
    """Fits within this context are made by that session, or one of these EngineSettings; it stays open after it."""
    held = [session]
    _held.append(held)
    try:
        yield session
    finally:
        _held[:] = [other for other in _held if other is not held]


def current() -> Any:
    """The session in use, else one of this machine. Raises MissingExtra, RemoteError."""
    from fairlead.lab.tables.engines.session import session

    with _lock:
        held = _held[-1] if _held else [EngineSettings(name="spark")]
        if isinstance(held[0], EngineSettings):
            held[0] = session(held[0])
        return held[0]


def fitted_by(settings: Settings, engine: str | None) -> Settings:
    """Settings with another `[train] engine`; None: as they are. Raises ConfigInvalid."""
    if engine is None:
        return settings
    if engine not in ENGINES:
        raise ConfigInvalid(f"unknown engine {engine!r}.", key="--engine", cure=f"Known: {', '.join(ENGINES)}.")
    rules = msgspec.structs.replace(settings.train, engine=engine)
    return msgspec.structs.replace(settings, train=rules)


@contextmanager
def hands_for(settings: Settings) -> Iterator[Hands | None]:
    """What a search asks for its fits under `[train] engine`; None: it fits here. `[engine]` says where Spark is.

    Learners that Spark fits use the same session, whatever the engine of the search.
    """
    with using(settings.engine):
        if settings.train.engine == "local":
            yield None
            return
        from fairlead.lab.train.distributed.spark_trials import SparkHands

        parallel = settings.train.parallel
        yield lambda bench, seed: SparkHands(current(), bench, seed, parallel if parallel > 1 else 0)
