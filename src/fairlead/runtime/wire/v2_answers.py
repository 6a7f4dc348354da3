"""Answers of V2: one row from a template, many rows, and outputs as binary data behind the JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from fairlead.contract.signature import Signature
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.reading import encode
from fairlead.runtime.wire.tensors import output_names, outputs_of, raw_of

_MOST = 16
_END = b"]}]}"


class Answers:
    """`answers(asked, answer)` is the body of a 200; one with binary data sets the headers in `asked`."""

    def __init__(self, model: str, signature: Signature) -> None:
        self._model, self._signature = model, signature
        self._classes, self._width = signature.labels or ("",), len(signature.outputs)
        self._names, self._abstains = output_names(signature), signature.confidence > 0.0
        self._templates: dict[str, tuple[dict[str, bytes], dict[str, bytes]]] = {}

    def __call__(self, asked: Parsed, answer: Answer) -> bytes:
        if len(answer.scores) != 1 or asked.outputs is not None or asked.form is not None or self._abstains:
            return self._general(asked, answer)
        bare, named = self._templates.get(answer.version) or self._template(answer.version)
        label = "" if answer.labels is None else answer.labels[0]
        numbers = encode(answer.scores[0])[1:-1]
        if asked.id is None:
            return bare[label] + numbers + _END
        return b'{"id":' + encode(asked.id) + named[label] + numbers + _END

    def each(
        self, asked: Sequence[Parsed], labels: Sequence[str] | None, scores: Sequence[list[float]], version: str
    ) -> list[bytes]:
        """The answers to one or more requests of one row each, as one by one; their numbers are written at once."""
        if self._abstains:
            rows = zip(asked, repeat("") if labels is None else labels, scores, strict=False)
            return [self(one, Answer(None if labels is None else [label], [row], version)) for one, label, row in rows]
        bare, named = self._templates.get(version) or self._template(version)
        bodies = []
        numbers = encode(scores)[2:-2].split(b"],[")
        said = repeat("", len(numbers)) if labels is None else labels
        for one, label, number, row in zip(asked, said, numbers, scores, strict=True):
            if one.outputs is not None or one.form is not None:
                bodies.append(self(one, Answer(None if labels is None else [label], [row], version)))
            elif one.id is None:
                bodies.append(bare[label] + number + _END)
            else:
                bodies.append(b'{"id":' + encode(one.id) + named[label] + number + _END)
        return bodies

    def _template(self, version: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Everything of an answer to one row but its numbers, per label: without an id, and what follows one."""
        if len(self._templates) >= _MOST:
            self._templates.clear()
        bare: dict[str, bytes] = {}
        for label in self._classes:
            answer = Answer([label] if label else None, [[0.0] * self._width], version)
            whole = self._general(Parsed([]), answer)
            bare[label] = whole[: whole.rindex(b"[") + 1]
        made = bare, {label: b"," + start[1:] for label, start in bare.items()}
        self._templates[version] = made
        return made

    def _general(self, asked: Parsed, answer: Answer) -> bytes:
        said: dict[str, Any] = {"model_name": self._model}
        if answer.version:
            said["model_version"] = answer.version
        if asked.id is not None:
            said["id"] = asked.id
        outputs, raws = [], []
        for tensor in outputs_of(self._signature, answer, asked.outputs):
            one: dict[str, Any] = {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype}
            if asked.form is not None and ("*" in asked.form or tensor.name in asked.form):
                raws.append(raw_of(tensor.values, tensor.datatype))
                one["parameters"] = {"binary_data_size": len(raws[-1])}
            else:
                one["data"] = tensor.values
            outputs.append(one)
        said["outputs"] = outputs
        body = encode(said)
        if not raws:
            return body
        asked.head = (
            ("content-type", "application/octet-stream"),
            ("inference-header-content-length", str(len(body))),
        )
        return b"".join([body, *raws])
