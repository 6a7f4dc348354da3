"""Learning from a stream: answer a row first, learn it once its label is there, seal what was learned now and then.

What was learned and how far the stream was read are one file, written aside and renamed, so a process that is killed
goes on where that file says and takes every labelled row once. It is signed, and opened only if the seal holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, InputInvalid, UsageError
from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.fitting import fit, learner_of, scores_of, targets
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.material import Material, material_of
from fairlead.runtime.bundle.keys import SigningKey, check_line, signed_line
from fairlead.runtime.bundle.sealing import write

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate

RECENT = 2_000
"""Newest rows that are kept: a bundle's reference describes them."""
FORMAT = b"fairlead-learning 1\n"


class Learned(NamedTuple):
    """rows: taken; loss: mean loss in [0, 1] of the answers before they were learned; losses: of each row, (rows,)."""

    rows: int
    loss: float
    losses: Floats


@dataclass
class Learning:
    """One model that learns label by label. cursor: how far its stream was read, in the words of who reads it.

    pipeline: the preparation of the rows that it began with, which stays, and the learner's estimator. recent,
    answers: the newest rows and what was answered to them before they were learned, (rows, outputs).
    """

    settings: Settings
    learner: str
    parameters: dict[str, Any]
    material: Material
    pipeline: Any
    recent: pd.DataFrame
    answers: Floats
    rows: int
    cursor: str = ""
    digest: str = field(default="")

    @classmethod
    def begin(
        cls, frame: pd.DataFrame, settings: Settings, learner: str = "online_tree",
        parameters: Mapping[str, Any] | None = None,
    ) -> Learning:  # fmt: skip
        """Learn the first rows, which say how all later ones are prepared and which classes there are.

        frame: rows with the target, in order. Raises InputInvalid, ConfigInvalid for a learner that takes no single
        rows, MissingExtra.
        """
        known = learner_of(learner)
        material = material_of(frame, settings)
        given = dict(parameters if parameters is not None else known.default(material.rows))
        if not hasattr(known.build(material.signature.task, given, settings.train.seed), "learn"):
            able = [name for name in names("learner") if "river" in getattr(variant("learner", name), "libraries", ())]
            raise ConfigInvalid(
                f"{learner} does not learn label by label.", key="learner", cure=f"Learners that do: {', '.join(able)}."
            )
        pipeline = fit(material, known, given, settings.train.seed)
        outputs = len(material.signature.classes) or 1
        recent = material.source.tail(RECENT).reset_index(drop=True)
        made = cls(settings, learner, given, material, pipeline, recent, np.full((len(recent), outputs), np.nan), 0)
        return made._counted(frame, material.rows)

    def __getstate__(self) -> dict[str, Any]:
        # A field that is at its default is told from others by which object it is: pickled, it would be written out,
        # and the same model would be sealed to another id.
        return {**self.__dict__, "signature": msgspec.json.encode(self.material.signature)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        signature = msgspec.json.decode(state.pop("signature"), type=Signature)
        self.__dict__.update(state)
        self.material = dataclasses.replace(self.material, signature=signature)

    def learn(self, frame: pd.DataFrame, cursor: str = "") -> Learned:
        """Answer labelled rows by what was learned so far, then learn them one after the other.

        Raises InputInvalid for a class that the stream began without.
        """
        signature = self.material.signature
        material = material_of(frame, self.settings, signature)
        answers = scores_of(self.pipeline, material.frame, signature)
        prepared, model = self.pipeline.named_steps["preparation"], self.pipeline.named_steps["model"]
        features = np.asarray(prepared.transform(material.frame), dtype=np.float64)
        try:
            model.learn(features, targets(material.truth, signature), material.fit_weights(None))
        except ValueError as why:
            raise InputInvalid(str(why)) from None
        clip = float(np.ptp(material.truth.astype(np.float64)) or 1.0) if not signature.classes else 0.0
        found = losses(signature.task, material.truth, answers, signature, clip)
        self._remember(material.source, answers)
        self.cursor = cursor or self.cursor
        self._counted(frame, material.rows)
        return Learned(material.rows, float(found.mean()), found)

    def _remember(self, source: pd.DataFrame, answers: Floats) -> None:
        import pandas as pd

        self.recent = pd.concat([self.recent, source], ignore_index=True).tail(RECENT).reset_index(drop=True)
        self.answers = np.concatenate((self.answers, answers))[-RECENT:]

    def _counted(self, frame: pd.DataFrame, rows: int) -> Learning:
        from fairlead.lab.train.provenance import data_hash

        # The rows of a stream are no table any more: what was learned is named by the chain of their hashes.
        self.digest = hashlib.sha256(f"{self.digest}/{data_hash(frame)}".encode()).hexdigest()
        self.rows += rows
        return self

    def candidate(self) -> Candidate:
        """What was learned, ready to be sealed: compiled as it is now, described by the newest rows."""
        from msgspec.structs import replace

        from fairlead.lab.compile import Candidate
        from fairlead.lab.train.promise import reference_of
        from fairlead.lab.train.provenance import lineage_of

        material = material_of(self.recent, self.settings, self.material.signature)
        answers = self.answers.copy()
        unseen = np.isnan(answers).any(axis=1)
        if unseen.all():
            # Nothing was asked yet: what it answers to its own rows is all there is.
            answers = scores_of(self.pipeline, material.frame, material.signature)

        def answer(fold: Fold) -> Floats:
            return np.where(np.isnan(answers), 0.5, answers)[fold.judge]

        lineage = lineage_of(material, self.settings, self.learner, self.parameters, data=self.digest, root=None)
        return Candidate(
            pipeline=self.pipeline,
            signature=material.signature,
            lineage=replace(lineage, rows=self.rows),
            reference=reference_of(material, self.settings.monitor.window, answer, answers),
            columns=material.columns,
            name=self.settings.model.name,
        )

    def seal(self, folder: Path | str, key: SigningKey) -> str:
        """Write a bundle of what was learned so far into an empty folder; its id. Raises NotCompilable."""
        from fairlead.lab.compile import write_bundle

        return write_bundle(self.candidate(), folder, key)

    def save(self, path: Path | str, key: SigningKey) -> None:
        """What was learned and how far, whole or not at all, signed."""
        body = FORMAT + pickle.dumps(self, protocol=5)
        write(Path(path), signed_line(key, hashlib.sha256(body).digest()) + body)

    @classmethod
    def load(cls, path: Path | str, trusted: Sequence[str]) -> Learning:
        """What `save` wrote. trusted: public keys. Raises UsageError for anything else, which is not opened."""
        line, _, body = Path(path).read_bytes().partition(b"\n")
        _, why = check_line(line + b"\n", hashlib.sha256(body).digest(), trusted)
        if why is None and not body.startswith(FORMAT):
            why = "its format is not known; this version reads 1"
        if why is not None:
            raise UsageError(f"{Path(path).name} is not opened: {why.replace('manifest', 'file')}. Begin anew.")
        found: Learning = pickle.loads(body[len(FORMAT) :])  # noqa: S301 - its seal holds, by a key that is trusted
        return found
