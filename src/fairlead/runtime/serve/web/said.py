"""What passes between those who write the OpenAPI document: a model as it is described, a protocol as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

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

    def examples(self, **told: tuple[str, Any]) -> Schema:
        """Bodies made of the example, each with a summary, as a media type holds them; none where the model takes a
        tensor that is too long for a document."""
        if not self.short:
            return {}
        return {"examples": {name: {"summary": words, "value": value} for name, (words, value) in told.items()}}

    @property
    def short(self) -> bool:
        """Whether the example has every cell."""
        return None not in self.example.values()

    def cell(self, name: str) -> Schema:
        """Reference to the schema of one cell, a feature's or a pass-through one."""
        return {"$ref": f"{self.part('row')['$ref']}/properties/{_pointer(name)}"}

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes or clusters; empty for a regression and an anomaly detection."""
        return self.signature.classes


def _pointer(name: str) -> str:
    """A name as a part of a JSON pointer in a URI.

    >>> _pointer("a/b c~%")
    'a~1b%20c~0%25'
    """
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@")


class Spoken(NamedTuple):
    """One protocol's request and answer, both by media type."""

    summary: str
    request: Schema
    answer: Schema
    words: str = ""
