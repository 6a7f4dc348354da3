"""A model small enough to know its answers by heart: stands where a sealed bundle would in tests of the data plane."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import BundleRefused, CellInvalid
from fairlead.contract.signature import Column, Signature

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("tenure", "integer", nullable=False),
        Column("charges", "number"),
        Column("contract", "category", categories=("monthly", "yearly")),
        Column("paperless", "boolean"),
    ),
    classes=("No", "Yes"),
    positive="Yes",
    key="customer",
    time=("at",),
)


class StandIn:
    """A logistic function of three numbers; `shift` tells two versions apart. slow: seconds that a row takes."""

    def __init__(self, shift: float, signature: Signature = SIGNATURE, closed: bool = False, slow: float = 0.0) -> None:
        self.shift, self.signature, self.slow = shift, signature, slow
        self.guard = self._guard if closed else None

    @staticmethod
    def _guard(rows: Sequence[Sequence[Any]]) -> None:
        for number, row in enumerate(rows):
            if row[2] not in ("monthly", "yearly"):
                raise CellInvalid(number, "contract", "a value never seen in training", "one of 2")

    def score_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        if self.slow:
            time.sleep(self.slow * len(rows))
        sums = [
            self.shift + 0.01 * row[0] - 0.02 * (row[1] or 0.0) + (1.0 if row[2] == "monthly" else 0.0) for row in rows
        ]
        p = np.array([1.0 / (1.0 + math.exp(-s)) for s in sums])
        return np.stack([1.0 - p, p], axis=1)

    def decide(self, scores: Any) -> list[str]:
        return ["Yes" if row[1] > 0.5 else "No" for row in scores]


class Aside(StandIn):
    """Answers on a thread of its own, as a model in another process does."""

    def submit(self, rows: Sequence[Sequence[Any]], done: Callable[[Any], None], within_s: float) -> None:
        threading.Thread(target=lambda: done(self.score_rows(rows))).start()


def load(folder: Path, trusted: Iterable[str]) -> StandIn:
    """A stand-in from `stand_in.json` in a folder: {"shift": number}, or {"refuse": reason}."""
    kept = msgspec.json.decode((Path(folder) / "stand_in.json").read_bytes())
    if "refuse" in kept:
        raise BundleRefused(kept["refuse"])
    signature = msgspec.structs.replace(SIGNATURE, timezone=kept.get("timezone", "UTC"))
    kind = Aside if kept.get("aside") else StandIn
    return kind(kept["shift"], signature, kept.get("closed", False), kept.get("slow", 0.0))


def write(folder: Path, **kept: Any) -> Path:
    """A folder that `load` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stand_in.json").write_bytes(msgspec.json.encode(kept))
    (folder / "manifest.json").write_text("{}")
    return folder


def scored(row: dict[str, Any], shift: float) -> float:
    """What the stand-in says to a row: the probability of Yes."""
    cells = [[row[name] for name in SIGNATURE.names]]
    return float(StandIn(shift).score_rows(cells)[0][1])
