"""`find_suspects`: every row and block of a table that a person should look at before a model learns from it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Ints
from fairlead.lab.train.material import Material, material_of
from fairlead.lab.train.suspects.answers import out_of_fold
from fairlead.lab.train.suspects.blocks import Block, harmful_blocks
from fairlead.lab.train.suspects.confident import confident_suspects
from fairlead.lab.train.suspects.contradictions import near_rows, same_rows, scaled_target
from fairlead.lab.train.suspects.residuals import residual_suspects

ROWS = 50_000
TASKS = ("classification", "regression")
_ROW = "fairlead: row"


class Suspect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row. row: its number in the table, from 1; key: its row key, "" without. check: label, number or twin.

    given, suggested: class or number as the table has it, and as the other rows would have it. score: of a label by how
    much the suggested class is likelier, of a number deviations from the expected, of a twin 1. twin: the row that
    contradicts it.
    """

    row: int
    key: str
    check: str
    given: str
    suggested: str
    score: float
    twin: int = 0


class Suspects(msgspec.Struct, frozen=True):
    """What was found. rows: looked at, of `of` that have a truth. learner: whose out-of-fold answers judged.

    noise: estimated share of rows with a wrong label, unusual ones included. blocks: all, the most harmful first.
    """

    rows: int
    of: int
    learner: str
    noise: float
    suspects: tuple[Suspect, ...]
    blocks: tuple[Block, ...]

    def found(self, check: str) -> tuple[Suspect, ...]:
        """Those of one check."""
        return tuple(s for s in self.suspects if s.check == check)


def find_suspects(
    frame: Any, settings: Settings, *, columns: tuple[str, ...] = (), blocks: bool = True, progress: Any = None
) -> Suspects:
    """Suspicious labels, contradictions and blocks of a training table; at most 50,000 rows, by lot.

    frame: a pandas frame with the target. columns: whose values are blocks, besides time or order. Nothing is dropped.
    Raises ConfigInvalid for another task than classification and regression; else as `material_of`.
    """
    if settings.model.task not in TASKS:
        raise ConfigInvalid(
            f"suspects are looked for in labels, of which {settings.model.task} has none.", file="fairlead.toml",
            key="model.task",
        )  # fmt: skip
    say = progress or (lambda *words, **more: None)
    seed = settings.train.seed
    everything = _numbered(frame, settings)
    of = everything.rows
    material = everything
    if of > ROWS:
        material = everything.take(np.sort(np.random.default_rng([seed, 3]).choice(of, ROWS, replace=False)))
    numbers = material.source[_ROW].to_numpy(dtype=np.int64)
    answers = out_of_fold(material, settings.train.learners, seed, say)
    features = _features(material)
    classify = material.signature.task == "classification"
    if classify:
        noise, found = _labels(material, answers.scores)
        opposite = material.codes().astype(np.float64)
    else:
        residual = float(np.median(np.abs(material.truth - answers.scores[:, 0]))) * 1.4826
        rows, away = residual_suspects(material.truth, answers.scores[:, 0], features, answers.fold)
        noise = len(rows) / material.rows
        found = [(int(r), "number", f"{answers.scores[r, 0]:.6g}", float(z), 0)
                 for r, z in zip(rows, away, strict=True)]  # fmt: skip
        opposite = scaled_target(material.truth, residual)
    say("looking for twins with opposite answers", done=0.62)
    found += _twins(material, features, opposite, classify, numbers, seed)
    told = _told(material, numbers, found, settings.model.id)
    say("leaving out block by block", done=0.65)
    harmful = harmful_blocks(material, numbers, answers.learner, seed, columns) if blocks else []
    return Suspects(material.rows, of, answers.learner, noise, told, tuple(harmful))


Found = tuple[int, str, str, float, int]


def _numbered(frame: Any, settings: Settings) -> Material:
    """The material with each row's number in the table beside it."""
    from fairlead.lab.tables import open_table, signature_of

    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    signature = signature_of(source, settings)
    return material_of(source.assign(**{_ROW: np.arange(1, len(source) + 1)}), settings, signature)


def _features(material: Material) -> Any:
    """Numbers standardised, words one column each: the preparation that every project starts from."""
    from fairlead.lab.train.preparing import preparation

    return np.asarray(preparation(material.signature).fit_transform(material.frame), dtype=np.float64)


def _labels(material: Material, scores: Any) -> tuple[float, list[Found]]:
    given = material.codes()
    confident = confident_suspects(scores, given)
    noise = 1.0 - float(np.trace(confident.noise)) / max(float(confident.noise.sum()), 1.0)
    classes = material.signature.classes
    return noise, [
        (int(r), "label", classes[s], float(m), 0)
        for r, s, m in zip(confident.rows, confident.suggested, confident.margin, strict=True)
    ]


def _twins(material: Material, features: Any, opposite: Any, classify: bool, numbers: Ints, seed: int) -> list[Found]:
    pairs = same_rows(material.columns, opposite, classify)
    seen = {pair.row for pair in pairs}
    pairs += [pair for pair in near_rows(features, opposite, classify, seed) if pair.row not in seen]
    return [(p.row, "twin", str(material.truth[p.twin]), 1.0, int(numbers[p.twin])) for p in pairs]


def _told(material: Material, numbers: Ints, found: list[Found], key: str | None) -> tuple[Suspect, ...]:
    keys = material.source[key].astype(str).to_numpy() if key and key in material.source.columns else None
    return tuple(
        Suspect(int(numbers[r]), "" if keys is None else str(keys[r]), check, str(material.truth[r]), suggested,
                round(score, 6), twin)
        for r, check, suggested, score, twin in found
    )  # fmt: skip
