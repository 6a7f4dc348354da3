"""Writing a bundle: compile, certify, and lay every file of it into a folder, the same bytes for the same candidate."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.errors import NotCompilable
from fairlead.contract.evidence import Lineage, ParityCertificate
from fairlead.lab.compile.candidate import Candidate
from fairlead.lab.compile.card import model_card
from fairlead.lab.compile.certifying import certify, holds
from fairlead.lab.compile.pipeline import Compiled, compile_pipeline
from fairlead.lab.compile.synthetic import background, golden
from fairlead.runtime.bundle.manifest import (
    BACKGROUND,
    CARD,
    FRONT,
    GOLDEN,
    PARITY,
    REFERENCE,
    REQUIREMENTS,
    SIGNATURE,
    TAIL_ONNX,
    canonical,
    manifest_of,
)
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.sealing import seal, write

if TYPE_CHECKING:
    from fairlead.runtime.bundle.keys import SigningKey

LIBRARIES = ("numpy", "onnxruntime", "pandas", "scikit-learn")


def compile_certified(candidate: Candidate) -> tuple[Compiled, ParityCertificate]:
    """The first form whose certificate holds. Raises NotCompilable with what each form failed by."""
    passed_over: dict[str, str] = {}
    while True:
        try:
            compiled = compile_pipeline(
                candidate.pipeline, candidate.signature, candidate.sample, passed_over=passed_over
            )
        except NotCompilable as why:
            if passed_over:
                failed = "; ".join(f"{form}: {reason}" for form, reason in passed_over.items())
                raise NotCompilable(f"no form reproduces this model: {failed}.") from why
            raise
        certificate = certify(candidate.pipeline, compiled, candidate.signature, candidate.columns, candidate.sample)
        if holds(certificate):
            return compiled, certificate
        passed_over[compiled.form] = (
            f"{certificate.flipped} of {certificate.rows} decisions flipped, "
            f"largest difference {certificate.max_difference:.2g}, allowed {certificate.tolerance:.0e}"
        )


def write_bundle(candidate: Candidate, folder: str | Path, key: SigningKey) -> str:
    """Compile, certify, write all files of the bundle into `folder` and seal it; returns its id.

    Nothing in it depends on the clock or the machine: the same candidate gives the same id.
    Raises NotCompilable.
    """
    folder = Path(folder)
    compiled, certificate = compile_certified(candidate)
    signature = candidate.signature
    lineage = candidate.lineage
    empty = manifest_of(candidate.name, {}, lineage, "", "")
    model = Model("", empty, signature, compiled.front, compiled.running())
    files = {
        SIGNATURE: canonical(signature),
        FRONT: compiled.front.to_json(),
        compiled.file: compiled.tail,
        REFERENCE: canonical(candidate.reference),
        GOLDEN: golden(model),
        BACKGROUND: background(signature),
        PARITY: canonical(certificate),
        CARD: (candidate.model_card or model_card(candidate, certificate)).encode(),
        REQUIREMENTS: requirements(lineage).encode(),
    }
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write(folder / path, data)
    onnx = compiled.file == TAIL_ONNX
    library = "onnxruntime" if onnx else "numpy"
    return seal(folder, candidate.name, lineage, "onnx" if onnx else "linear", _version(library, lineage), key)


def requirements(lineage: Lineage) -> str:
    """Exact versions it was trained with, one a line."""
    versions = dict(lineage.versions) or {name: importlib.metadata.version(name) for name in LIBRARIES}
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()) if name != "python")


def _version(library: str, lineage: Lineage) -> str:
    return lineage.versions.get(library) or importlib.metadata.version(library)
