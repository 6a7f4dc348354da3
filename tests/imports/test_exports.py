"""Each room's exported names are pinned: a change here is a change of the contract between rooms."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import fairlead

PINNED = Path(__file__).with_name("exports.json")


def rooms() -> dict[str, list[str]]:
    """Every room (a package on a floor) with its `__all__`."""
    found = {"fairlead": sorted(fairlead.__all__)}
    for floor in ("contract", "runtime", "lab", "ops", "reach", "doors"):
        package = importlib.import_module(f"fairlead.{floor}")
        for room in pkgutil.iter_modules(package.__path__):
            if room.ispkg:
                name = f"fairlead.{floor}.{room.name}"
                found[name] = sorted(getattr(importlib.import_module(name), "__all__", []))
    return found


def test_every_room_exports_what_is_pinned() -> None:
    assert rooms() == json.loads(PINNED.read_text()), "run `make docs` if the change is meant"


def test_every_exported_name_can_be_had() -> None:
    for room, names in rooms().items():
        module = importlib.import_module(room)
        for name in names:
            assert getattr(module, name) is not None
