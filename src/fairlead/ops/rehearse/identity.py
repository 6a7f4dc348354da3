"""What a model and its answers depend on, as names: the rows themselves, the way of learning, the libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import numpy as np

from fairlead.ops.rehearse.history import History

LIBRARIES = ("fairlead", "numpy", "scikit-learn", "pandas", "xgboost-cpu", "lightgbm")


class Identity:
    """Names of everything that may be kept of one history and one way of learning."""

    def __init__(self, history: History, learner: str, parameters: Mapping[str, Any]) -> None:
        settings = history.settings
        way = [
            learner, dict(parameters), settings.model, settings.train, settings.preparation,
            history.material.signature, [(name, _version(name)) for name in LIBRARIES],
        ]  # fmt: skip
        self._way = hashlib.sha256(msgspec.json.encode(way, order="sorted")).digest()
        self._history = history
        self._windows: dict[int, bytes] = {}

    def name(self, what: str, first: int, last: int, *about: Any) -> str:
        """The name of something that depends on the rows of windows first .. last and on `about`."""
        told = hashlib.sha256(self._way)
        told.update(what.encode())
        for window in range(first, last + 1):
            told.update(self._window(window))
        told.update(msgspec.json.encode(list(about)))
        return told.hexdigest()

    def rows(self, first: int, last: int) -> str:
        """The rows of windows first .. last, as text."""
        told = hashlib.sha256()
        for window in range(first, last + 1):
            told.update(self._window(window))
        return told.hexdigest()

    def _window(self, window: int) -> bytes:
        if window not in self._windows:
            slot, material = self._history.slots[window], self._history.material
            part = slice(slot.first, slot.last)
            told = hashlib.sha256()
            for cells in (self._history.times, material.truth, material.weights, material.groups, material.clusters):
                if cells is not None:
                    _tell(told, cells[part])
            _tell_columns(told, material.columns, part)
            untold = self._history.unlabelled
            if untold is not None and slot.untold_last > slot.untold:
                rest = slice(slot.untold, slot.untold_last)
                _tell(told, untold.times[rest])
                _tell_columns(told, untold.columns, rest)
            self._windows[window] = told.digest()
        return self._windows[window]


def _tell_columns(told: Any, columns: Mapping[str, np.ndarray], part: slice) -> None:
    for name in sorted(columns):
        told.update(name.encode())
        _tell(told, columns[name][part])


def _tell(told: Any, cells: np.ndarray) -> None:
    if cells.dtype == object:
        told.update("\x1f".join([repr(cell) for cell in cells.tolist()]).encode("utf-8", "surrogatepass"))
    else:
        told.update(str(cells.dtype).encode())
        told.update(np.ascontiguousarray(cells).tobytes())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
