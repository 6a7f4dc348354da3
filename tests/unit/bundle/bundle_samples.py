"""Small sealed bundles, made without training anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fairlead.contract.evidence import Lineage, ParityCertificate
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import Front
from fairlead.runtime.bundle.front import Delta, Number, Table
from fairlead.runtime.bundle.golden import Golden
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import Divide, Impute, Subtract
from fairlead.runtime.bundle.tail import LinearForm

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("age", "integer", low=18.0, high=90.0),
        Column("plan", "category", categories=("basic", "pro")),
        Column("code", "category", categories=("1", "2"), coded="integer", nullable=False),
    ),
    classes=("no", "yes"),
    positive="yes",
    key="id",
)
FRONT = Front(
    columns=("age", "plan", "code"),
    numeric=(True, False, False),
    lanes=(
        Number("age", (Impute(40.0), Subtract(40.0), Divide(10.0))),
        Table("plan", ("basic", "pro"), ((Delta(0, 1.0),), (Delta(1, 1.0),)), (0.0, 0.0), missing=(Delta(0, 1.0),)),
        Table("code", ("1", "2"), ((Delta(0, 0.0),), (Delta(0, 1.0),)), (-1.0,), closed=True, required=True),
    ),
)
TAIL = LinearForm(weights=((1.0,), (-1.0,), (2.0,), (0.5,)), intercept=(0.25,), link="sigmoid")
LINEAGE = Lineage(data="0" * 64, rows=3, learner="logistic", parameters={"C": 1.0}, seed=0, config="c")


def raw(age: float, basic: float, pro: float, code: float) -> float:
    return (age - 40.0) / 10.0 - basic + 2.0 * pro + 0.5 * code + 0.25


def probability(*features: float) -> float:
    return float(1.0 / (1.0 + np.exp(-raw(*features))))


def golden() -> list[Golden]:
    rows = [
        ({"age": 50, "plan": "pro", "code": 2}, probability(50, 0, 1, 1)),
        ({"age": None, "plan": None, "code": 1}, probability(40, 1, 0, 0)),
        ({"age": 20, "plan": "never", "code": 1}, probability(20, 0, 0, 0)),
    ]
    return [Golden(row, (1.0 - p, p), "yes" if p > 0.5 else "no") for row, p in rows]


def files() -> dict[str, bytes]:
    parity = ParityCertificate("linear", 3, 0.0, 0.0, 0, 1e-9, {"training": 3})
    return {
        "signature.json": canonical(SIGNATURE),
        "model/front.json": FRONT.to_json(),
        "model/tail.json": TAIL.to_json(),
        "reference.json": canonical(Reference(Profile(0, ()))),
        "golden.jsonl": b"".join(canonical(line) + b"\n" for line in golden()),
        "background.jsonl": b"{}\n",
        "parity.json": canonical(parity),
        "model_card.md": b"# churn\n",
        "requirements.txt": b"numpy==2.4.6\n",
    }


def write_files(folder: Path, content: dict[str, bytes]) -> Path:
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
