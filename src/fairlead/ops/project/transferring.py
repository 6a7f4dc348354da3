"""`[train.transfer]`: which learners can begin with a network, and what cannot stand beside that."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.train.transferring import FILES, NETWORKS

Fail = Callable[..., ConfigInvalid]


def check_transfer(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    rules = settings.train.transfer
    heads = "image_head" in settings.train.learners
    if rules is None:
        if heads:
            raise fail(
                "train.learners", "image_head learns the head of a network, and none is named.",
                'Add [train.transfer] with from = "trunk.onnx".',
            )  # fmt: skip
        return
    if settings.train.entrypoint:
        raise fail("train.transfer", "your own entrypoint fits as it likes, so this would do nothing.", "Take it out.")
    if settings.train.warm_start:
        raise fail("train.transfer", "cannot stand beside warm_start, which is for boosters and straight lines.")
    if settings.model.task not in ("classification", "regression"):
        raise fail("train.transfer", f"a {settings.model.task} has no network to begin with.", "Take it out.")
    filed = rules.begin.endswith(FILES)
    able = ("image_head",) if filed else NETWORKS
    if not set(able) & set(settings.train.learners):
        what = "the network of a file" if filed else "a sealed network"
        raise fail("train.transfer.from", f"{what} is for: {', '.join(able)}.", f'Set learners = ["{able[0]}"].')
    if heads and not filed:
        raise fail("train.transfer.from", "image_head takes the network of a file.", 'Write from = "trunk.onnx".')
    if not filed and rules.layer:
        raise fail("train.transfer.layer", "names a tensor of a file, and this is a version.", "Take it out.")
