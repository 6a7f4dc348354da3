"""Writing a bundle: compile, certify, and lay every file of it into a folder, the same bytes for the same candidate."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.errors import NotCompilable
from fairlead.contract.evidence import Lineage, ParityCertificate
from fairlead.lab.compile.candidate import Candidate
from fairlead.lab.compile.card import model_card
from fairlead.lab.compile.certifying import certify, holds
from fairlead.lab.compile.holding import stated
from fairlead.lab.compile.native import CURE, NativeCompiled, as_native
from fairlead.lab.compile.pipeline import Compiled, compile_pipeline
from fairlead.lab.compile.synthetic import background, golden
from fairlead.runtime.bundle.manifest import (
    BACKGROUND,
    CALIBRATION,
    CARD,
    FRONT,
    GOLDEN,
    NATIVE_ARTEFACT,
    NATIVE_FORM,
    PARITY,
    REFERENCE,
    REQUIREMENTS,
    SIGNATURE,
    TAIL_ONNX,
    canonical,
    manifest_of,
)
from fairlead.runtime.bundle.native_model import NativeModel
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.sealing import seal, write
from fairlead.runtime.native import NativeTerms

if TYPE_CHECKING:
    from fairlead.runtime.bundle.keys import SigningKey

AnyCompiled = Compiled | NativeCompiled
LIBRARIES = ("numpy", "onnxruntime", "pandas", "scikit-learn")


def certified(candidate: Candidate, native: NativeTerms | None = None) -> tuple[AnyCompiled, ParityCertificate]:
    """The first form whose certificate holds; with terms for native models, as a last resort the model as it is.

    Raises NotCompilable with what each form failed by.
    """
    try:
        return compile_certified(candidate)
    except NotCompilable as why:
        if any(column.kind == "tensor" for column in candidate.signature.columns):
            cure = "A model that takes tensors is compiled or refused: it does not run natively."
            raise NotCompilable(f"{why} {cure}") from why
        if native is None:
            raise NotCompilable(f"{why} {CURE}") from why
        found = replace(as_native(candidate, native, str(why)), calibration=candidate.calibration)
    try:
        certificate = certify(candidate.answering, found, candidate.signature, candidate.columns, candidate.sample)
        if not holds(certificate):
            raise NotCompilable(
                f"in a process of its own the model answers otherwise: {certificate.flipped} of {certificate.rows} "
                f"decisions flipped, largest difference {certificate.max_difference:.2g}."
            )
    except BaseException:
        found.close()
        raise
    return found, certificate


def compile_certified(candidate: Candidate) -> tuple[Compiled, ParityCertificate]:
    """The first compiled form whose certificate holds. Raises NotCompilable with what each form failed by."""
    passed_over: dict[str, str] = {}
    while True:
        try:
            compiled = compile_pipeline(
                candidate.pipeline, candidate.signature, candidate.sample, passed_over=passed_over
            )
            compiled = replace(compiled, calibration=candidate.calibration)
        except NotCompilable as why:
            if passed_over:
                failed = "; ".join(f"{form}: {reason}" for form, reason in passed_over.items())
                raise NotCompilable(f"no form reproduces this model: {failed}.") from why
            raise
        certificate = certify(candidate.answering, compiled, candidate.signature, candidate.columns, candidate.sample)
        if holds(certificate):
            return compiled, certificate
        passed_over[compiled.form] = (
            f"{certificate.flipped} of {certificate.rows} decisions flipped, "
            f"largest difference {certificate.max_difference:.2g}, allowed {certificate.tolerance:.0e}"
        )


def write_bundle(
    candidate: Candidate, folder: str | Path, key: SigningKey, *, native: NativeTerms | None = None
) -> str:
    """Compile, certify, write all files of the bundle into `folder` and seal it; returns its id.

    Nothing in it depends on the clock or the machine: the same candidate gives the same id.
    native: terms on which a model that cannot be compiled may be sealed as it is. Raises NotCompilable.
    """
    candidate = replace(candidate, lineage=stated(candidate.lineage, candidate.pipeline))
    compiled, certificate = certified(candidate, native)
    if isinstance(compiled, Compiled):
        return _written(candidate, Path(folder), key, compiled, certificate)
    try:
        return _written(candidate, Path(folder), key, compiled, certificate)
    finally:
        compiled.close()


def write_compiled(
    candidate: Candidate, compiled: Compiled, certificate: ParityCertificate, folder: str | Path, key: SigningKey
) -> str:
    """As `write_bundle`, of a form that was made and certified apart from its pipeline; returns the bundle's id."""
    return _written(candidate, Path(folder), key, compiled, certificate)


def _written(
    candidate: Candidate, folder: Path, key: SigningKey, compiled: AnyCompiled, certificate: ParityCertificate
) -> str:
    signature, lineage = candidate.signature, candidate.lineage
    empty = manifest_of(candidate.name, {}, lineage, "", "")
    if isinstance(compiled, Compiled):
        model = Model("", empty, signature, compiled.front, compiled.running())
        own = {FRONT: compiled.front.to_json(), compiled.file: compiled.tail}
        pinned = requirements(lineage)
        runtime = "onnx" if compiled.file == TAIL_ONNX else "linear"
        version = _version("onnxruntime" if runtime == "onnx" else "numpy", lineage)
    else:
        model = NativeModel("", empty, signature, compiled.process)
        model.calibrate(candidate.calibration)
        own = {NATIVE_FORM: compiled.form_file(), NATIVE_ARTEFACT: compiled.artefact.data}
        pinned = _pinned(compiled.libraries)
        runtime, version = "native", compiled.native.python
    if candidate.calibration is not None:
        own[CALIBRATION] = candidate.calibration.to_json()
    files = {
        SIGNATURE: canonical(signature),
        **own,
        REFERENCE: canonical(candidate.reference),
        GOLDEN: golden(model, certificate.tolerance),
        BACKGROUND: background(signature, candidate.reference.profile, front=getattr(model, "front", None)),
        PARITY: canonical(certificate),
        CARD: (candidate.model_card or model_card(candidate, certificate)).encode(),
        REQUIREMENTS: pinned.encode(),
    }
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write(folder / path, data)
    return seal(folder, candidate.name, lineage, runtime, version, key)


def requirements(lineage: Lineage) -> str:
    """Exact versions it was trained with, one a line."""
    versions = dict(lineage.versions) or {name: importlib.metadata.version(name) for name in LIBRARIES}
    return _pinned({name: version for name, version in versions.items() if name != "python"})


def _pinned(versions: dict[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def _version(library: str, lineage: Lineage) -> str:
    return lineage.versions.get(library) or importlib.metadata.version(library)
