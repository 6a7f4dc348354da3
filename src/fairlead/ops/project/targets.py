"""Which tasks need a target, and what goes with one."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings
from fairlead.contract.signature import UNSUPERVISED


def check_target(model: ModelSettings, fail: Callable[..., ConfigInvalid]) -> None:
    """Raise what `fail(key, what, cure)` makes of a target that is missing or of no use."""
    if not model.target and model.task not in UNSUPERVISED:
        cure = f"Name the column to predict; {' and '.join(UNSUPERVISED)} need none."
        raise fail("model.target", f"a {model.task} learns from a target.", cure)
    if model.positive is not None and not model.target:
        raise fail("model.positive", "names a value of a target, and there is none.", "Set model.target, too.")
