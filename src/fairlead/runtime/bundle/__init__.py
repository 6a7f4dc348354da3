"""Sealed models: manifest, seal, verify, run. Needs the base install alone; onnxruntime is loaded with the first model.

A bundle is a folder addressed by the sha256 of its manifest. Nothing in it is
parsed before the seal and the hash of its bytes hold, and nothing in it is code.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.runtime.bundle.attesting import attest, attestations
    from fairlead.runtime.bundle.front import Front
    from fairlead.runtime.bundle.keys import SigningKey
    from fairlead.runtime.bundle.run import Model, load
    from fairlead.runtime.bundle.sealing import seal
    from fairlead.runtime.bundle.showing import inspect, signer_of
    from fairlead.runtime.bundle.store import BundleStore
    from fairlead.runtime.bundle.verifying import Verified, verify

_HOME = {
    "BundleStore": "store",
    "Front": "front",
    "Model": "run",
    "SigningKey": "keys",
    "Verified": "verifying",
    "attest": "attesting",
    "attestations": "attesting",
    "inspect": "showing",
    "load": "run",
    "seal": "sealing",
    "signer_of": "showing",
    "verify": "verifying",
}
__all__ = [
    "BundleStore",
    "Front",
    "Model",
    "SigningKey",
    "Verified",
    "attest",
    "attestations",
    "inspect",
    "load",
    "seal",
    "signer_of",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
