"""A bundle whose model runs its own code, in a process of its own."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np

from fairlead.contract.errors import BundleRefused
from fairlead.contract.evidence import Manifest
from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.bundle import golden
from fairlead.runtime.bundle.calibration import Calibrating, Calibration, read_calibration
from fairlead.runtime.bundle.cells import columns_of_rows
from fairlead.runtime.bundle.coded import Columns, cells_of
from fairlead.runtime.bundle.manifest import CALIBRATION, GOLDEN, NATIVE_ARTEFACT, NATIVE_FORM, REFERENCE, REQUIREMENTS
from fairlead.runtime.bundle.population import guard_of
from fairlead.runtime.bundle.run import Floats, Model
from fairlead.runtime.bundle.verifying import Verified
from fairlead.runtime.native.desk import Desk, Done
from fairlead.runtime.native.form import NativeForm, NativeTerms
from fairlead.runtime.native.process import NativeProcess


class NativeModel(Model):
    """A Model whose arithmetic is somewhere else. Its process ends with it, or with `close()`.

    Besides what every Model raises: NativeFailed, DeadlineExceeded, Busy (see `NativeProcess.score`).
    """

    def __init__(self, identity: str, manifest: Manifest, signature: Signature, process: NativeProcess) -> None:
        self.id, self.manifest, self.signature = identity, manifest, signature
        self.threshold = signature.threshold
        self.guard = guard_of(signature, None)
        self.process = process
        self.close = weakref.finalize(self, process.close)
        self._reference = b""
        self._calibrating: Calibrating | None = None
        self._classes = np.array(signature.classes, dtype=object)

    @property
    def closed(self) -> frozenset[str]:
        """See Model: what a native model refuses is known to it alone."""
        return frozenset()

    def score_rows(self, rows: Sequence[Sequence[Cell]]) -> Floats:
        """See Model. Waits for the answer; a loop that must not wait uses `submit`."""
        return self._calibrated(self.process.score(columns_of_rows(rows, self.signature), len(rows)))

    def score_columns(self, columns: Columns) -> Floats:
        """See Model."""
        rows = len(next(iter(columns.values()))) if columns else 0
        return self._calibrated(self.process.score(cells_of(columns), rows))

    def _calibrated(self, scores: Floats) -> Floats:
        return scores if self._calibrating is None else self._calibrating.applied(scores)

    def calibrate(self, calibration: Calibration | None) -> None:
        """Calibrate all scores from now on; done once, before anybody asks."""
        self._calibrating = None if calibration is None else Calibrating(calibration)

    def submit(self, rows: Sequence[Sequence[Cell]], done: Done, deadline_s: float | None = None) -> None:
        """As `score_rows`, without waiting: see `Desk.submit`, which says on which thread `done` is called."""
        self._desk.submit(rows, done, deadline_s)

    @cached_property
    def _desk(self) -> Desk:
        process, signature, calibrating = self.process, self.signature, self._calibrating

        def score(rows: Sequence[Sequence[Cell]], deadline_s: float) -> Floats:
            found = process.score(columns_of_rows(rows, signature), len(rows), deadline_s)
            return found if calibrating is None else calibrating.applied(found)

        return Desk(score, process.terms.deadline_s)


def open_native(verified: Verified, signature: Signature, terms: NativeTerms | None) -> NativeModel:
    """The native model of verified bytes, golden rows replayed. Raises BundleRefused."""
    check_trust(verified, terms)
    assert terms is not None
    files = verified.files
    try:
        form = msgspec.json.decode(files[NATIVE_FORM], type=NativeForm)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"form.json: {why}") from why
    check_form(form, signature)
    calibration = _calibration(files, signature)
    process = NativeProcess(form, files[NATIVE_ARTEFACT], terms, locked(files[REQUIREMENTS]))
    model = NativeModel(verified.id, verified.manifest, signature, process)
    model._reference = files[REFERENCE]
    model.calibrate(calibration)
    try:
        golden.replay(model, files[GOLDEN])
    except BaseException:
        model.close()
        raise
    return model


def _calibration(files: dict[str, bytes], signature: Signature) -> Calibration | None:
    if CALIBRATION not in files:
        return None
    if signature.task != "classification":
        raise BundleRefused(f"calibration.json: a {signature.task} has no probabilities")
    return read_calibration(files[CALIBRATION], len(signature.outputs))


def check_trust(verified: Verified, terms: NativeTerms | None) -> None:
    """Raises BundleRefused for a native model without terms on which it may run."""
    if terms is None and NATIVE_FORM in verified.files:
        raise BundleRefused(
            "it holds a native model, which runs code of its own, and native models are not trusted here: "
            'set [model] trust = "native" in fairlead.toml, or serve with --trust-native, if you trust who sealed it'
        )


def check_form(form: NativeForm, signature: Signature) -> None:
    """Raises BundleRefused for a form that does not fit the signature, or is not known."""
    if any(column.kind == "tensor" for column in signature.columns):
        raise BundleRefused("a native model takes a table of numbers and texts: this version gives it no tensors")
    if form.format != 1:
        raise BundleRefused(f"form.json: format {form.format} is not known; this version reads 1")
    stated = [(c.name, c.numeric) for c in signature.columns]
    if [(c.name, c.numeric) for c in form.columns] != stated:
        raise BundleRefused("form.json takes other columns than signature.json states")
    if form.outputs != len(signature.outputs):
        raise BundleRefused(f"the model gives {form.outputs} scores, its signature states {len(signature.outputs)}")
    if form.method == "labels" and len(form.classes) != form.outputs:
        raise BundleRefused("form.json names other classes than signature.json states")


def locked(requirements: bytes) -> dict[str, str]:
    """{distribution: version} of requirements.txt. Raises BundleRefused for a line that pins nothing."""
    found = {}
    for line in requirements.decode("utf-8", "replace").splitlines():
        name, same, version = line.partition("==")
        if not same:
            raise BundleRefused("requirements.txt: a line states no exact version")
        found[name.strip()] = version.strip()
    return found
