"""Models of every kind of column behind a real server, for those who look at a server from outside: people, fuzzers."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.routes import Key, Limits, Route, Routes, Variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.serve import publish

ROOT = Path(__file__).resolve().parent.parent.parent
CITIES = tuple(f"City {number:02d}" for number in range(40))
CHURN = Signature(
    task="classification",
    target="Churn",
    columns=(
        Column("tenure", "integer", nullable=False, low=0.0, high=72.0, minimum=0.0),
        Column("monthly charges", "number", low=18.25, high=118.75, minimum=0.0, maximum=1000.0),
        Column("contract", "category", categories=("Month-to-month", "One year", "Two year")),
        Column("zone", "category", categories=("1", "2", "3"), coded="integer", nullable=False),
        Column("paperless", "boolean"),
        Column("partner", "category", categories=("false", "true"), coded="boolean"),
        Column("city", "category", categories=CITIES),
        Column("plan", "category", categories=("basic", "pro"), nullable=False),
        Column("since", "time", low=1.3e9, high=1.7e9),
        Column("it's a note", "text"),
    ),
    classes=("No", "Yes"),
    positive="Yes",
    threshold=0.4,
    key="customer",
    time=("at",),
)
RIDES = Signature(
    task="regression",
    target="rides",
    columns=(
        Column("temp", "number", low=-20.0, high=40.0),
        Column("hour", "integer", nullable=False, low=0.0, high=23.0, minimum=0.0, maximum=23.0),
    ),
)
SPECIES = Signature(
    task="classification",
    target="species",
    columns=(Column("length", "number", nullable=False, low=1.0, high=9.0),),
    classes=tuple(f"species {number:02d}" for number in range(14)),
)
SIGNATURES = {"churn": CHURN, "rides": RIDES, "species": SPECIES}
CLOSED = {"churn": ("plan",)}
KEY = Key("k1", "tests", "", verbs=("predict", "feedback"))
SECRET = "fl_" + "s" * 43


class _Front:
    def __init__(self, closed: Iterable[str]) -> None:
        self.closed, self.required = frozenset(closed), frozenset[str]()


class Model:
    """Adds up what a row holds; the sum decides."""

    def __init__(self, signature: Signature, closed: Iterable[str]) -> None:
        self.signature, self.front = signature, _Front(closed)
        self._closed = [(at, c) for at, c in enumerate(signature.columns) if c.name in self.front.closed]
        self.guard = self._guard if self._closed else None

    def _guard(self, rows: Sequence[Sequence[Any]]) -> None:
        for number, row in enumerate(rows):
            for at, column in self._closed:
                if row[at] not in column.categories:
                    raise CellInvalid(number, column.name, "a value never seen in training", "one of 2")

    def score_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        sums = [sum(self._part(cell) for cell in row) for row in rows]
        if self.signature.task != "classification":
            return np.array([[total] for total in sums])
        places = np.arange(len(self.signature.classes))
        raw = np.array([np.exp(-np.abs(places - abs(total) % len(places))) for total in sums])
        return raw / raw.sum(axis=1, keepdims=True)

    @staticmethod
    def _part(cell: Any) -> float:
        if cell is None:
            return 0.0
        return float(len(cell)) * 0.37 if isinstance(cell, str) else math.tanh(cell / 50.0) * 10.0

    def decide(self, scores: Any) -> Any:
        if self.signature.task != "classification":
            return scores[:, 0]
        return [self.signature.classes[int(at)] for at in scores.argmax(axis=1)]


def load(folder: Path, trusted: Iterable[str]) -> Model:
    """The model that `write` described."""
    name = msgspec.json.decode((Path(folder) / "manifest.json").read_bytes())["name"]
    return Model(SIGNATURES[name], CLOSED.get(name, ()))


def home(root: Path, *models: str, limits: Limits = Limits(), keys: tuple[Key, ...] = ()) -> Path:  # noqa: B008
    """A home with these models deployed; the first is the default."""
    routes = []
    for at, name in enumerate(models or SIGNATURES, 1):
        bundle = f"{at:064x}"
        folder = root / "bundles" / bundle
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_bytes(msgspec.json.encode({"name": name}))
        routes.append(Route(name, (Variant("champion", bundle, at),)))
    publish(
        root / "routes.json",
        Routes(1, tuple(routes), default=routes[0].model, redact_key="0a0b", limits=limits, keys=keys),
    )
    return root


@contextlib.contextmanager
def server(
    root: Path,
    *,
    required: bool = False,
    workers: int = 1,
    load: str = "tests.browser.served:load",
    bundle: Path | None = None,
) -> Iterator[str]:
    """A real server over `home`; its address. required: it asks for keys. load: what makes a model of a folder.
    bundle: this one alone, loaded as any server does."""
    served = f"load={load!r}" if bundle is None else f"bundle=Path({str(bundle)!r})"
    program = (
        "import sys; from pathlib import Path\n"
        "from fairlead.contract.settings import AccessSettings\n"
        "from fairlead.runtime.serve import ServeOptions, serve\n"
        f"serve(ServeOptions(home=Path({str(root)!r}), port=0, workers={workers}, {served},"
        f" access=AccessSettings(required={required})), lambda url: print(url, flush=True))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = root / "server.log"
    with log.open("ab") as into:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=into, env=environ, text=True
        )
    assert process.stdout is not None
    try:
        came, _, _ = select.select([process.stdout], [], [], 60)
        url = process.stdout.readline().strip() if came else ""
        assert url.startswith("http://"), log.read_text()
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
