"""What passes between those who write the OpenAPI document: a model as it is described, a protocol as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fairlead.contract.signature import Signature
from fairlead.runtime.serve.web.columns import Field, example_of

Schema = dict[str, Any]


class Said(NamedTuple):
    """What one model says about itself. passes: schemas of the pass-through cells. part(name): reference to a
    component of this model, `row`, `columns`, `prediction` or `feedback` among them."""

    model: str
    signature: Signature
    fields: tuple[Field, ...]
    passes: Mapping[str, Schema]
    part: Callable[[str], Schema]

    @property
    def example(self) -> dict[str, Any]:
        """A row that the model answers."""
        return {field.column.name: example_of(field) for field in self.fields}

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of a classification; empty for a regression."""
        return self.signature.classes if self.signature.task == "classification" else ()


class Spoken(NamedTuple):
    """One protocol's request and answer, both by media type."""

    summary: str
    request: Schema
    answer: Schema
    words: str = ""
