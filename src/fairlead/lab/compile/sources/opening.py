"""Which reader a model trained elsewhere is for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.contract.errors import FairleadError, SourceUnreadable, UsageError
from fairlead.contract.plugins import names, variant
from fairlead.lab.compile.candidate import Artefact

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 1 << 30
URIS = ("runs:/", "models:/", "mlflow-artifacts:/")
"""How addresses in MLflow begin."""


@dataclass(frozen=True)
class Opened:
    """estimator: with sklearn's `predict` (and `predict_proba`, `classes_`). artefact: what a native bundle would hold;
    None: the estimator, written down. said: what was done to open it, for people.
    """

    estimator: Any
    said: str
    artefact: Artefact | None = None


@dataclass(frozen=True)
class Hints:
    """What is known besides the file. trust: it may run the code it holds. task: classification, regression, or empty.
    labels: values of the target in the sample. registry: the MLflow server or database that its URIs are looked up in;
    empty: where MLflow itself looks.
    """

    trust: bool = False
    task: str = ""
    labels: tuple[Any, ...] = ()
    registry: str = ""


class Source(Protocol):
    """Port `source`: one form that models trained elsewhere come in."""

    def takes(self, where: str) -> bool:
        """Whether this is one, by its name and its first bytes; opens nothing."""

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """Open it. sample: rows as it takes them.

        Raises UsageError where opening would run code and trust was not given, SourceUnreadable.
        """


def open_source(where: str | Path, sample: pd.DataFrame, hints: Hints = Hints()) -> Opened:
    """The model in a file, a folder, or at an MLflow URI. Raises SourceUnreadable, UsageError."""
    text = str(where)
    shown = text if text.startswith(URIS) else Path(text).name
    if "://" not in text and not text.startswith(URIS) and not Path(text).exists():
        raise SourceUnreadable(f"{Path(text).name}: no such file or folder")
    for name in names("source"):
        source: Source = variant("source", name)()
        if not source.takes(text):
            continue
        try:
            return source.open(text, sample, hints)
        except FairleadError:
            raise
        except Exception as failed:
            # Whatever a foreign file does wrong, the person's question is about the file.
            raise SourceUnreadable(
                f"{shown}: cannot be opened as {name} ({type(failed).__name__}: {str(failed)[:300]})"
            ) from failed
    raise SourceUnreadable(
        f"{shown}: not a form that is known: {', '.join(names('source'))} (by ending and first bytes)"
    )


def needs_trust(what: str) -> UsageError:
    """Opening runs code: what a person must have said first."""
    return UsageError(f"opening {what} runs whatever code it holds. Give --trust if it comes from someone you trust.")


def first_bytes(where: str, count: int = 4096) -> bytes:
    """The beginning of a file; nothing for what is none."""
    path = Path(where)
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(count)


def whole(where: str) -> bytes:
    """A file's bytes. Raises SourceUnreadable beyond MOST_BYTES."""
    path = Path(where)
    if path.stat().st_size > MOST_BYTES:
        raise SourceUnreadable(f"{path.name}: larger than {MOST_BYTES} bytes")
    return path.read_bytes()
