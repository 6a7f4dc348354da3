"""Expectations written in Python: every `test_*` function of `tests/behaviour.py`, called with the sealed model."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.evaluate.behaviour.results import Result

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

PREFIX = "test_"


def try_functions(model: Model, path: Path) -> tuple[Result, ...]:
    """Each function's result, in the order of the file. The file is the project's own code and runs as such.

    A function takes the model (`model.predict(rows)`, `model.signature`) and asserts; whatever it raises breaks it.
    Raises ConfigInvalid when the file cannot be imported or has no such function.
    """
    file = f"{path.parent.name}/{path.name}"
    spec = importlib.util.spec_from_file_location(f"fairlead_behaviour_{abs(hash(path))}", path)
    if spec is None or spec.loader is None:
        raise ConfigInvalid("it is no Python.", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as wrong:
        raise ConfigInvalid(f"importing it raised {said(wrong, path)}", file=file) from wrong
    finally:
        sys.modules.pop(spec.name, None)
    found = [(name, f) for name, f in vars(module).items() if name.startswith(PREFIX) and callable(f)]
    if not found:
        raise ConfigInvalid(f"it has no function whose name begins with {PREFIX}.", file=file)
    return tuple(_tried(name, function, model, path) for name, function in found)


def _tried(name: str, function: Any, model: Model, path: Path) -> Result:
    title = name.removeprefix(PREFIX).replace("_", " ")
    try:
        function(model)
    except Exception as wrong:
        return Result(title, "function", "fail", 1, 1, None, said(wrong, path))
    return Result(title, "function", "pass", 1, 0, None, "holds")


def said(wrong: Exception, path: Path) -> str:
    """An exception in a line: its kind, what it says, and the last line of the project's file on its way."""
    lines = [frame.lineno for frame in traceback.extract_tb(wrong.__traceback__) if frame.filename == str(path)]
    place = f" in line {lines[-1]}" if lines else ""
    text = str(wrong).strip().splitlines()
    return f"{type(wrong).__name__}{place}" + (f": {text[0][:300]}" if text else "")
