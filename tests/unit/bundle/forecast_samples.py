"""A small sealed bundle that forecasts, made without training: three steps from four values and a covariate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bundle_samples import LINEAGE, write_files

from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import Front, SigningKey, seal
from fairlead.runtime.bundle.front import Number, Tensor
from fairlead.runtime.bundle.golden import Golden, row_of
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import Part
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, load_tail

LAGS, WIDE, HORIZON, STEP = 4, 2, 3, 3600.0
SIZE = LAGS * WIDE
START = 1_700_000_000.0 // STEP * STEP
SIGNATURE = Signature(
    "forecasting",
    (
        Column("history", "tensor", nullable=False, dtype="float64", shape=(LAGS, WIDE)),
        Column("origin", "time", nullable=False),
    ),
    target="riders",
    time=("origin",),
    horizon=HORIZON,
    step=STEP,
    series="station",
)
FRONT = Front(
    ("history", "origin"),
    (False, True),
    (Number("origin", (Part("hour", ""),)), Tensor("history", "float64", SIZE)),
)
# Step k: the newest value, k times the covariate's newest, and a hundredth of the hour of the origin.
WEIGHTS = np.zeros((1 + SIZE, HORIZON))
WEIGHTS[0] = 0.01
WEIGHTS[1 + SIZE - WIDE] = 1.0
WEIGHTS[SIZE] = [1.0, 2.0, 3.0]


def tail(weights: np.ndarray = WEIGHTS) -> bytes:
    """The model. weights: (hour and elements, horizon)."""
    return LinearForm(tuple(map(tuple, weights.tolist())), (0.0,) * HORIZON, "identity").to_json()


def histories(rows: int, seed: int = 0) -> np.ndarray:
    """(rows, lags, 2) float64 of one decimal."""
    return np.random.default_rng(seed).integers(0, 1000, (rows, LAGS, WIDE)) / 10.0


def origins(rows: int) -> np.ndarray:
    """(rows,) seconds, an hour apart."""
    return START + STEP * np.arange(rows)


def expected(found: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(rows, 3): what the model says."""
    hours = at % 86400 // 3600
    return found[:, -1, :1] + found[:, -1, 1:] * [1.0, 2.0, 3.0] + 0.01 * hours[:, None]


def cells(found: np.ndarray, at: np.ndarray) -> list[list[Any]]:
    """Rows of cells."""
    return [[one.tobytes(), origin] for one, origin in zip(found, at.tolist(), strict=True)]


def files(
    signature: Signature = SIGNATURE, reference: Reference | None = None, weights: np.ndarray = WEIGHTS
) -> dict[str, bytes]:
    """The files of a bundle whose golden rows have the answers that the model gives."""
    content = {"model/tail.json": tail(weights)}
    rows = cells(histories(4, seed=9), origins(4))
    model = Model("", None, signature, FRONT, load_tail(content, FRONT.width))  # type: ignore[arg-type]
    scores = model.score_rows(rows)
    golden = [
        Golden(row_of(row, signature), tuple(numbers), float(answer))
        for row, numbers, answer in zip(rows, scores.tolist(), model.decide(scores), strict=True)
    ]
    return {
        "signature.json": canonical(signature),
        "model/front.json": FRONT.to_json(),
        **content,
        "reference.json": canonical(reference or Reference(Profile(0, ()))),
        "golden.jsonl": b"".join(canonical(line) + b"\n" for line in golden),
        "background.jsonl": b"{}\n",
        "parity.json": canonical(ParityCertificate("linear", 4, 0.0, 0.0, 0, 1e-9, {"training": 4})),
        "model_card.md": b"# riders\n",
        "requirements.txt": b"numpy==2.4.6\n",
    }


def sealed_at(folder: Path, key: SigningKey, **changed: bytes) -> Path:
    """A sealed bundle, some of its files changed (`golden__jsonl` is golden.jsonl)."""
    content = files() | {name.replace("__", "."): data for name, data in changed.items()}
    seal(write_files(folder, content), "riders", LINEAGE, "linear", "1", key)
    return folder
