"""pyarrow, loaded when the collector or the reader first needs it and never on the serving path."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from fairlead.contract.errors import MissingExtra


@cache
def arrow() -> Any:
    """The module pyarrow. Raises MissingExtra."""
    return _module("pyarrow")


@cache
def parquet() -> Any:
    """The module pyarrow.parquet. Raises MissingExtra."""
    return _module("pyarrow.parquet")


@cache
def compute() -> Any:
    """The module pyarrow.compute. Raises MissingExtra."""
    return _module("pyarrow.compute")


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise MissingExtra("pyarrow", "studio") from None
