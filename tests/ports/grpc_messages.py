"""Requests and answers of V2 over gRPC, told as those of V2 over REST."""

from __future__ import annotations

import json
import math
from typing import Any

from fairlead.runtime.wire.proto import messages
from fairlead.runtime.wire.tensors import raw_of, values_of_raw
from fairlead.runtime.wire.v2_grpc import _FIELDS

MESSAGES = messages("open_inference")


def message(body: bytes, raw: bool = False) -> bytes:
    """A ModelInferRequest that says what the JSON says. What is missing is NaN: only FP tensors can say that."""
    said = json.loads(body)
    asked = MESSAGES.ModelInferRequest(model_name="churn", id=said.get("id") or "")
    for tensor in said["inputs"]:
        kind, data = tensor["datatype"], tensor["data"]
        if None in data:
            kind, data = "FP64", [math.nan if value is None else value for value in data]
        made = asked.inputs.add(name=tensor["name"], datatype=kind, shape=tensor["shape"])
        if raw:
            asked.raw_input_contents.append(raw_of(data, kind))
        else:
            values = [value.encode() if isinstance(value, str) else value for value in data]
            getattr(made.contents, _FIELDS[kind]).extend(values)
    for output in said.get("outputs", []):
        asked.outputs.add(name=output["name"])
    return bytes(asked.SerializeToString())


def answer(body: bytes) -> dict[str, Any]:
    """A ModelInferResponse as the JSON that V2 over REST would give."""
    said = MESSAGES.ModelInferResponse.FromString(body)
    outputs = []
    for at, tensor in enumerate(said.outputs):
        shape = list(tensor.shape)
        if said.raw_output_contents:
            values = values_of_raw(said.raw_output_contents[at], tensor.datatype, shape, tensor.name)
        else:
            values = getattr(tensor.contents, _FIELDS[tensor.datatype])
        data = [value.decode() if isinstance(value, bytes) else value for value in values]
        outputs.append({"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": data})
    found: dict[str, Any] = {"model_name": said.model_name, "outputs": outputs}
    found |= {"model_version": said.model_version} if said.model_version else {}
    return found | ({"id": said.id} if said.id else {})
