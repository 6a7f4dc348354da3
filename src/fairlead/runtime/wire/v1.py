"""KServe's V1 protocol, which is TensorFlow Serving's: instances in, predictions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.labels import Labels
from fairlead.runtime.wire.leaving import beside
from fairlead.runtime.wire.reading import UNREADABLE, encode, read_json
from fairlead.runtime.wire.scanning import scanned
from fairlead.runtime.wire.tensor_tables import tables_of


class V1:
    """`POST /v1/models/{model}:predict`: rows as objects, or as lists in the order of the signature.

    One prediction is what the model's own `predict` answers: a label or a number. `inputs` is taken for
    `instances`, and may be columns. A model that abstains adds `abstained`, true or false a prediction.
    """

    name = "v1"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._checks = model, checks
        self._labels, self._tables = Labels(signature), tables_of(checks)
        fields: list[Any] = [("instances", list[self._tables.row])]  # type: ignore[name-defined]
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            msgspec.defstruct("Instances", fields, gc=False)
        ).decode

    @cached_property
    def _read(self) -> Any:
        return scanned(self._checks, ("instances",), self._by_types)

    def paths(self) -> Sequence[str]:
        return (f"/v1/models/{self.model}:predict",)

    def default_paths(self) -> Sequence[str]:
        return ()

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        parsed: Parsed = self._read(body)
        return parsed

    def _by_types(self, body: bytes) -> Parsed:
        try:
            parsed = self._tables.typed(self._decode(body).instances)
        except UNREADABLE:
            parsed = None
        return self._careful(body) if parsed is None else parsed

    def _careful(self, body: bytes) -> Parsed:
        got = read_json(body)
        if not isinstance(got, dict) or ("instances" not in got and "inputs" not in got):
            raise BodyInvalid('body must be {"instances": [row, ...]}')
        if "instances" in got:
            return self._tables.rows(got["instances"], "instances")
        if isinstance(got["inputs"], dict):
            return self._tables.columns(got["inputs"], "inputs")
        return self._tables.rows(got["inputs"], "inputs")

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        return b'{"predictions":' + self._labels.encoded(answer) + beside(answer) + b"}"

    def error(self, message: str, code: int) -> bytes:
        return encode({"error": message})
