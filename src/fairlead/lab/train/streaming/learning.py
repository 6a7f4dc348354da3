"""Learning from a stream: answer a row first, learn it once its label is there, seal what was learned now and then.

What was learned and how far the stream was read are one file, written aside and renamed, so a process that is killed
goes on where that file says and takes every labelled row once. It is signed, and opened only if the seal holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Collection, Mapping, Sequence
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
STEP = 100
"""Rows of `Learning.step`, always as many: what is learned follows from the rows and not from when they came."""
ORIGIN = "fairlead record"
"""The column that says which record a row is, where it is one; never a feature."""
FORMAT = b"fairlead-learning 2\n"
_PLACE = "fairlead place"


class Learned(NamedTuple):
    """rows: taken; loss: mean loss in [0, 1] of the answers before they were learned; losses: of each row, (rows,)."""

    rows: int
    loss: float
    losses: Floats


@dataclass
class Learning:
    """One model that learns label by label. cursor: how far its stream was read, in the words of who reads it.

    pipeline: the preparation of the rows that it began with, which stays, and the learner's estimator. recent,
    answers: the newest rows and what was answered to them before they were learned, (rows, outputs). held: rows that
    came and are not learned yet, oldest first. Rows may have a column ORIGIN.
    """

    settings: Settings
    learner: str
    parameters: dict[str, Any]
    material: Material
    pipeline: Any
    recent: pd.DataFrame
    answers: Floats
    held: pd.DataFrame
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
        unanswered = np.full((len(recent), outputs), np.nan)
        made = cls(settings, learner, given, material, pipeline, recent, unanswered, recent.iloc[:0], 0)
        # Of the rows that it began with the newest are kept alone.
        made.material = material.take(np.arange(0))
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
        """Answer labelled rows by what was learned so far, then learn them one after the other, in the order given.

        Raises InputInvalid for a class that the stream began without.
        """
        signature = self.material.signature
        material = _as_given(frame, self.settings, signature)
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

    def hold(self, frame: pd.DataFrame) -> None:
        """Put rows behind those that wait to be learned. frame: in the columns and kinds that it began with."""
        import pandas as pd

        self.held = pd.concat([self.held, frame], ignore_index=True) if len(self.held) else frame.reset_index(drop=True)

    def step(self, keep: int) -> Learned | None:
        """Learn the next `STEP` of the rows that wait; None where that would leave fewer than `keep` waiting."""
        if len(self.held) < keep + STEP:
            return None
        told = self.learn(self.held.iloc[:STEP])
        self.held = self.held.iloc[STEP:].reset_index(drop=True)
        return told

    def forget(self, gone: Collection[str]) -> int:
        """Let go of rows of these records (ORIGIN) that are kept or wait; how many. What was learned stays learned."""
        before = len(self.recent) + len(self.held)
        for name in ("recent", "held"):
            rows = getattr(self, name)
            if ORIGIN in rows and len(rows):
                stays = ~rows[ORIGIN].isin(gone).to_numpy()
                setattr(self, name, rows[stays].reset_index(drop=True))
                if name == "recent":
                    self.answers = self.answers[stays]
        return before - len(self.recent) - len(self.held)

    def asked(self) -> tuple[np.ndarray, Floats]:
        """Truth of the kept rows that were answered before they were learned, (rows,), and those answers."""
        material = _as_given(self.recent, self.settings, self.material.signature)
        known = ~np.isnan(self.answers).any(axis=1)
        return material.truth[known], self.answers[known]

    def origins(self) -> set[str]:
        """Records of which rows are kept or wait."""
        rows = [part[ORIGIN].dropna() for part in (self.recent, self.held) if ORIGIN in part]
        return {str(one) for part in rows for one in part}

    def _remember(self, source: pd.DataFrame, answers: Floats) -> None:
        import pandas as pd

        self.recent = pd.concat([self.recent, source], ignore_index=True).tail(RECENT).reset_index(drop=True)
        self.answers = np.concatenate((self.answers, answers))[-RECENT:]

    def _counted(self, frame: pd.DataFrame, rows: int) -> Learning:
        # The rows of a stream are no table any more: what was learned is named by the chain of their hashes.
        if ORIGIN in frame:
            target = frame[str(self.material.signature.target)]
            for origin, truth in zip(frame[ORIGIN], target, strict=True):
                self.digest = hashlib.sha256(f"{self.digest}/{origin}/{truth}".encode()).hexdigest()
        else:
            from fairlead.lab.train.provenance import data_hash

            self.digest = hashlib.sha256(f"{self.digest}/{data_hash(frame)}".encode()).hexdigest()
        self.rows += rows
        return self

    def candidate(self, root: Path | None = None) -> Candidate:
        """What was learned, ready to be sealed: compiled as it is now, described by the newest rows.

        root: of the project, whose commit is told. Raises InputInvalid where every kept row was forgotten.
        """
        from msgspec.structs import replace

        from fairlead.lab.compile import Candidate
        from fairlead.lab.train.promise import reference_of
        from fairlead.lab.train.provenance import lineage_of

        if not len(self.recent):
            raise InputInvalid("no row is left that could describe the model: all were forgotten. Wait for labels.")
        material = material_of(
            self.recent.assign(**{_PLACE: range(len(self.recent))}), self.settings, self.material.signature
        )
        # A reference is made of rows by their time; answers stand as labels came.
        answers = self.answers[material.source[_PLACE].to_numpy()]
        unseen = np.isnan(answers).any(axis=1)
        if unseen.all():
            # Nothing was asked yet: what it answers to its own rows is all there is.
            answers = scores_of(self.pipeline, material.frame, material.signature)

        def answer(fold: Fold) -> Floats:
            return np.where(np.isnan(answers), 0.5, answers)[fold.judge]

        lineage = lineage_of(material, self.settings, self.learner, self.parameters, data=self.digest, root=root)
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
        write(Path(path), self.signed(key))

    def signed(self, key: SigningKey) -> bytes:
        """What `save` writes."""
        body = FORMAT + pickle.dumps(self, protocol=5)
        return signed_line(key, hashlib.sha256(body).digest()) + body

    @classmethod
    def load(cls, path: Path | str, trusted: Sequence[str]) -> Learning:
        """What `save` wrote. trusted: public keys. Raises UsageError for anything else, which is not opened."""
        return cls.of(Path(path).read_bytes(), trusted, Path(path).name)

    @classmethod
    def of(cls, data: bytes, trusted: Sequence[str], name: str) -> Learning:
        """What `signed` gave, from a file called `name`. Raises as `load`."""
        line, _, body = data.partition(b"\n")
        _, why = check_line(line + b"\n", hashlib.sha256(body).digest(), trusted)
        if why is None and not body.startswith(FORMAT):
            why = "its format is not known; this version reads 2"
        if why is not None:
            raise UsageError(f"{name} is not opened: {why.replace('manifest', 'file')}. Begin anew.")
        found: Learning = pickle.loads(body[len(FORMAT) :])  # noqa: S301 - its seal holds, by a key that is trusted
        return found


def _as_given(frame: pd.DataFrame, settings: Settings, signature: Signature) -> Material:
    """Labelled rows in the order of the frame, where a material has them by time."""
    material = material_of(frame.assign(**{_PLACE: range(len(frame))}), settings, signature)
    places = material.source[_PLACE].to_numpy()
    ordered = material.take(np.argsort(places, kind="stable"))
    return dataclasses.replace(ordered, source=ordered.source.drop(columns=_PLACE))
