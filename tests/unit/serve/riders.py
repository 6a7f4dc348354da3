"""A model that forecasts, sealed and deployed, and rows to ask it with."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.routes import Route, Routes, Variant
from fairlead.runtime.bundle import SigningKey, verify
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.serve import publish

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

from forecast_samples import SIGNATURE, expected, histories, origins, sealed_at


def deployed(home: Path, generation: int = 1, *, alone: bool = False, **route: Any) -> str:
    """Publish routes for model `riders`; the id of its bundle. alone: it knows of one series alone."""
    path = home / "seal.key"
    key = SigningKey.load(path) if path.exists() else SigningKey.create(path)
    bundles = home / "bundles"
    if not bundles.exists():
        signature = msgspec.structs.replace(SIGNATURE, series=None) if alone else SIGNATURE
        folder = sealed_at(home / "made", key, signature__json=canonical(signature))
        id = verify(folder, (key.public,)).id
        bundles.mkdir(parents=True)
        shutil.move(folder, bundles / id)
    (bundle,) = [path.name for path in bundles.iterdir()]
    published = Routes(
        generation, (Route("riders", (Variant("champion", bundle, 1),), **route),), trusted=(key.public,),
        redact_key="0a0b",
    )  # fmt: skip
    publish(home / "routes.json", published)
    return bundle


def rows(found: Any, at: Any, station: str = "a") -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    return [{"history": one.tolist(), "origin": datetime.fromtimestamp(origin, UTC).isoformat(), "station": station}
            for one, origin in zip(found, at.tolist(), strict=True)]  # fmt: skip


__all__ = ["SIGNATURE", "deployed", "expected", "histories", "origins", "rows"]
