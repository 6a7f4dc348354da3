"""The models of the process that explains: as serving runs them, with what explaining them needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused, FairleadError, NotOffered
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.manifest import NATIVE_FORM, SIGNATURE
from fairlead.runtime.bundle.run import build, check_signature
from fairlead.runtime.bundle.verifying import verify
from fairlead.runtime.explain import Explainable, Explanation, Terms
from fairlead.runtime.serve.deployed import Model
from fairlead.runtime.wire.codec import Row


class Explained:
    """A model behind the protocol of serving, and its explanations. why_not: why there are none, else empty."""

    why_not = ""

    def __init__(self, explainable: Explainable) -> None:
        self._explainable = explainable
        model = explainable.model
        self.signature, self.guard = model.signature, model.guard
        self.score_rows, self.decide, self.answers = model.score_rows, model.decide, model.answers

    def explain(self, rows: Sequence[Row], terms: Terms) -> Explanation:
        """Raises DeadlineExceeded, NotOffered."""
        return self._explainable.explain_rows(rows, terms)


class Unexplained:
    """A model that is served and cannot be explained."""

    guard = None

    def __init__(self, signature: Signature, why_not: str) -> None:
        self.signature, self.why_not = signature, why_not

    def score_rows(self, rows: Sequence[Row]) -> Any:
        """Never asked: nothing is predicted here."""
        raise NotOffered(self.why_not)

    decide = score_rows


def load(folder: str | Path, trusted: Iterable[str], *, threads: int = 1, native: Any = None) -> Model:
    """As `runtime.bundle.load`. Native models are not started: their code runs beside the workers alone."""
    verified = verify(folder, trusted)
    if NATIVE_FORM in verified.files:
        return Unexplained(
            _signature(verified.files[SIGNATURE]),
            "this model runs code of its own in a process of its own: only compiled models are explained",
        )
    model = build(verified, threads=threads)
    try:
        return Explained(Explainable(model, verified.files))
    except FairleadError as why:
        return Unexplained(model.signature, f"this model cannot be explained: {why}")


def _signature(data: bytes) -> Signature:
    try:
        signature = msgspec.json.decode(data, type=Signature)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"signature.json: {why}") from why
    check_signature(signature)
    return signature
