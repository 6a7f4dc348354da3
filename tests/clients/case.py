"""What every client is told: where the server is, which rows to send, and what the model itself answers to them.

Standard library alone, as clients run in environments of their own: `with_CLIENT.py FILE` runs every `check_` of a
client and says which went well.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any


class Case:
    """http, grpc: host:port. rows: as JSON. expected: what `fairlead.load(bundle).predict(rows)` gave."""

    def __init__(self, path: str) -> None:
        with open(path) as file:
            told = json.load(file)
        self.http: str = told["http"]
        self.grpc: str = told["grpc"]
        self.model: str = told["model"]
        self.version: str = told["version"]
        self.classes: list[str] = told["classes"]
        self.rows: list[dict[str, Any]] = told["rows"]
        self.expected: list[dict[str, Any]] = told["expected"]

    def labels(self) -> list[str]:
        return [one["label"] for one in self.expected]

    def column(self, name: str, datatype: str) -> list[Any]:
        """The values of a column; what is missing is NaN, as tensors have it."""
        return [math.nan if row[name] is None and datatype.startswith("FP") else row[name] for row in self.rows]

    def agrees(self, labels: Sequence[Any], probabilities: Sequence[Any]) -> None:
        """labels: text or bytes. probabilities: rows of them, or all in one list."""
        said = [label.decode() if isinstance(label, bytes) else str(label) for label in labels]
        assert said == self.labels(), said
        flat = [float(p) for row in probabilities for p in (row if hasattr(row, "__len__") else [row])]
        wanted = [one["probabilities"][name] for one in self.expected for name in self.classes]
        assert len(flat) == len(wanted)
        assert all(same(got, one) for got, one in zip(flat, wanted, strict=True)), flat

    def gives(self, predictions: Sequence[dict[str, Any]]) -> None:
        """The same of the native protocol's predictions."""
        self.agrees(
            [one["label"] for one in predictions],
            [one["probabilities"][name] for one in predictions for name in self.classes],
        )


def same(got: float, wanted: float) -> bool:
    """Equal but for the last bits, which depend on how many rows the model is asked at once."""
    return math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-15)


def raised(call: Callable[[], Any], *words: str, kind: type[BaseException] = Exception) -> BaseException:
    """The error of a call, which must say all of `words`."""
    found: BaseException | None = None
    try:
        call()
    except kind as error:
        found = error
    assert found is not None, f"nothing was raised, expected {words}"
    assert all(word in str(found) for word in words), f"expected {words}, got {found}"
    return found


def main(checks: dict[str, Any]) -> None:
    """Run every function whose name begins with check_; exit 1 if one fails."""
    case, failed = Case(sys.argv[1]), False
    for name, check in list(checks.items()):
        if name.startswith("check_"):
            try:
                check(case)
                print(f"ok {name}")
            except Exception:
                failed = True
                print(f"failed {name}\n{traceback.format_exc()}")
    sys.exit(failed)
