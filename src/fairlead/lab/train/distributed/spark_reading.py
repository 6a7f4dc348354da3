"""Fitted trees of Spark, read out of it: the files that it saves them in, as tables of their nodes.

What a model prints lacks the classes that its leaves counted; what it saves has all of it, in doubles.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.contract.errors import RemoteError
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.lab.tables.engines.spark_sources import file_address

SCRATCH = "FAIRLEAD_SPARK_SCRATCH"
"""Address of a folder that the executors of a cluster of several hosts and this process reach."""
_OWN = os.urandom(8).hex()
"""What this process calls its folder there: fits follow each other, and each writes over the one before."""


def trees_of(session: Any, model: Any, value: Callable[[dict[str, Any]], Sequence[float]]) -> list[TreeTable]:
    """One table a tree and target. value: of a leaf (prediction, impurityStats) what it adds to each target.

    Raises RemoteError where what was saved cannot be read back here.
    """
    own = os.environ.get(SCRATCH, "")
    folder = f"{own.rstrip('/')}/fairlead-{_OWN}" if own else tempfile.mkdtemp(prefix="fairlead-spark-")
    try:
        model.write().overwrite().save(folder if own else f"file://{folder}")
        rows = session.read.parquet((folder if own else file_address(Path(folder))) + "/data").toArrow()
    except Exception as why:
        told = (str(why).splitlines() or [type(why).__name__])[0][:200]
        raise RemoteError(
            f"the trees that Spark saved in {folder} cannot be read here: {told}. Where executors run on other hosts, "
            f"let {SCRATCH} name a place that all of them reach."
        ) from why
    finally:
        if own:
            _remove(session, folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return _tables(rows.to_pylist(), value)


def _remove(session: Any, folder: str) -> None:
    """By Spark's own hand, which reaches it. Over Spark Connect, which has none, the last one stays."""
    with suppress(Exception):
        path = session._jvm.org.apache.hadoop.fs.Path(folder)
        path.getFileSystem(session._jsc.hadoopConfiguration()).delete(path, True)


def _tables(rows: list[dict[str, Any]], value: Callable[[dict[str, Any]], Sequence[float]]) -> list[TreeTable]:
    trees: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        # A single tree is saved as its nodes alone.
        trees.setdefault(int(row.get("treeID", 0)), []).append(row.get("nodeData", row))
    found = []
    for number in sorted(trees):
        nodes = sorted(trees[number], key=lambda node: int(node["id"]))
        if [int(node["id"]) for node in nodes] != list(range(len(nodes))):
            raise RemoteError(f"tree {number} that Spark saved lacks nodes.")
        found += _table(nodes, value)
    return found


def _table(nodes: list[dict[str, Any]], value: Callable[[dict[str, Any]], Sequence[float]]) -> list[TreeTable]:
    leaf = np.array([int(node["leftChild"]) < 0 for node in nodes])
    splits = [node["split"] for node in nodes]
    if any(int(s["numCategories"]) != -1 for s, last in zip(splits, leaf, strict=True) if not last):
        raise RemoteError("Spark split by categories, which prepared features have none of.")
    values = np.array([list(value(node)) if last else [] for node, last in zip(nodes, leaf, strict=True)], dtype=object)
    width = max(len(v) for v in values)
    numbers = np.array([v if len(v) else [0.0] * width for v in values.tolist()], dtype=np.float64)
    shape: dict[str, Any] = {
        "leaf": leaf,
        "feature": np.array([0 if last else int(s["featureIndex"]) for s, last in zip(splits, leaf, strict=True)]),
        "threshold": np.array(
            [0.0 if last else float(s["leftCategoriesOrThreshold"][0]) for s, last in zip(splits, leaf, strict=True)]
        ),
        "left": np.array([max(int(node["leftChild"]), 0) for node in nodes]),
        "right": np.array([max(int(node["rightChild"]), 0) for node in nodes]),
        # Nothing is at most a threshold that is no number: Spark goes right.
        "missing_left": np.zeros(len(nodes), dtype=bool),
    }
    return [TreeTable(**shape, value=numbers[:, target], target=target) for target in range(width)]
