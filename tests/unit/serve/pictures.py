"""A model of pictures, sealed and deployed, and rows to ask it with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.runtime.bundle import SigningKey, verify
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

from tensor_samples import images, sealed_at


def deployed(home: Path, generation: int = 1, limits: Limits = Limits(), **route: Any) -> None:  # noqa: B008
    """Publish routes for model `shade`, a linear model of age, an 8 x 8 picture and a plan."""
    key = _key(home)
    bundles = home / "bundles"
    if not bundles.exists():
        folder = sealed_at(home / "made", "linear", key)
        id = verify(folder, (key.public,)).id
        bundles.mkdir(parents=True)
        shutil.move(folder, bundles / id)
    (bundle,) = [path.name for path in bundles.iterdir()]
    published = Routes(
        generation, (Route("shade", (Variant("champion", bundle, 1),), **route),), trusted=(key.public,),
        redact_key="0a0b", limits=limits,
    )  # fmt: skip
    publish(home / "routes.json", published)


def _key(home: Path) -> SigningKey:
    path = home / "seal.key"
    return SigningKey.load(path) if path.exists() else SigningKey.create(path)


@contextmanager
def plane(home: Path, **more: Any) -> Iterator[DataPlane]:
    """The data plane of slot 0, as a worker makes it."""
    told = {"home": str(home), "run": str(home / "run"), "instance": "test", "load": "fairlead.runtime.bundle:load"}
    made = open_plane(0, {**told, **more})
    try:
        yield made
    finally:
        made.close()


def rows(found: np.ndarray | Sequence[Any]) -> list[dict[str, Any]]:
    """Rows with these pictures, as JSON has them."""
    return [{"age": 30.0 + at, "image": np.asarray(one).tolist(), "plan": "pro", "id": f"k{at}"}
            for at, one in enumerate(found)]  # fmt: skip


__all__ = ["deployed", "images", "plane", "rows"]
