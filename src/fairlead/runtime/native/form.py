"""What a native bundle says about its model, and on which terms a process may run it."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.settings import ServeSettings, Settings

Loader = Literal["joblib", "pickle", "skops", "mlflow"]
Method = Literal["proba", "number", "labels"]


class ColumnType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a column of the signature looks in the frame that the model was fitted on.

    numeric: it travels as float64, else as text. dtype: of pandas; categories: of a categorical dtype, in its order.
    coded: what text stands for.
    """

    name: str
    numeric: bool
    dtype: str
    coded: Literal["text", "integer", "boolean"] = "text"
    categories: tuple[str | int | float | bool, ...] = ()


class NativeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """model/native/form.json. loader: what opens the artefact. method: what is asked of the model: the probabilities
    of its classes, a number, or labels, which then count as certain. classes: as the model names them, for labels.
    trusted: types that skops may build besides its own. named: the model takes a frame, else a matrix.
    python: version it was sealed with; its first two numbers must be those of the interpreter that runs it.
    """

    loader: Loader
    method: Method
    outputs: int
    columns: tuple[ColumnType, ...]
    python: str = ""
    classes: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    named: bool = True
    format: int = 1


class NativeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """On which terms native models run at all: without terms, none is loaded.

    python: interpreter; empty: this one. deadline_s: for one answer. start_s: for loading. memory_mb: of address
    space, 0 without limit. patient: whether a caller waits while a process that has ended is started again, or is
    told at once to come back.
    """

    python: str = ""
    deadline_s: float = 10.0
    start_s: float = 120.0
    memory_mb: int = 0
    patient: bool = True


def terms_of(serve: ServeSettings) -> NativeTerms:
    """The terms that a project states for native models, once it trusts them."""
    return NativeTerms(
        python=serve.native_python,
        deadline_s=serve.timeout_s,
        start_s=serve.native_start_s,
        memory_mb=serve.native_memory_mb,
    )


def native_terms(settings: Settings) -> NativeTerms | None:
    """The terms for native models; None unless the project trusts them (`[model] trust`)."""
    return terms_of(settings.serve) if settings.model.trust == "native" else None
