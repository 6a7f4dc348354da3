"""Arrays of numpy's own files as tables: the first axis are the rows, what is left the shape of a cell."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.tensors import arrow_lists


def table_of(path: Path) -> pa.Table:
    """The arrays of a .npz file, each a column, or the one of a .npy file, named as the file. Nothing is unpickled.

    Raises SourceUnreadable.
    """
    try:
        # Without pickles numpy only reads numbers and texts, so that a file cannot run code.
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            arrays = {path.stem: held}
        else:
            with held:
                arrays = {name: held[name] for name in held}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        why = "it holds Python objects, only numbers and texts are read" if "allow_pickle" in str(error) else ""
        raise SourceUnreadable(f"{path.name}: not a readable numpy file" + (f": {why}" if why else "")) from error
    lengths = {name: len(array) if array.ndim else None for name, array in arrays.items()}
    if not arrays or len(set(lengths.values())) != 1 or None in lengths.values():
        said = ", ".join(f"{name} {'none' if rows is None else rows}" for name, rows in lengths.items())
        raise SourceUnreadable(f"{path.name}: its arrays must have the same number of rows (first axis): {said}")
    return pa.table({name: _column(name, array, path) for name, array in arrays.items()})


def _column(name: str, array: np.ndarray, path: Path) -> Any:
    try:
        lists = arrow_lists(array) if array.ndim > 1 else None
        return pa.array(array) if lists is None else lists
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceUnreadable(f"{path.name}: array {name!r} holds {array.dtype.name}, which is not read") from error
