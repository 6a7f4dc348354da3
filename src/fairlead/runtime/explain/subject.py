"""What explainers are given: a compiled model's margin, its background, and which features belong to which column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused, DeadlineExceeded, FairleadError
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.cells import columns_of_rows, rows_from
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.front import sources_of
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.explain.margins import Margin, margin_of

Floats = npt.NDArray[np.float64]

MOST_BACKGROUND = 100
"""Background rows that explanations refer to; further ones in the file are left out."""

LEAST_BACKGROUND, HELD = 8, 1 << 22
"""Background rows of however wide a model, and features that are held at once: 32 MiB."""


@dataclass(frozen=True)
class Subject:
    """What is to be explained.

    players: the source columns, in the signature's order. owners: shape (width,), the player of each feature: a
    column's features are always taken together. background: features, shape (b, width), b <= 100. placed: what an
    explainer works out once for all rows, by its name.
    """

    signature: Signature
    margin: Margin
    owners: npt.NDArray[np.int64]
    background: Floats
    placed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def players(self) -> tuple[str, ...]:
        """Names of the players."""
        return self.signature.names

    @cached_property
    def baseline(self) -> Floats:
        """Mean margin of the background, shape (k,)."""
        found: Floats = self.margin(self.background).mean(axis=0)
        return found

    @cached_property
    def read(self) -> list[int]:
        """Players that the model reads; the others' attributions are nought."""
        return sorted(set(self.owners.tolist()))


@dataclass(frozen=True)
class Terms:
    """On which terms something is explained.

    deadline: of `time.monotonic`, after which DeadlineExceeded is raised between two steps; inf: none.
    evaluations: most margins worked out for one row by methods that sample or enumerate. seed: of what is sampled.
    """

    deadline: float = math.inf
    evaluations: int = 50_000
    seed: int = 0

    def check(self) -> None:
        """Raises DeadlineExceeded."""
        if self.deadline != math.inf and monotonic() > self.deadline:
            raise DeadlineExceeded("the explanation was not ready in time: ask about fewer rows")


def subject_of(model: Model, files: dict[str, bytes], behind: Columns) -> Subject:
    """The subject of a compiled model and the verified `files` of its bundle. behind: its background rows."""
    return Subject(
        signature=model.signature,
        margin=margin_of(model, files),
        owners=owners_of(model),
        background=model.front.encode(behind),
    )


def owners_of(model: Model) -> npt.NDArray[np.int64]:
    """The column, by its position in the signature, of each feature, shape (width,).

    Of a feature of several columns it is the first one: `pooled` explains such models otherwise.
    """
    at = {name: number for number, name in enumerate(model.signature.names)}
    lanes = model.front.lanes
    owners = np.array([at[sources_of(lane)[0]] for lane in lanes], dtype=np.int64)
    return np.repeat(owners, np.array([lane.width for lane in lanes], dtype=np.int64))


def background_rows(data: bytes, signature: Signature, width: int) -> Columns:
    """background.jsonl in the columns form, its first 100 rows, or fewer where `width` features of so many rows would
    take much memory, but at least 8. Raises BundleRefused."""
    lines = data.splitlines()[: max(LEAST_BACKGROUND, min(MOST_BACKGROUND, HELD // max(1, width)))]
    if not lines:
        raise BundleRefused("background.jsonl has no rows: there is nothing to explain against")
    try:
        return columns_of_rows(rows_from([msgspec.json.decode(line) for line in lines], signature), signature)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, FairleadError) as why:
        raise BundleRefused(f"background.jsonl: {why}") from why
